"""Tables as they are drawn to tables as they are meant: cells over several columns or rows, headers of several rows."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text, and how many columns and rows it takes."""

    text: str
    columns: int = 1
    rows: int = 1


def filled(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """The texts by row and column, that of a merged cell in all places that it takes; where one takes a whole row, it
    stands once.
    """
    grid: list[list[str]] = []
    hanging: dict[int, tuple[str, int]] = {}
    for row in rows:
        texts, hanging = _filled_row(row, hanging)
        grid.append(texts)
    width = max(map(len, grid), default=0)
    return [
        [texts[0], *[""] * (width - 1)] if _is_band(row, width) else texts
        for row, texts in zip(rows, grid, strict=True)
    ]


def _is_band(row: Sequence[Cell], width: int) -> bool:
    return len(row) == 1 and width > 1 and row[0].columns >= width


def _filled_row(
    row: Sequence[Cell], hanging: dict[int, tuple[str, int]]
) -> tuple[list[str], dict[int, tuple[str, int]]]:
    """A row's texts with those that hang down into it, by column with how many rows they still take; and those that
    hang on into the next.
    """
    texts: list[str] = []
    below: dict[int, tuple[str, int]] = {}

    def place(text: str, rows: int) -> None:
        if rows > 1:
            below[len(texts)] = (text, rows - 1)
        texts.append(text)

    for cell in row:
        while len(texts) in hanging:
            place(*hanging[len(texts)])
        for _ in range(cell.columns):
            place(cell.text, cell.rows)
    while len(texts) in hanging:
        place(*hanging[len(texts)])
    return texts, below


def with_one_header(rows: Sequence[Sequence[str]], headers: int) -> list[list[str]]:
    """The table with its first `headers` rows as one, a column's words from top to bottom: Friday Lead."""
    if headers < 2:
        return [list(row) for row in rows]
    width = max(map(len, rows))
    parts = [[row[column] for row in rows[:headers] if column < len(row)] for column in range(width)]
    return [[" ".join(dict.fromkeys(filter(None, part))) for part in parts], *(list(row) for row in rows[headers:])]
