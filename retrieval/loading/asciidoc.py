"""AsciiDoc to blocks, as structured text: headings, lists, tables and listings, without macros and their
targets.

It follows https://docs.asciidoctor.org/asciidoc/latest/ as far as text is concerned: nothing is included or
computed, and both branches of a condition are read.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from retrieval.loading.asciidoc_inline import filled, plain
from retrieval.loading.blocks import Outline, ParsedDocument, fenced, one_line, table_text
from retrieval.loading.encodings import decode

_HEADING = re.compile(r"(={1,6}|#{1,6})\s+(\S.*?)(?:\s+\1)?\s*$")
_UNDERLINES = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_LISTING = re.compile(r"(-{4,}|\.{4,}|`{3,})(?:[\w,+][\w,+-]*)?\s*$")
_DROPPED = re.compile(r"(/{4,}|\+{4,})\s*$")
_FRAME = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--|'{3,}|<{3,}|-{3}|\*{3}|\+)\s*$")
_TABLE = re.compile(r"([|,:!])={3,}\s*$")
_ATTRIBUTE = re.compile(r":!?([\w-]+)!?:(?:\s+(.*))?$")
_BLOCK_ATTRIBUTES = re.compile(r"\[(.*)\]\s*$")
_BLOCK_TITLE = re.compile(r"\.([^\s.].*)$")
_BLOCK_MACRO = re.compile(r"(image|video|audio)::\S*?\[(?:alt=)?\"?([^\],\"]*)[^\]]*\]\s*$")
_DIRECTIVE = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif|toc|//)(?:::|//|\s|$)|//[^/]|//$")
_ITEM = re.compile(r"\s*(\*{1,5}|-|\.{1,5}|\d+\.|[a-zA-Z]\.|<(?:\d+|\.)>)\s+(\S.*)$")
_TERM = re.compile(r"\s*(\S.*?)(?:::{1,3}|;;)(?:\s+(\S.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION)$")
_CELL = re.compile(r"(?:(?:^|(?<=\s))(?:(\d+)?(?:\.\d+)?([+*]))?[<^>]?(?:\.[<^>])?[aehlmdsv]?)?(?<!\\)\|")


@dataclass(slots=True)
class _AsciidocReader:
    """The lines that are still to be read, and what was said about the block that comes next."""

    lines: deque[str]
    outline: Outline = field(default_factory=Outline)
    attributes: dict[str, str] = field(default_factory=dict)
    block: str = ""

    def words(self, text: str) -> str:
        return one_line(plain(text, self.attributes))

    def until(self, delimiter: str) -> list[str]:
        """The lines up to the closing delimiter, or to the end where it is missing."""
        lines: list[str] = []
        while self.lines and (line := self.lines.popleft()).rstrip() != delimiter:
            lines.append(line)
        return lines

    def paragraph(self) -> str:
        """The lines that go on with what has begun: up to a blank line or another block."""
        lines: list[str] = []
        while self.lines and self.lines[0].strip() and not _begins_block(self.lines[0]):
            lines.append(self.lines.popleft().removesuffix(" +"))
        return " ".join(lines)


def parse_asciidoc(data: bytes) -> ParsedDocument:
    """An AsciiDoc document; its level-0 heading is the title."""
    decoded = decode(data)
    text = decoded.text.replace("\r\n", "\n").expandtabs(4)
    reader = _AsciidocReader(deque(line.rstrip() for line in text.split("\n")))
    reader.outline.note(decoded.note)
    while reader.lines:
        line = reader.lines.popleft()
        if not line:
            reader.block = "" if _ADMONITION.match(reader.block) else reader.block
        elif not (_read_mark(reader, line) or _read_framed(reader, line) or _read_heading(reader, line)):
            _read_text(reader, line)
    return reader.outline.document()


def _begins_block(line: str) -> bool:
    matches = (
        *(_HEADING.match, _LISTING.match, _DROPPED.match, _FRAME.match, _TABLE.match),
        *(_BLOCK_ATTRIBUTES.match, _ITEM.match, _TERM.match, _DIRECTIVE.match, _BLOCK_MACRO.match),
    )
    return any(match(line) for match in matches)


def _read_mark(reader: _AsciidocReader, line: str) -> bool:
    """Lines that say something about the text and are none: attributes, comments, directives, frames."""
    if match := _ATTRIBUTE.match(line):
        reader.attributes[match[1].lower()] = filled(match[2] or "", reader.attributes)
    elif match := _DROPPED.match(line):
        reader.until(match[1])
    elif match := _BLOCK_MACRO.match(line):
        reader.outline.add("text", reader.words(match[2]))
    elif match := _BLOCK_ATTRIBUTES.match(line):
        reader.block = match[1]
    elif not (_FRAME.match(line) or _DIRECTIVE.match(line)):
        return False
    return True


def _read_framed(reader: _AsciidocReader, line: str) -> bool:
    if match := _LISTING.match(line):
        reader.outline.add("code", fenced("\n".join(reader.until(match[1]))))
    elif _TABLE.match(line):
        reader.outline.add("table", table_text(_rows(reader, reader.until(line))))
    elif line.startswith(" ") and not (_ITEM.match(line) or _TERM.match(line)):
        literal = [line]
        while reader.lines and reader.lines[0].strip():
            literal.append(reader.lines.popleft())
        reader.outline.add("code", fenced("\n".join(literal)))
    else:
        return False
    reader.block = ""
    return True


def _read_heading(reader: _AsciidocReader, line: str) -> bool:
    if match := _HEADING.match(line):
        reader.outline.heading(len(match[1]), reader.words(match[2]))
    elif reader.lines and _is_underlined(line, reader.lines[0]):
        reader.outline.heading(_UNDERLINES[reader.lines.popleft()[0]], reader.words(line))
    else:
        return False
    reader.block = ""
    return True


def _is_underlined(line: str, below: str) -> bool:
    is_rule = len(below) >= 4 and below[0] in _UNDERLINES and not below.strip(below[0])
    return is_rule and abs(len(line) - len(below)) <= 1


def _read_text(reader: _AsciidocReader, line: str) -> None:
    admonition = f"{reader.block}: " if _ADMONITION.match(reader.block) else ""
    reader.block = ""
    line = line.removesuffix(" +")
    if match := _ITEM.match(line):
        depth = len(match[1]) - 1 if match[1][0] in "*." else 0
        marker = "- " if match[1][0] in "*-" else "1. " if match[1][0] == "." else match[1] + " "
        reader.outline.add("item", "  " * depth + marker + reader.words(f"{match[2]} {reader.paragraph()}"))
    elif match := _TERM.match(line):
        while reader.lines and not reader.lines[0].strip() and not match[2]:
            reader.lines.popleft()
        definition = reader.words(f"{match[2] or ''} {reader.paragraph()}")
        reader.outline.add("item", f"- {reader.words(match[1])}: {definition}".rstrip(": "))
    elif match := _BLOCK_TITLE.match(line):
        reader.outline.add("text", reader.words(match[1]))
    else:
        reader.outline.add("text", admonition + reader.words(f"{line} {reader.paragraph()}"))


def _rows(reader: _AsciidocReader, lines: list[str]) -> list[list[str]]:
    """A table's cells by row. A row has as many cells as `cols` says, else as the first line."""
    width = _width(reader.block)
    cells: list[str] = []
    for line in lines:
        marks = list(_CELL.finditer(line))
        before = line[: marks[0].start()] if marks else line
        if cells and before.strip():
            cells[-1] += " " + before
        ends = [mark.start() for mark in marks[1:]] + [len(line)]
        for mark, end in zip(marks, ends, strict=False):
            text = line[mark.end() : end]
            times = min(int(mark[1] or 1), 100)
            cells += [text] * times if mark[2] == "*" else [text, *[""] * (times - 1)]
        width = width or len(cells)
    texts = [reader.words(cell.replace("\\|", "|")) for cell in cells]
    return [texts[start : start + width] for start in range(0, len(texts), max(width, 1))]


def _width(block: str) -> int:
    """The number of columns that a table's attributes name, 0 if they name none."""
    match = re.search(r"cols\s*=\s*(?:\"([^\"]*)\"|([^,\]]+))", block)
    if not match:
        return 0
    columns = re.split("[,;]", (match[1] or match[2] or "").strip())
    return sum(int(times[1]) if (times := re.match(r"\s*(\d+)\*", column)) else 1 for column in columns if column)
