"""Tables of Word documents: their cells by row and column, with what is merged and what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.loading.docx_text import W, parts
from retrieval.loading.grids import Cell


@dataclass(frozen=True, slots=True)
class Place:
    """A cell's element, and the columns and rows that it takes."""

    element: Any
    columns: int
    rows: int

    @property
    def paragraphs(self) -> list[Any]:
        """The paragraphs that stand in the cell itself."""
        return [part for part in parts(self.element) if part.tag == f"{W}p"]

    @property
    def tables(self) -> list[Any]:
        """The tables that stand in the cell."""
        return [part for part in parts(self.element) if part.tag == f"{W}tbl"]


def rows(table: Any) -> list[list[Place | None]]:
    """The cells of each row; None where the row begins or ends with columns that it does not have. Cells that go on
    from the row above are left out, rows that were deleted, too.
    """
    table_rows = [_row(row) for row in _elements(table, "tr") if row.find(f"{W}trPr/{W}del") is None]
    return [
        [
            _merged(table_rows, at, column, place)
            for column, place in row
            if place is None or not _goes_on(place.element)
        ]
        for at, row in enumerate(table_rows)
    ]


def header_rows(table: Any, grid: Sequence[Sequence[Place | None]]) -> int:
    """How many rows at the top are header: those that are repeated on each page, or else the first and all that its
    merged cells reach into or stand above.
    """
    repeats = 0
    for row in _elements(table, "tr"):
        mark = row.find(f"{W}trPr/{W}tblHeader")
        if mark is None or mark.get(f"{W}val") in ("0", "false", "off"):
            break
        repeats += 1
    first = [place for place in grid[0] if place is not None] if grid else []
    spans = len(first) > 1 and any(place.columns > 1 for place in first)
    deep = max((place.rows for place in first), default=1) if spans else min((place.rows for place in first), default=1)
    return min(max(repeats, deep, 2 if spans else 1), max(len(grid) - 1, 1))


def cells(grid: Sequence[Sequence[Place | None]], text_of: Any) -> list[list[Cell]]:
    """The rows with their texts, as `text_of` gives them."""
    return [
        [Cell("") if place is None else Cell(text_of(place), place.columns, place.rows) for place in row]
        for row in grid
    ]


def _elements(table: Any, name: str) -> list[Any]:
    """The rows or cells of a table or row, also those in content controls."""
    elements = []
    for child in table:
        if child.tag == f"{W}{name}":
            elements.append(child)
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml", f"{W}ins"):
            elements += _elements(child, name)
    return elements


Row = list[tuple[int, Place | None]]


def _row(row: Any) -> Row:
    """A row's cells with their columns."""
    empty = row.find(f"{W}trPr/{W}gridBefore")
    before = 0 if empty is None else int(empty.get(f"{W}val", 0))
    placed: Row = [(column, None) for column in range(before)]
    column = before
    for cell in _elements(row, "tc"):
        span = cell.find(f"{W}tcPr/{W}gridSpan")
        columns = 1 if span is None else max(int(span.get(f"{W}val", 1)), 1)
        placed.append((column, Place(cell, columns, 1)))
        column += columns
    return placed


def _goes_on(cell: Any) -> bool:
    merge = cell.find(f"{W}tcPr/{W}vMerge")
    return merge is not None and merge.get(f"{W}val", "continue") == "continue"


def _merged(table_rows: Sequence[Row], at: int, column: int, place: Place | None) -> Place | None:
    if place is None or place.element.find(f"{W}tcPr/{W}vMerge") is None:
        return place
    rows = 1
    for row in table_rows[at + 1 :]:
        below = next((other for start, other in row if start == column), None)
        if below is None or not _goes_on(below.element):
            break
        rows += 1
    return Place(place.element, place.columns, rows)
