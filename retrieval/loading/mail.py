"""E-mail (EML) to blocks: who wrote to whom and when, what they wrote, and the attachments that can be read.

What is quoted from an earlier message stands in that message and is left out (retrieval/loading/quotations.py).
"""

from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage, Message, MIMEPart
from pathlib import PurePath
from typing import cast

from bs4.dammit import EncodingDetector

from retrieval.loading import load
from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, row_text
from retrieval.loading.encodings import decode
from retrieval.loading.html import read_page
from retrieval.loading.quotations import is_forwarded, own_html, own_lines
from retrieval.loading.text import add_lines

HEADERS = ("From", "To", "Cc", "Date")
MAX_MESSAGES = 20
"""How deep messages may lie in messages."""


def parse_mail(data: bytes, ocr: str = "", max_pages: int | None = None) -> ParsedDocument:
    """A message; its subject names it. Attachments are read as files are (retrieval.loading.load)."""
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage) or not (message["From"] or message["Subject"]):
        raise LoadError("it is not an e-mail message")
    outline = Outline()
    _Mail(outline, ocr, max_pages).add(message, 1)
    return outline.document(title=_header(message, "Subject"))


class _Mail:
    """Writes messages into an outline, each with those that lie in it."""

    def __init__(self, outline: Outline, ocr: str, max_pages: int | None) -> None:
        self._outline, self._ocr, self._max_pages = outline, ocr, max_pages

    def add(self, message: EmailMessage, depth: int) -> None:
        """Adds who wrote to whom, then all texts, then what is attached."""
        values = [_header(message, name) for name in HEADERS]
        self._outline.add("text", row_text(HEADERS, values))
        forwards = is_forwarded(_header(message, "Subject"))
        parts = list(_parts(message))
        for part in filter(_is_body, parts):
            _add_body(self._outline, part, forwards)
        for part in parts:
            if part.get_content_type() == "message/rfc822":
                self._add_message(part, depth)
            elif not _is_body(part):
                self._add_attachment(part)

    def _add_message(self, part: MIMEPart, depth: int) -> None:
        """A message that was forwarded as it is, or attached: it stands under its own subject."""
        payload = part.get_payload()
        inner = payload[0] if isinstance(payload, list) and payload else None
        if not isinstance(inner, EmailMessage):
            return
        if depth >= MAX_MESSAGES:
            self._outline.note(f"messages that lie in more than {MAX_MESSAGES} others are not read")
            return
        self._outline.heading(2, _header(inner, "Subject") or "Attached message", is_label=True)
        self.add(inner, depth + 1)

    def _add_attachment(self, part: MIMEPart) -> None:
        """What an attachment says, under its name; one that cannot be read is named, and reported unless it is a
        picture, as signatures have them.
        """
        name, payload = part.get_filename() or "", part.get_payload(decode=True)
        if not name or not isinstance(payload, bytes):
            return
        self._outline.heading(2, name, is_label=True)
        if PurePath(name).suffix.lower() == ".eml":
            inner = message_from_bytes(payload, policy=policy.default)
            if isinstance(inner, EmailMessage) and (inner["From"] or inner["Subject"]):
                self.add(inner, MAX_MESSAGES)
            return
        try:
            attached = load(name, payload, ocr=self._ocr, max_pages=self._max_pages)
        except LoadError as error:
            reason = str(error).partition("; supported are")[0]
            self._outline.add("text", f"Attached: {name} ({reason})")
            if part.get_content_maintype() != "image":
                self._outline.note(f"{name}: {reason}")
            return
        self._add_read(name, attached)

    def _add_read(self, name: str, attached: ParsedDocument) -> None:
        for block in attached.blocks:
            for level, heading in enumerate(block.heading, 3):
                self._outline.heading(level, heading, is_label=True)
            if not block.heading:
                self._outline.heading(2, name, is_label=True)
            self._outline.add(block.kind, block.text)
        for note in attached.notes:
            self._outline.note(f"{name}: {note}")


def _header(message: EmailMessage, name: str) -> str:
    return str(message[name] or "")


def _parts(message: MIMEPart) -> Iterator[MIMEPart]:
    """The leaves of a message in order; of alternatives the plainest that says anything. Messages in it are leaves."""
    stack: list[Message] = [message]
    while stack:
        part = cast(MIMEPart, stack.pop())
        if not part.is_multipart() or part.get_content_type() == "message/rfc822":
            yield part
        elif part.get_content_type() == "multipart/alternative":
            stack += [_plainest(part)] if part.get_payload() else []
        else:
            stack += reversed(cast("list[Message]", part.get_payload()))


def _plainest(alternatives: MIMEPart) -> Message:
    parts = [part for part in alternatives.get_payload() if isinstance(part, MIMEPart)]
    plain = [part for part in parts if part.get_content_type() == "text/plain" and part_text(part).strip()]
    return (plain or parts[-1:] or [cast(MIMEPart, alternatives.get_payload(0))])[0]


def _is_body(part: MIMEPart) -> bool:
    """Whether it is text to be read with the message; a text that somebody attached stands under its name."""
    if part.get_content_maintype() != "text" or part.get_content_subtype() not in ("plain", "html", "enriched"):
        return False
    return not (part.get_content_disposition() == "attachment" and part.get_filename())


def _add_body(outline: Outline, body: MIMEPart, forwards: bool) -> None:
    text = part_text(body)
    if body.get_content_subtype() == "html":
        try:
            page = read_page(text if forwards else own_html(text))
        except LoadError:
            return
        for block in page.blocks:
            outline.add(block.kind, block.text)
        return
    for paragraph in _paragraphs(own_lines(text.splitlines(), forwards)):
        add_lines(outline, paragraph)


def part_text(part: MIMEPart) -> str:
    """A part's text by the charset that the mail names, if it fits, else by what the bytes look like."""
    data = bytes(part.get_payload(decode=True) or b"")
    declared = part.get_content_charset() or ""
    if not declared and part.get_content_subtype() == "html":
        declared = EncodingDetector.find_declared_encoding(data, is_html=True) or ""
    try:
        return decode(data, declared).text
    except LoadError:
        return data.decode(errors="replace")


def _paragraphs(lines: Sequence[str]) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]
