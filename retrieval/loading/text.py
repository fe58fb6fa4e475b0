"""Plain text to blocks: paragraphs, list items, underlined headings and headings in capitals."""

import re

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, one_line

WRAPPED = 55
"""A line at least this long was broken by its editor, so the next line belongs to the same sentence."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_UNDERLINE = re.compile(r"(=+|-+|~+)\s*$")
_ITEM = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)]|[a-z]\))\s+\S")


def decode(data: bytes) -> str:
    """Bytes to text: by byte order mark, else UTF-8, else Windows-1252, the usual Latin 1. Binary data is
    refused.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\x00" in data:
        raise LoadError("it is not text: it holds binary data")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def parse_text(data: bytes) -> ParsedDocument:
    """Plain text, also reStructuredText and logs: paragraphs are what blank lines separate."""
    outline = Outline()
    levels: dict[str, int] = {}
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        while len(lines) >= 2 and _is_underlined(lines):
            outline.heading(levels.setdefault(lines[1][0], len(levels) + 1), lines[0])
            lines = lines[2:]
        if len(lines) == 1 and _is_capitals(lines[0]):
            outline.heading(max(len(levels), 1) + 1, lines[0])
        else:
            add_lines(outline, lines)
    return outline.document()


def _is_underlined(lines: list[str]) -> bool:
    return bool(_UNDERLINE.match(lines[1])) and len(lines[1]) >= 3 and len(lines[0]) <= len(lines[1]) + 3


def _is_capitals(line: str) -> bool:
    words = line.split()
    return line.isupper() and sum(map(str.isalpha, line)) >= 2 and len(words) <= 10 and line[-1] not in ".,;!?"


def add_lines(outline: Outline, lines: list[str]) -> None:
    """Adds one paragraph's lines: list items one by one, wrapped lines joined, deliberate line breaks kept."""
    entries: list[str] = []
    for line in lines:
        if entries and not _ITEM.match(line):
            last_line = entries[-1].rsplit("\n", 1)[-1]
            joint = " " if len(last_line) >= WRAPPED or _ITEM.match(entries[-1]) else "\n"
            entries[-1] += joint + one_line(line)
        else:
            entries.append(line if _ITEM.match(line) else one_line(line))
    for entry in entries:
        outline.add("item" if _ITEM.match(entry) else "text", entry)
