"""Rows of cells to a table: what stands above it, how many rows are its header, or whether it has none.

A header is told by being unlike what stands below it: words above numbers, codes or dates. Where the first row is like
the others it is one of them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.loading.blocks import one_line

SAMPLE = 1000
"""Rows that columns are judged by."""
SAME = 0.9
"""Share of a column's cells that must be of one kind for the column to be."""
MAX_HEADERS = 3
MIN_VALUE_KINDS, MOST_OF_A_KIND = 3, 0.6
"""Kinds of values, and the largest share of one of them, in a list of names with their values."""

_NUMBER = re.compile(r"[+\-−±~<>≤≥]?\s?(?:[€$£]\s?)?\d{1,40}(?:[.,'’ \u00a0]\d{1,40}){0,8}\s?(?:%|€|\$|£)?")
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?|\d{1,2}:\d{2}(?::\d{2})?")
_MEASURE = re.compile(
    r"[+\-−±~<>≤≥]?\s?\d{1,40}(?:[.,]\d{1,40})?\s?[^\W\d_]{1,4}(?:[/²³%]\S{0,4})?|\d[\d.,/]{0,20}\s?[\"'°]\S{0,3}"
)
_MISSING = frozenset(("", "-", "–", "—", "n/a", "na", "n.a.", "?", "none", "null", "nil", "tbd", "x", "...", "k.a."))

Kind = Literal["missing", "number", "date", "measure", "code", "numbered", "words"]


@dataclass(frozen=True, slots=True)
class HeadedTable:
    """Rows under the names of their columns, empty where they have none; `pairs` in place of rows where each line is a
    name with its value. `above` and `below` are lines around it; `notes` say what is a guess.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def headed(rows: Sequence[Sequence[str]]) -> HeadedTable:
    """The table that rows of cells are meant to be; rows without any text are left out."""
    cells = [tuple(cell.strip() for cell in row) for row in rows]
    cells = [row for row in cells if any(row)]
    above, body, below = _framed(cells)
    if not body:
        return HeadedTable((), (), tuple(map(_joined, cells)))
    frame = (tuple(map(_joined, above)), tuple(map(_joined, below)))
    if _is_pairs(body):
        return HeadedTable((), (), *frame, tuple((row[0], row[1]) for row in body if len(row) > 1 and row[0]))
    headers, note = _headers(body)
    columns = _names(body[:headers], max(map(len, body)), _lacks_first(body, headers))
    return HeadedTable(columns, tuple(body[headers:]), *frame, (), (note,) if note else ())


def listed(rows: Sequence[Sequence[str]]) -> HeadedTable | None:
    """Rows of two cells as names with their values, where the first is no header: its value has a figure, or all names
    end with a colon. This is for tables that people lay out by hand; in a delimited file such lines are rows.
    """
    cells = [[cell.strip() for cell in row] for row in rows if any(row)]
    names = [row[0] for row in cells]
    if len(cells) < 2 or any(len(row) < 2 or not row[0] or any(row[2:]) for row in cells):
        return None
    if len(set(names)) < len(names) or any(kind_of(name) != "words" for name in names):
        return None
    if kind_of(cells[0][1]) in ("words", "missing") and not all(name.endswith(":") for name in names):
        return None
    return HeadedTable((), (), pairs=tuple((name.rstrip(" :"), row[1]) for name, row in zip(names, cells, strict=True)))


def is_number(cell: str) -> bool:
    """Whether a cell is a number as people write it: 1,50 or 1.234,5 or -3 %."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def kind_of(cell: str) -> Kind:
    """What a cell holds, as far as its signs say it."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return "missing"
    if not any(map(str.isdigit, cell)):
        return "words"
    if len(cell) <= 100:
        for kind, pattern in (("date", _DATE), ("number", _NUMBER), ("measure", _MEASURE)):
            if pattern.fullmatch(cell):
                return kind  # type: ignore[return-value]
    return "numbered" if " " in cell else "code"


Rows = Sequence[tuple[str, ...]]


def _framed(rows: Rows) -> tuple[Rows, Rows, Rows]:
    """Lines of one cell before and after the rows of several are no rows: a title, its program's name, a note."""
    width = Counter(_filled(row) for row in rows[:SAMPLE]).most_common(1)[0][0] if rows else 0
    if width < 2:
        return (), rows, ()
    first, last = 0, len(rows)
    while first < last and _filled(rows[first]) == 1:
        first += 1
    while first < last and len(rows[last - 1]) == 1 and width > 2:
        last -= 1
    return rows[:first], rows[first:last], rows[last:]


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _joined(row: Sequence[str]) -> str:
    return " ".join(filter(None, row))


def _headers(rows: Rows) -> tuple[int, str]:
    """How many rows at the top are header, and a note where nothing tells it."""
    if len(rows) == 1:
        return (0 if any(kind_of(cell) not in ("words", "missing") for cell in rows[0]) else 1), ""
    for count in range(MAX_HEADERS, 1, -1):
        if len(rows) > count and _is_header_of(rows, count):
            return count, ""
    likeness = _likeness(rows[0], rows[1:])
    if likeness > 0:
        return 1, ""
    if likeness < 0:
        return 0, "it seems to have no header line, so its columns have no names"
    return 1, "its first line is taken for the names of its columns"


def _likeness(first: Sequence[str], body: Rows) -> int:
    """Compares the first row with those below: 1 where one of its cells is of another kind than its whole column; else
    -1 where one is of the same kind as all others, or comes again; else 0.
    """
    signs = [_sign(cell, [row[place] for row in body[:SAMPLE] if place < len(row)]) for place, cell in enumerate(first)]
    return 1 if 1 in signs else min(signs, default=0)


def _sign(cell: str, column: Sequence[str]) -> int:
    kind, body = kind_of(cell), _column_kind(column)
    if kind == "missing" or body is None:
        return 0
    if body == "words":
        return -1 if cell in column or kind != "words" else 0
    return -1 if kind == body else 1


def _column_kind(column: Sequence[str]) -> Kind | None:
    """The kind of a column's cells, None where they are of several."""
    kinds = Counter(kind for kind in map(kind_of, column) if kind != "missing")
    if not kinds:
        return None
    kind, count = kinds.most_common(1)[0]
    if kind in ("code", "numbered", "measure") and count < SAME * kinds.total():
        count_of_values = kinds.total() - kinds["words"]
        return "numbered" if count_of_values >= SAME * kinds.total() else None
    return kind if count >= SAME * kinds.total() else None


def _is_header_of(rows: Rows, count: int) -> bool:
    """Whether the first rows are one header: the upper ones leave places empty that the last one fills, or the last one
    holds units or words above columns of numbers.
    """
    upper, last, body = rows[: count - 1], rows[count - 1], rows[count:]
    if any(kind_of(cell) in ("number", "date") for row in (*upper, last) for cell in row):
        return False
    return (_spans(upper, last) or _is_of_units(upper[-1], last)) and _differs(last, body)


def _spans(upper: Rows, last: Sequence[str]) -> bool:
    """Whether cells of the upper rows stand above several of the last one, as merged cells do."""
    for row in upper:
        cells = [row[place] if place < len(row) else "" for place in range(len(last))]
        begin = next((place for place, cell in enumerate(cells) if cell), len(cells))
        open_places = [place for place, cell in enumerate(cells) if not cell and place > begin]
        if not open_places or not all(last[place] for place in open_places):
            return False
    return True


def _is_of_units(names: Sequence[str], units: Sequence[str]) -> bool:
    """Whether all cells of a row are short or in brackets, below names that are all there."""
    texts = [cell for cell in units if cell]
    short = all((len(cell) <= 8 and " " not in cell) or (cell[0] in "[(" and cell[-1] in ")]") for cell in texts)
    return len(texts) >= 1 and short and _filled(names) >= len(units) - 1 and not units[0]


def _differs(last: Sequence[str], body: Rows) -> bool:
    """Whether the header's last row is none of the rows: its corner is empty, it repeats itself, or stands as words
    above numbers.
    """
    texts = [cell for cell in last if cell]
    comes_again = any(
        cell and cell in [row[place] for row in body if place < len(row)] for place, cell in enumerate(last)
    )
    if not comes_again and ((not last[0] and body[0][0]) or len(set(texts)) < len(texts)):
        return True
    return _likeness(last, body) > 0


def _names(headers: Rows, width: int, lacks_first: bool) -> tuple[str, ...]:
    """A name for each column, made of all header rows from top to bottom. Upper names hold for the empty places to
    their right.
    """
    if not headers:
        return ("",) * width
    *upper, last = headers
    parts: list[list[str]] = [[] for _ in range(width)]
    for row in upper:
        name = ""
        for place in range(width):
            cell = row[place] if place < len(row) else ""
            below = last[place] if place < len(last) else ""
            name = cell or (name if below else "")
            parts[place].append(name)
    for place, cell in enumerate(last):
        parts[place].append(cell)
    names = [one_line(" ".join(dict.fromkeys(filter(None, part)))) for part in parts]
    if lacks_first:
        names = ["", *names[:-1]]
        return tuple(names)
    width_of_header = max(map(len, headers))
    return tuple(name or (f"column {place}" if place <= width_of_header else "") for place, name in enumerate(names, 1))


def _lacks_first(rows: Rows, headers: int) -> bool:
    """Whether the header has one name less than all rows have cells: the rows' own names have none."""
    return headers == 1 and len(rows) > 2 and all(len(row) == len(rows[0]) + 1 for row in rows[1:])


def _is_pairs(rows: Rows) -> bool:
    """Whether each row is a name with its value: names of words, all different, and values of several kinds."""
    if any(len(row) > 2 and any(row[2:]) for row in rows[:SAMPLE]) or not 2 < len(rows) <= SAMPLE:
        return False
    names = [row[0] for row in rows]
    kinds = Counter(kind_of(row[1]) for row in rows if len(row) > 1)
    del kinds["missing"]
    if len(kinds) < MIN_VALUE_KINDS or max(kinds.values()) > MOST_OF_A_KIND * kinds.total():
        return False
    return len(set(names)) == len(names) and {kind_of(name) for name in names} == {"words"}
