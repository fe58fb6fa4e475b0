"""Plain text to blocks: paragraphs, list items, tables drawn with signs, headings underlined or in capitals."""

import re
from collections.abc import Sequence

from retrieval.loading.blocks import Outline, ParsedDocument, one_line, table_text
from retrieval.loading.encodings import decode

WRAPPED = 55
"""A line at least this long was broken by its editor, so the next line belongs to the same sentence."""
MOST_CAPITALS = 0.5
"""Share of a text's paragraphs in capitals above which capitals make no heading: most of it is written so."""
MIN_RULES = 2
"""Columns that a line of dashes must mark to be the rule under a table's header, and rules within a box from which on
its rows stand between them.
"""

_PAGE_END = re.compile(r"\f")
_LINE_END = re.compile("\r\n?|[\x0b\x1c-\x1e\x85\u2028\u2029]")
_UNDERLINE = re.compile(r"(=+|-+|~+)\s*$")
_ITEM = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)]|[a-z]\))\s+\S")
_RULE = re.compile(r"[-=─═]{2,}")
_BOX = re.compile("[|│║┃]")
_BOX_RULE = re.compile(r"^[\s+|:=\-─━═┄┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬│║┃]+$")


def parse_text(data: bytes) -> ParsedDocument:
    """Plain text and logs: paragraphs are what blank lines separate, or the end of a page."""
    outline = Outline()
    decoded = decode(data)
    outline.note(decoded.note)
    paragraphs = _paragraphs(decoded.text)
    shouts = sum(len(lines) == 1 and _is_capitals(lines[0]) for lines in paragraphs)
    has_headings = shouts <= MOST_CAPITALS * len(paragraphs)
    levels: dict[str, int] = {}
    for lines in paragraphs:
        if rows := _table(lines):
            outline.add("table", table_text(rows))
            continue
        while len(lines) >= 2 and _is_underlined(lines):
            outline.heading(levels.setdefault(lines[1][0], len(levels) + 1), lines[0])
            lines = lines[2:]
        if len(lines) == 1 and has_headings and _is_capitals(lines[0]):
            outline.heading(max(len(levels), 1) + 1, lines[0])
        else:
            add_lines(outline, lines)
    return outline.document()


def _paragraphs(text: str) -> list[list[str]]:
    """The lines of each paragraph, without blank ones."""
    text = _LINE_END.sub("\n", _PAGE_END.sub("\n\n", text)).expandtabs(4)
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            paragraphs[-1].append(line.rstrip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return [lines for lines in paragraphs if lines]


def _is_underlined(lines: list[str]) -> bool:
    return bool(_UNDERLINE.match(lines[1])) and len(lines[1]) >= 3 and len(lines[0]) <= len(lines[1]) + 3


def _is_capitals(line: str) -> bool:
    words = line.split()
    return line.isupper() and sum(map(str.isalpha, line)) >= 2 and len(words) <= 10 and line[-1] not in ".,;!?"


def _table(lines: Sequence[str]) -> list[list[str]]:
    """The rows of a table that is drawn with signs: in a box, or its columns under rules. Empty if it is none."""
    return _boxed(lines) or _ruled(lines)


def _boxed(lines: Sequence[str]) -> list[list[str]]:
    """Cells between bars, all rows of as many; a row between two rules may go on over several lines."""
    bars = [len(_BOX.findall(line)) for line in lines if not _BOX_RULE.match(line)]
    if len(bars) < 2 or len(bars) == len(lines) or min(bars) < 2 or len(set(bars)) > 1:
        return []
    rows: list[list[str]] = []
    rules = sum(map(bool, map(_BOX_RULE.match, lines[1:-1])))
    goes_on = False
    for line in lines:
        if _BOX_RULE.match(line):
            goes_on = False
            continue
        cells = [cell.strip() for cell in _BOX.split(line.strip())]
        cells = cells[not cells[0] : len(cells) - (not cells[-1])]
        if goes_on and rules >= MIN_RULES:
            rows[-1] = [f"{above} {more}".strip() for above, more in zip(rows[-1], cells, strict=False)]
        else:
            rows.append(cells)
        goes_on = True
    return rows


def _ruled(lines: Sequence[str]) -> list[list[str]]:
    """Columns below a header whose second line is a rule for each: `----  -----`."""
    if len(lines) < 3 or not _BOX_RULE.match(lines[1]):
        return []
    starts = [rule.start() for rule in _RULE.finditer(lines[1])]
    if len(starts) < MIN_RULES or _BOX.search(lines[1]):
        return []
    ends = [*starts[1:], None]
    body = [lines[0], *(line for line in lines[2:] if not _BOX_RULE.match(line))]
    if any(line[start - 1] != " " for line in body for start in starts[1:] if len(line) >= start):
        return []
    return [[line[start:end].strip() for start, end in zip([0, *starts[1:]], ends, strict=True)] for line in body]


def add_lines(outline: Outline, lines: Sequence[str]) -> None:
    """Adds one paragraph's lines: list items one by one, wrapped lines joined, deliberate line breaks kept."""
    entry: list[str] = []
    width = 0
    for line in lines:
        is_item = bool(_ITEM.match(line))
        words = line if is_item else one_line(line)
        if entry and not is_item:
            goes_on = width >= WRAPPED or bool(_ITEM.match(entry[0]))
            entry += [" " if goes_on else "\n", words]
            width = len(words) + (width + 1 if goes_on else 0)
        else:
            _add_entry(outline, entry)
            entry, width = [words], len(words)
    _add_entry(outline, entry)


def _add_entry(outline: Outline, entry: Sequence[str]) -> None:
    if entry:
        outline.add("item" if _ITEM.match(entry[0]) else "text", "".join(entry))
