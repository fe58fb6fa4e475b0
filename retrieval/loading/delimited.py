"""Delimited tables (CSV, TSV) to row blocks.

Files of this kind name neither their delimiter nor their quoting nor whether they have a header, so all three are found
by what is consistent over the rows; what stays a guess is noted for the report.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, row_text
from retrieval.loading.encodings import decode
from retrieval.loading.headers import HeadedTable, headed, is_number

DELIMITERS = "\t|;,"
"""Delimiters in the order in which they are believed where they split the rows equally well: commas stand in prose and
numbers.
"""
SAMPLE = 200_000
"""Characters at the beginning that the delimiter is found by."""
MAX_CELL = 100_000
"""Characters within quotes: a quotation mark that is not closed by then is one of inches."""
MIN_AGREEMENT = 0.5
"""Share of rows that must have the same number of cells; else the lines are no table's."""

_HINT = re.compile(r"\"?sep=(.)\"?[;,\t]*", re.IGNORECASE)
_LINE_ENDS = re.compile("\r\n?")


def parse_csv(data: bytes) -> ParsedDocument:
    """A delimited table: each row is a passage that names its columns; lines above the header are text."""
    outline = Outline()
    decoded = decode(data)
    outline.note(decoded.note)
    rows, notes = read_rows(decoded.text)
    table = headed(rows)
    if not table.rows and not table.pairs:
        raise LoadError("it holds no rows below a header line")
    for note in (*notes, *table.notes):
        outline.note(note)
    add_table(outline, table)
    return outline.document()


def add_table(outline: Outline, table: HeadedTable) -> None:
    """What stands above the header, then the rows one by one, then what stands below."""
    for line in table.above:
        outline.add("text", line)
    for name, value in table.pairs:
        outline.add("row", row_text([name], [value]))
    for row in table.rows:
        outline.add("row", row_text(table.columns, row))
    for line in table.below:
        outline.add("text", line)


def read_rows(text: str) -> tuple[list[list[str]], list[str]]:
    """The rows that hold anything, cell by cell, and what about them is a guess."""
    text = _LINE_ENDS.sub("\n", text.replace("\x00", ""))
    first, _, rest = text.partition("\n")
    notes: list[str] = []
    if match := _HINT.fullmatch(first.strip()):
        delimiter, text = match[1], rest
    else:
        delimiter, note = _delimiter(text)
        notes += [note] if note else []
    width, _ = _agreement(list(_Records(text[:SAMPLE], delimiter)))
    rows = _Records(text, delimiter, width) if delimiter else ([line] for line in text.split("\n"))
    return [row for row in rows if any(map(str.strip, row))], notes


def _delimiter(text: str) -> tuple[str, str]:
    """The delimiter that splits most rows into the same number of cells, and a note where another does it as well. It
    is empty for a table of one column.
    """
    sample = text[:SAMPLE] if len(text) <= SAMPLE else text[: text.rfind("\n", 0, SAMPLE) + 1] or text[:SAMPLE]
    fits = [_fit(sample, delimiter, place) for place, delimiter in enumerate(DELIMITERS)]
    best = max(fits)
    if best.share < MIN_AGREEMENT:
        return "", ""
    rivals = [fit for fit in fits if fit.share == best.share and fit.delimiter != best.delimiter]
    return best.delimiter, f"its columns are taken to end at {_spoken(best.delimiter)}" if rivals else ""


def _spoken(delimiter: str) -> str:
    return {"\t": "tabs", "|": "bars", ";": "semicolons", ",": "commas"}[delimiter]


@dataclass(frozen=True, slots=True, order=True)
class _Fit:
    """How well a delimiter splits the rows; the larger the better."""

    share: float
    typed: int
    tight: float
    preference: int
    delimiter: str = field(compare=False)


def _fit(sample: str, delimiter: str, place: int) -> _Fit:
    rows = [row for row in _Records(sample, delimiter) if any(map(str.strip, row))]
    width, share = _agreement(rows)
    full = [row for row in rows if len(row) == width]
    typed = sum(all(is_number(row[column]) for row in full[1:]) for column in range(width)) if len(full) > 1 else 0
    after = sample.count(delimiter)
    tight = 1.0 - sample.count(delimiter + " ") / after if after else 0.0
    return _Fit(share, typed, tight, -place, delimiter)


def _agreement(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The most frequent number of cells, above one, and the share of rows that have as many."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0, 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return width, count / len(rows)


class _Records:
    """The records of a text. Quotes hold a cell together where they close; where they do not, or where each of the
    lines that they would join is a whole row of `width` cells by itself, they are inches. Every character is looked at
    a fixed number of times, whatever the quotes.
    """

    def __init__(self, text: str, delimiter: str, width: int = 0) -> None:
        self._text, self._delimiter, self._width = text, delimiter, width
        self._close = self._open_until = -1
        self._refused = (0, -1)

    def __iter__(self) -> Iterator[list[str]]:
        text, place = self._text, 0
        while self._delimiter and place < len(text):
            end = _found(text, "\n", place)
            if text.find('"', place, end) < 0:
                yield text[place:end].split(self._delimiter)
                place = end + 1
            else:
                cells, place = self._record(place)
                yield cells

    def _record(self, place: int) -> tuple[list[str], int]:
        """The record that begins at a place, and where the next one does."""
        text, begin = self._text, place
        cells: list[str] = []
        end = _found(text, "\n", place)
        while True:
            close = self._quoted_until(place, begin)
            if close is None:
                stop = min(_found(text, self._delimiter, place, end), end)
                cells.append(text[place:stop])
                place = stop
            else:
                opening = text.index('"', place)
                cells.append(text[opening + 1 : close].replace('""', '"'))
                if close > end:
                    begin, end = close, _found(text, "\n", close)
                place = min(_found(text, self._delimiter, close, end), end)
            if place >= end:
                return cells, end + 1
            place += 1

    def _quoted_until(self, place: int, begin: int) -> int | None:
        """The place where the quotes close that open the cell at `place`; None if it has none or they are inches."""
        text = self._text
        while text[place : place + 1] == " ":
            place += 1
        if text[place : place + 1] != '"':
            return None
        close = self._closing(place + 1)
        if close is None or (self._width and self._are_rows(begin, close)):
            return None
        return close

    def _closing(self, place: int) -> int | None:
        """The first quote from a place on that ends a cell, within MAX_CELL characters."""
        if place <= self._close and self._close - place <= MAX_CELL and self._text[place : place + 1] != '"':
            return self._close
        last = place + MAX_CELL
        at = max(place, self._open_until)
        while (at := self._text.find('"', at, last)) >= 0:
            if self._text[at + 1 : at + 2] == '"':
                at += 2
            elif self._ends_cell(at + 1):
                self._close = at
                return at
            else:
                at += 1
        self._open_until = min(last, len(self._text))
        return None

    def _ends_cell(self, place: int) -> bool:
        following = self._text[place : place + 9].lstrip(" ")[:1]
        return following in ("", "\n", self._delimiter)

    def _are_rows(self, begin: int, close: int) -> bool:
        """Whether the lines from one place to another are rows by themselves."""
        start, end = self._refused
        if start <= begin and close <= end:
            return True
        lines = self._text[begin : _found(self._text, "\n", close)].split("\n")
        if len(lines) < 2 or any(line.count(self._delimiter) + 1 != self._width for line in lines):
            return False
        self._refused = (begin, close)
        return True


def _found(text: str, sign: str, place: int, end: int | None = None) -> int:
    """The place where a sign stands next, or the end of the text where it does not."""
    last = len(text) if end is None else end
    at = text.find(sign, place, last)
    return last if at < 0 else at
