"""What a PDF's page is made of: words and rules at their places.

Places are in points from the page's lower left corner, turned so that the words run from left to right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Cells = list[list[str]]
"""A table's texts by row and column."""


class Glyph(NamedTuple):
    """A character: its left and right edge, its baseline, the size of its type, and whether that is bold."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line along one of the axes: from `start` to `end`, at `at` on the other axis."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table's rows, and how many at the top are marked as its header (bold type); 0 if none is."""

    cells: Cells
    headers: int = 0


@dataclass(frozen=True, slots=True)
class PageWord:
    """A word between two gaps, or a whole table in the place of one. Its text is in the order in which it stands."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool = False
    table: PageTable | None = None


Row = list[PageWord]
"""Words on one baseline from left to right."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text as it is read, with its place and type, and its widest gap between words in sizes of the type."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool
    gap: float = 0.0


@dataclass(slots=True)
class Page:
    """A page in reading order, and the notes that are pinned to it."""

    number: int
    items: list[Line | PageTable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        """The lines that are in no table."""
        return [item for item in self.items if isinstance(item, Line)]


def extent(words: Sequence[PageWord]) -> tuple[float, float]:
    """The places where words begin and end."""
    return min(word.x0 for word in words), max(word.x1 for word in words)
