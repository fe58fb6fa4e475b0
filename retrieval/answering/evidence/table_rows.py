"""A table row as people want it quoted: the cells that answer lead, then those that say which row it is, and no others.

A row is a passage of lines `column: value`, as the loaders of tables make them.
"""

from collections.abc import Callable, Sequence

from retrieval.text.words import content, is_covered, numerals

JOINT = " · "
"""What stands between the cells of a row that is quoted in one line."""
IDENTIFYING = 2
"""Cells that say which row it is, at most."""

Nearness = Callable[[Sequence[str]], Sequence[float]]
"""From texts to their cosines with the question."""


def quoted_row(question: str, row: str, nearness: Nearness | None = None) -> str:
    """The row's cells that answer the question, and those that name the row, in one line.

    A cell answers if the question holds a word of its column, or if it is nearer to the question than all of these.
    Where no column is asked for by name, all cells that do not name the row are taken to answer.
    """
    cells = [line.strip() for line in row.split("\n") if line.strip()]
    names = [cell for cell in cells if _names(question, cell)]
    requested = [cell for cell in cells if cell not in names and _is_asked(question, cell)]
    others = [cell for cell in cells if cell not in names]
    answering = _near(others, requested, nearness) if requested else others
    return JOINT.join([*answering, *(_most_telling(question, names) if answering else names)])


def _near(cells: Sequence[str], requested: Sequence[str], nearness: Nearness | None) -> list[str]:
    """The cells that are asked for by name and those that are nearer than all of these, as they stand in the row."""
    if nearness is None:
        return list(requested)
    cosines = dict(zip(cells, nearness(cells), strict=True))
    most = max(cosines[cell] for cell in requested)
    return [cell for cell in cells if cell in requested or cosines[cell] > most]


def _most_telling(question: str, names: Sequence[str]) -> list[str]:
    """Chooses among the cells that name the row: those with a number or code of the question, else the first ones."""
    question_numerals = numerals(question)
    coded = [cell for cell in names if numerals(_value(cell)) & question_numerals]
    return (coded or list(names))[:IDENTIFYING]


def _names(question: str, cell: str) -> bool:
    """Whether the value stands in the question: a number or code of it, or at least half of its words."""
    value, words = content(_value(cell)), content(question)
    shared = [word for word in value if is_covered(word, words)]
    return bool(numerals(" ".join(shared))) or (bool(shared) and len(shared) >= len(value) / 2)


def _is_asked(question: str, cell: str) -> bool:
    column, value = _parts(cell)
    column_words = content(column.replace("_", " "))
    question_words = content(question)
    return bool(value) and any(is_covered(word, question_words) for word in column_words)


def _value(cell: str) -> str:
    return _parts(cell)[1]


def _parts(cell: str) -> tuple[str, str]:
    """Column and value; a line without a column is all value."""
    column, mark, value = cell.partition(": ")
    return (column, value) if mark else ("", cell)
