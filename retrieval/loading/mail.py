"""E-mail (EML) to blocks: who wrote to whom and when, what they wrote, and the attachments that can be read.

What is quoted from an earlier message stands in that message; it is left out.
"""

import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from pathlib import PurePath

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, row_text
from retrieval.loading.html import parse_html
from retrieval.loading.text import add_lines

HEADERS = ("From", "To", "Cc", "Date")
_QUOTED = re.compile(r"^\s*>")
_BEFORE_QUOTE = re.compile(
    r"^(?:on .{5,200} wrote|am .{5,200} schrieb .*|le .{5,200} a écrit|-{2,} ?original message.*):?\s*-*$", re.I
)


def parse_mail(data: bytes, ocr: str = "", max_pages: int | None = None) -> ParsedDocument:
    """A message; its subject names it. Attachments are read as files are (retrieval.loading.load)."""
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage) or not (message["From"] or message["Subject"]):
        raise LoadError("it is not an e-mail message")
    outline = Outline()
    values = [_header(message, name) for name in HEADERS]
    outline.add("text", row_text(HEADERS, values))
    body = message.get_body(preferencelist=("plain", "html"))
    if body is not None:
        _add_body(outline, body)
    notes: list[str] = []
    for part in message.iter_attachments():
        notes += _add_attachment(outline, part, ocr, max_pages)
    return replace(outline.document(title=_header(message, "Subject")), notes=tuple(notes))


def _header(message: EmailMessage, name: str) -> str:
    return str(message[name] or "")


def _add_body(outline: Outline, body: MIMEPart) -> None:
    text = _text(body)
    if body.get_content_subtype() == "html":
        for block in parse_html(text.encode()).blocks:
            outline.add(block.kind, block.text)
    else:
        lines = [
            line for line in text.splitlines() if not _QUOTED.match(line) and not _BEFORE_QUOTE.match(line.strip())
        ]
        add_lines(outline, lines)


def _text(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a charset that nobody knows
        return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")


def _add_attachment(outline: Outline, part: MIMEPart, ocr: str, max_pages: int | None) -> list[str]:
    """What an attachment says, under its name; one that cannot be read is named alone. Returns what of it could not be
    read.
    """
    from retrieval.loading import load

    name = part.get_filename() or ""
    payload = part.get_payload(decode=True)
    if not name or not isinstance(payload, bytes):
        return []
    outline.heading(2, name, is_label=True)
    if PurePath(name).suffix.lower() == ".eml":
        return []
    try:
        attached = load(name, payload, ocr=ocr, max_pages=max_pages)
    except LoadError as error:
        outline.add("text", f"Attached: {name} ({error})")
        return []
    for block in attached.blocks:
        for level, heading in enumerate(block.heading, 3):
            outline.heading(level, heading, is_label=True)
        if not block.heading:
            outline.heading(2, name, is_label=True)
        outline.add(block.kind, block.text)
    return [f"{name}: {note}" for note in attached.notes]
