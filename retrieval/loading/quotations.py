"""What a mail says itself, without what it quotes: that stands in the message which is quoted.

The lines that an answer follows directly are kept, for without its question "49 Nm" says nothing; a message that is
forwarded is kept whole, for it is what the mail is about.
"""

import re
from collections.abc import Sequence

from bs4 import BeautifulSoup
from bs4.element import Tag

MAX_QUESTION = 400
"""Characters of a quoted question that are kept above its answer."""

_QUOTED = re.compile(r"\s*>")
_MARKS = re.compile(r"^(?:[ \t]{0,8}>)+[ \t]?")
_BEFORE_QUOTE = (
    re.compile(r"on\b.{5,200}\bwrote ?:?$", re.I),
    re.compile(r"am\b.{5,200}\bschrieb\b.{0,200}$", re.I),
    re.compile(r"le\b.{5,200}\ba [ée]crit ?:?$", re.I),
    re.compile(r"el\b.{5,200}\bescribi[óo] ?:?$", re.I),
    re.compile(r"il\b.{5,200}\bha scritto ?:?$", re.I),
    re.compile(r"(?:em|a)\b.{5,200}\bescreveu ?:?$", re.I),
    re.compile(r"op\b.{5,200}\bschreef\b.{0,200}$", re.I),
    re.compile(r"(?:den|d\.)\b.{5,200}\bskrev\b.{0,200}$", re.I),
)
# The line above what Outlook and its like put below an answer: all below it is the earlier message.
_EARLIER = re.compile(
    r"-{2,20} ?(?:original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale"
    r"|mensagem original|oorspronkelijk bericht|ursprungligt meddelande) ?-{2,20}$",
    re.I,
)
_FORWARDED = re.compile(
    r"(?:-{2,20} ?(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado"
    r"|messaggio inoltrato|mensagem encaminhada)[^-]{0,80}-{2,20}|begin forwarded message:?)$",
    re.I,
)
_FORWARDS = re.compile(r"forward|weitergeleitet|transf|reenviado|inoltrato|encaminhada", re.I)
_RULE = re.compile(r"_{10,}\s*$")
_HEADER_LINE = re.compile(
    r"\*?(from|von|de|da|van|från|sent|gesendet|envoyé|enviado|inviato|verzonden|skickat|date|datum|fecha|data"
    r"|to|an|à|para|aan|till|cc|subject|betreff|objet|asunto|oggetto|assunto|onderwerp|ämne)\*? ?:\*?\s",
    re.I,
)
_SENDERS = ("from", "von", "de", "da", "van", "från")
_FORWARDED_SUBJECT = re.compile(r"(?:fwd?|wg|tr|rv|i|enc|doorst|vb) ?:", re.I)
_SIGNATURE = "--"


def is_forwarded(subject: str) -> bool:
    """Whether a mail with this subject hands on another one."""
    return bool(_FORWARDED_SUBJECT.match(subject))


def own_lines(lines: Sequence[str], forwards: bool) -> list[str]:
    """The lines that this message adds: without what it quotes, unless it answers that; of an earlier message below it
    nothing, unless that is what it forwards.
    """
    own: list[str] = []
    quoted: list[str] = []
    for place, line in enumerate(lines):
        bare = line.strip()
        forwards = forwards or bool(_FORWARDED.match(bare[:300]))
        if forwards:
            own.append("" if _FORWARDED.match(bare[:300]) else _MARKS.sub("", line, count=1))
        elif _begins_earlier(lines, place):
            break
        elif _QUOTED.match(line):
            quoted.append(_MARKS.sub("", line, count=1).strip())
        elif _introduces_quote(lines, place):
            quoted = []
        elif bare:
            own += [*_asked(quoted if bare != _SIGNATURE else []), line]
            quoted = []
        else:
            own.append(line)
    return own


def _begins_earlier(lines: Sequence[str], place: int) -> bool:
    """Whether the message below starts here: at a line that says so, or at the headers that Outlook puts above it."""
    bare = lines[place].strip()
    if _EARLIER.match(bare[:100]):
        return True
    start = place + 1 if _RULE.match(bare) else place
    following = [line.strip() for line in lines[start : start + 6]]
    headers = [match[1].lower() for match in map(_HEADER_LINE.match, following) if match]
    return bool(following) and len(headers) >= 3 and headers[0] in _SENDERS and bool(_HEADER_LINE.match(following[0]))


def _introduces_quote(lines: Sequence[str], place: int) -> bool:
    """Whether a line says who wrote what is quoted directly below; mail programs break it over two lines."""
    following = [line for line in lines[place + 1 : place + 4] if line.strip()][:2]
    if not any(map(_QUOTED.match, following)):
        return False
    bare = lines[place].strip()[:500]
    candidates = [bare]
    if place:
        candidates.append(f"{lines[place - 1].strip()[:500]} {bare}")
    if not _QUOTED.match(following[0]):
        candidates.append(f"{bare} {following[0].strip()[:500]}")
    return any(pattern.match(words) for words in candidates for pattern in _BEFORE_QUOTE)


def _asked(quoted: Sequence[str]) -> list[str]:
    """The last paragraph of a quote, marked as such: what the lines below it answer."""
    paragraph: list[str] = []
    for line in reversed(quoted):
        if line:
            paragraph.insert(0, line)
        elif paragraph:
            break
    question = " ".join(paragraph)
    return ["", f"> {question}"] if 0 < len(question) <= MAX_QUESTION else []


def own_html(html: str) -> str:
    """What a page of a mail says itself: quotations that nothing follows go, others leave the question that is answered
    below; what Outlook puts under an answer goes with all behind it. A forwarded message stays.
    """
    soup = BeautifulSoup(html, "lxml")
    if any(_FORWARDED.match(text.strip()[:300]) for text in soup.find_all(string=_FORWARDS)):
        return html
    for mark in soup.find_all(_begins_earlier_page):
        if not mark.decomposed:
            for part in [*mark.find_all_next(True), mark]:
                if not part.decomposed and part not in mark.parents:
                    part.decompose()
    for introduction in soup.find_all(class_=["gmail_attr", "moz-cite-prefix"]):
        introduction.decompose()
    for quote in soup.find_all("blockquote"):
        if not quote.decomposed and _is_quotation(quote):
            _leave_question(soup, quote)
    return str(soup)


def _begins_earlier_page(tag: Tag) -> bool:
    return tag.get("id") in ("divRplyFwdMsg", "appendonsend", "mail-editor-reference-message-container")


def _is_quotation(tag: Tag) -> bool:
    classes = " ".join(map(str, tag.get_attribute_list("class")))
    return tag.get("type") == "cite" or "quote" in classes


def _leave_question(soup: BeautifulSoup, quote: Tag) -> None:
    """Replaces a quotation by its last paragraph if text follows it, else by nothing."""
    following = " ".join(str(text) for text in quote.find_all_next(string=True) if quote not in text.parents)
    paragraphs = [part for part in quote.find_all(["p", "div", "li"]) if not part.find(["p", "div", "li"])] or [quote]
    question = _asked([" ".join(paragraphs[-1].get_text(" ").split())])
    if not following.strip() or not question:
        quote.decompose()
        return
    paragraph = soup.new_tag("p")
    paragraph.string = question[-1]
    quote.replace_with(paragraph)
