"""The lines of a table to its rows, where no rules part them: which line begins a row and which goes on with one.

A row begins where its first cell stands, its anchor. The other cells may have more lines than the first: below the
anchor where cells are set at the top, above and below where they are set in the middle.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from retrieval.loading.pdf.geometry import Row

APART = 1.35
"""Rows further apart than this share of the usual distance begin something new."""
RULED = 0.5
"""How many rows there are at least between rules that part them, as a share of those that seem to begin."""
EVEN = 2.0
"""Points within which two distances are the same."""

Cell = list[Row]
"""A cell's lines."""


def bold_rows(cells: Sequence[Sequence[Row]]) -> int:
    """How many of the first rows are set in bold, 0 if all are."""
    bold = [all(word.bold for part in row for word in part) for row in cells]
    return bold.index(False) if False in bold else 0


def wrapped_rows(heights: Sequence[float], lines: Sequence[Sequence[Row]], rules: Sequence[float]) -> list[list[Cell]]:
    """The rows of a table of these lines, given as cells by column with the height of each line, from top to bottom.
    Where there are rules between the rows, those part them.
    """
    anchors = _anchors(heights, lines)
    if len(rules) > 1 and len(rules) + 1 >= RULED * len(anchors):
        parts = [bisect_left([-rule for rule in rules], -height) for height in heights]
        return _by_row(lines, parts)
    if len(anchors) > 1 and _is_centred(heights, lines, anchors):
        return _by_row(lines, _around(len(lines), anchors))
    return _by_row(lines, [max(bisect_left(anchors, at + 1) - 1, 0) for at in range(len(lines))])


def _by_row(lines: Sequence[Sequence[Row]], parts: Sequence[int]) -> list[list[Cell]]:
    """The lines put together by the number of their row."""
    rows: dict[int, list[Cell]] = {}
    for line, part in zip(lines, parts, strict=True):
        row = rows.setdefault(part, [[] for _ in line])
        for cell, text in zip(row, line, strict=True):
            cell += [text] if text else []
    return [rows[part] for part in sorted(rows)]


def _anchors(heights: Sequence[float], lines: Sequence[Sequence[Row]]) -> list[int]:
    """The lines that begin a row: those with a first cell, or with all others that stand no closer than rows do. A
    first cell alone, close below another, goes on with that.
    """
    steps = [above - below for above, below in pairwise(heights)]
    least = min(steps, default=0.0)
    varied = max(steps, default=0.0) > APART * least
    anchors: list[int] = []
    for at, line in enumerate(lines):
        close = varied and at > 0 and steps[at - 1] <= APART * least
        alone, full = sum(map(bool, line)) == 1, all(line[1:]) and len(line) > 2
        if (full and not close) if not line[0] else not (alone and close and lines[at - 1][0]):
            anchors.append(at)
    return anchors or [0]


def _is_centred(heights: Sequence[float], lines: Sequence[Sequence[Row]], anchors: Sequence[int]) -> bool:
    """Whether cells of several lines have their middle beside the first cell: an even number of lines leaves its place
    empty in the middle, and no header in bold goes on in plain type.
    """
    for at in anchors:
        if 0 < at < len(lines) - 1 and at - 1 not in anchors and at + 1 not in anchors:
            above, below = heights[at - 1] - heights[at], heights[at] - heights[at + 1]
            places = [column for column, part in enumerate(lines[at]) if not part]
            if abs(above - below) < EVEN and any(lines[at - 1][place] and lines[at + 1][place] for place in places):
                return True
    second = lines[1] if len(lines) > 1 and 1 not in anchors else []
    return bold_rows(lines) == 1 and any(not word.bold for part in second for word in part)


def _around(count: int, anchors: Sequence[int]) -> list[int]:
    """The number of the anchor for each line: to an anchor belong the lines above it that belong to no other, and as
    many below.
    """
    parts, start = [0] * count, 0
    for number, at in enumerate(anchors):
        below = at - start
        end = min(at + below + 1, anchors[number + 1] if number + 1 < len(anchors) else count)
        end = count if number + 1 == len(anchors) else end
        parts[start:end] = [number] * (end - start)
        start = end
    return parts
