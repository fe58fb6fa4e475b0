"""Markdown to Slack's two dialects: everything that a model or a document wrote passes through here on its
way out.

Slack reads `<!channel>`, `<@U…>`, `<#C…>` and `<url|label>` as control sequences, so `&`, `<` and `>` are
escaped first and no control sequence survives:
https://docs.slack.dev/messaging/formatting-message-text/#escaping

A Markdown link becomes "label (address)": a document cannot hide where its link leads.
"""

import re
from collections.abc import Iterator
from datetime import datetime

SECTION_LIMIT = 3000  # characters of a section block's text
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
# Lengths have bounds, so that a text of opening marks takes no more time than another one.
_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,300})\]\([ \t]{0,8}([^\s()]{1,2000}(?:\([^\s()]{0,200}\)[^\s()]{0,200})?)"
    r"(?:[ \t]{1,8}(?:&quot;|\")[^)\n]{0,300})?[ \t]{0,8}\)"
)
_BOLD = re.compile(r"(\*\*|__)(?=[^\s*_])([^\n]{1,400}?)(?<=\S)\1")
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*)$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+", re.MULTILINE)
_QUOTE_MARK = re.compile(r"^((?:&gt;[ \t]?)+)", re.MULTILINE)


def escape(text: str) -> str:
    """Writes Slack's three control characters as entities, and changes nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Returns what a person typed, of what Slack sends."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def plain(text: str) -> str:
    """Returns the text as one escaped line: for titles, headings and quotes that come from documents."""
    return escape(" ".join(text.split()))


def to_mrkdwn(markdown: str) -> str:
    """Turns Markdown into Slack's mrkdwn, for section blocks and message texts."""
    parts = _CODE.split(markdown)
    return "".join(escape(part) if _is_code(index) else _prose(part) for index, part in enumerate(parts))


def to_markdown(markdown: str) -> str:
    """Turns Markdown into what `markdown_text` takes: escaped, block quotes kept, links spelled out."""
    parts = _CODE.split(markdown)
    return "".join(
        escape(part) if _is_code(index) else _quotes(_spell_out_links(escape(part))) for index, part in enumerate(parts)
    )


def link(url: str | None, label: str) -> str:
    """Writes `<url|label>` for an http(s) address, else the label alone. Both are data."""
    words = plain(label).replace("|", "¦")
    if url is None or not url.lower().startswith(("http://", "https://")):
        return words
    address = re.sub(r"[\s<>|\"]", lambda match: f"%{ord(match.group()):02X}", url)
    return f"<{address.replace('&', '&amp;')}|{words}>"


def slack_date(moment: datetime) -> str:
    """Writes a moment so that Slack shows it to each reader in their time zone.

    https://docs.slack.dev/messaging/formatting-message-text/#date-formatting
    """
    fallback = f"{moment:%Y-%m-%d %H:%M %Z}"
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def split(text: str, limit: int = SECTION_LIMIT) -> Iterator[str]:
    """Yields pieces of at most `limit` characters, cut at the end of a paragraph, line, sentence or word."""
    rest = text.strip()
    while len(rest) > limit:
        cut = _cut(rest, limit)
        yield rest[:cut].rstrip()
        rest = rest[cut:].lstrip()
    if rest:
        yield rest


def fitting(text: str, limit: int = SECTION_LIMIT) -> str:
    """Returns as much of the text as `limit` allows, cut as `split` does."""
    return next(split(text, limit), "")


def _cut(text: str, limit: int) -> int:
    """Says where to cut before `limit`: never inside an entity, and no earlier than half way for a nicer place."""
    for end in ("\n\n", "\n", ". ", " "):
        place = text.rfind(end, limit // 2, limit)
        if place > 0:
            return place + len(end)
    entity = text.rfind("&", limit - 5, limit)
    return entity if entity > 0 and ";" not in text[entity:limit] else limit


def _is_code(index: int) -> bool:
    return index % 2 == 1  # re.split puts what the group captured at the odd places


def _prose(text: str) -> str:
    escaped = _spell_out_links(escape(text))
    bullets = _BULLET.sub(r"\1• ", escaped)
    bold = _BOLD.sub(r"*\2*", bullets)
    return _quotes(_HEADING.sub(_bold_heading, bold))


def _bold_heading(match: re.Match[str]) -> str:
    """A heading without the marks that may close it."""
    return f"*{match.group(1).rstrip().rstrip('#').rstrip().strip('*')}*"


def _spell_out_links(escaped: str) -> str:
    return _LINK.sub(lambda match: _spelled(match.group(1), match.group(2)), escaped)


def _spelled(label: str, address: str) -> str:
    return address if label in ("", address) else f"{label} ({address})"


def _quotes(escaped: str) -> str:
    """`>` at the start of a line is a block quote in both dialects and starts no control sequence."""
    return _QUOTE_MARK.sub(lambda match: match.group(1).replace("&gt;", ">"), escaped)
