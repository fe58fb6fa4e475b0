"""The rows of a page to what is read after what: columns of prose one after the other, tables without rules as tables.

A gutter is a strip that no word of several rows in sequence stands in (Breuel 2002, "Two geometric algorithms for
layout analysis"). Rows with gutters are columns of prose if the text on both sides fills its column line after line,
else a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from retrieval.loading.pdf.cells import bold_rows, wrapped_rows
from retrieval.loading.pdf.geometry import Line, PageTable, Row, Rule, extent
from retrieval.loading.pdf.tables import cell_text
from retrieval.loading.pdf.words import line_of

GUTTER = 0.45
"""The least width of a gutter between the cells of a table, in sizes of the type."""
COLUMN_GUTTER = 0.9
"""The least width of a gutter between columns of prose."""
WIDER = 1.5
"""How much wider than a gap between words a gutter of a table is."""
MIN_LINES = 3
"""Lines of a table without rules and without a header in bold."""
ALIGNED = 0.6
"""Share of a table's rows whose cells begin, or end, in the same place."""
RIVER = 3.6
"""How much wider than the least gutter a gap between words may be, where some lines have theirs in the same place."""
COLUMN_LINES = 3
COLUMN_WORDS = 3
"""What a column of prose has at least: lines, and words on most of them."""
FILLED = 0.6
"""Share of a column that most lines of prose fill."""
APART = 1.35
"""Rows further apart than this share of the usual distance begin something new."""
FAR = 1.6
"""A row further below another than this share of the largest distance above does not go on with the same table."""
LINE = 1.2
"""The least distance between lines, in sizes of their type."""
MAX_DEPTH = 6

Gap = tuple[float, float]
"""Where a strip without words begins and ends."""


def reading_order(rows: list[Row], across: Sequence[Rule] = (), depth: int = 0) -> list[Line | PageTable]:
    """The lines and tables of a page, or a part of it, in the order in which they are read. `across` are its rules, for
    tables that have such between their rows alone.
    """
    items: list[Line | PageTable] = []
    for band in _bands(rows):
        columns = band.columns(COLUMN_GUTTER * _usual_size(band.rows))
        if len(columns) > 1 and depth < MAX_DEPTH and _are_prose(columns):
            for column in columns:
                items += reading_order(column, across, depth + 1)
        elif band.gutters and (table := _table(band, across)) is not None:
            items.append(table)
        else:
            items += [item for row in band.rows for item in _items(row)]
    return items


def _items(row: Row) -> list[Line | PageTable]:
    """A row as a line, and the tables in it after that."""
    words = [word for word in row if word.table is None]
    return [*([line_of(words)] if words else []), *(word.table for word in row if word.table is not None)]


@dataclass(slots=True)
class _Band:
    """Rows in sequence, and the gutters that run through all of them."""

    rows: list[Row]
    gutters: list[Gap]

    def columns(self, least: float) -> list[list[Row]]:
        """The rows of each column between wide gutters; a row without words in a column is left out of it."""
        edges = _edges([gap for gap in self.gutters if gap[1] - gap[0] >= least])
        return [[part for row in self.rows if (part := _part(row, left, right))] for left, right in edges]

    def cells(self) -> list[list[Row]]:
        """The words of each row by column."""
        return [[_part(row, left, right) for left, right in _edges(self.gutters)] for row in self.rows]


def _edges(gutters: Sequence[Gap]) -> list[Gap]:
    """The borders of the columns between gutters."""
    borders = [float("-inf"), *((start + end) / 2 for start, end in gutters), float("inf")]
    return list(pairwise(borders))


def _part(row: Row, left: float, right: float) -> Row:
    return [word for word in row if left <= (word.x0 + word.x1) / 2 < right]


def _bands(rows: Sequence[Row]) -> list[_Band]:
    """Rows in sequence with the same gutters; those without any are bands without."""
    if not rows:
        return []
    left, right = extent([word for row in rows for word in row])
    least = GUTTER * _usual_size(rows)
    bands: list[_Band] = []
    band, free = _Band([], []), [(left, right)]
    for row in rows:
        own = [gap for gap in _gaps(row, left, right) if gap[1] - gap[0] >= least]
        common = _meet(free, own, least)
        inner = _inner(common, [*band.rows, row])
        far = _is_far(band.rows, row)
        if band.rows and (not common or far or _breaks_band(band, inner, _inner(own, [row]), least)):
            bands.append(band)
            band, common, inner = _Band([], []), own, _inner(own, [row])
        band.rows.append(row)
        band.gutters, free = inner, common
    for each in (*bands, band):
        each.gutters = each.gutters if len(each.rows) > 1 else []  # a gap in one row says nothing
    return [*bands, band]


def _is_far(rows: Sequence[Row], row: Row) -> bool:
    """Whether a row stands much further below the last one than any of those below another."""
    steps = [above[0].y - below[0].y for above, below in pairwise(rows)]
    return bool(steps) and rows[-1][0].y - row[0].y > FAR * max(*steps, LINE * row[0].size)


def _breaks_band(band: _Band, inner: Sequence[Gap], own: Sequence[Gap], least: float) -> bool:
    """Whether a row begins a new band. It does where it would close gutters, unless those are narrow and others stay:
    then they were wide gaps between words. And where it has gutters and the rows above have none, as a table's header
    below a title; but a column on the right may begin higher than the one on the left.
    """
    if not band.gutters:
        left = extent([word for row in band.rows for word in row])[0]
        return bool(own) and left < own[0][1]
    lost = [gap for gap in band.gutters if not any(start < gap[1] and end > gap[0] for start, end in inner)]
    return bool(lost) and (not inner or any(end - start > RIVER * least for start, end in lost))


def _usual_size(rows: Sequence[Row]) -> float:
    sizes = [word.size for row in rows for word in row if word.table is None]
    return median(sizes) if sizes else 10.0


def _gaps(row: Row, left: float, right: float) -> list[Gap]:
    """The strips of a row without words."""
    gaps, at = [], left
    for word in row:
        gaps.append((at, word.x0))
        at = max(at, word.x1)
    gaps.append((at, right))
    return [(start, end) for start, end in gaps if end > start]


def _meet(one: Sequence[Gap], other: Sequence[Gap], least: float) -> list[Gap]:
    """What two lists of strips have in common, as far as it is wide enough."""
    common = ((max(a, c), min(b, d)) for a, b in one for c, d in other if min(b, d) - max(a, c) >= least)
    return sorted(common)


def _inner(gaps: Sequence[Gap], rows: Sequence[Row]) -> list[Gap]:
    """The strips with words on both sides."""
    first, last = extent([word for row in rows for word in row])
    return [(start, end) for start, end in gaps if start > first and end < last]


def _are_prose(columns: Sequence[Sequence[Row]]) -> bool:
    """Whether these are columns of running text: several full lines of several words each, whose paragraphs do not
    begin side by side.
    """
    return all(map(_is_prose, columns)) and not _breaks_together(columns)


def _is_prose(column: Sequence[Row]) -> bool:
    if any(word.table for row in column for word in row):
        return True
    if len(column) < COLUMN_LINES or median(map(len, column)) < COLUMN_WORDS:
        return False
    left, right = extent([word for row in column for word in row])
    widths = [extent(row)[1] - extent(row)[0] for row in column]
    return median(widths) >= FILLED * (right - left)


def _breaks_together(columns: Sequence[Sequence[Row]]) -> bool:
    """Whether most larger gaps between lines are at the same height in all columns, as between a table's rows."""
    breaks = [_breaks(column) for column in columns]
    fewest = min(breaks, key=len)
    if len(fewest) < 2:
        return False
    size = _usual_size(columns[0])
    together = [at for at in fewest if all(any(abs(at - other) < size for other in others) for others in breaks)]
    return len(together) > 0.7 * len(fewest)


def _breaks(column: Sequence[Row]) -> list[float]:
    """The baselines of the lines that stand further below the one before than usual."""
    steps = [above[0].y - below[0].y for above, below in pairwise(column)]
    usual = min((step for step in steps if step > 0), default=0.0)
    return [row[0].y for row, step in zip(column[1:], steps, strict=True) if step > APART * usual]


def _table(band: _Band, across: Sequence[Rule]) -> PageTable | None:
    """The rows as a table of three columns or more, or of two below names in bold; None for mere lines."""
    band = _Band(band.rows, [gutter for gutter in band.gutters if _stands_out(gutter, band)])
    cells = band.cells()
    headers = bold_rows(cells)
    are_columns = [_is_column([row[at] for row in cells], headers=headers) for at in range(1, len(cells[0]))]
    band.gutters = [gutter for gutter, is_named in zip(band.gutters, are_columns, strict=True) if is_named]
    cells = band.cells()
    full = sum(sum(map(bool, row)) > 1 for row in cells)
    if full < 2 or full < 0.4 * len(cells) or any(word.table for row in band.rows for word in row):
        return None
    if not band.gutters or ((len(band.gutters) < 2 or len(band.rows) < MIN_LINES) and not headers):
        return None
    if not all(_is_aligned([row[column] for row in cells]) for column in range(len(cells[0]))):
        return None
    rows = wrapped_rows([row[0].y for row in band.rows], cells, _between(band.rows, across))
    if len(rows) < 2:
        return None
    return PageTable([[cell_text(cell) for cell in row] for row in rows], min(headers, 1))


def _is_column(cells: Sequence[Row], *, headers: int) -> bool:
    """Whether a column has a name, or is filled in most rows of a table that may have no names."""
    return bool(cells[0]) or (not headers and 2 * sum(map(bool, cells)) > len(cells))


def _stands_out(gutter: Gap, band: _Band) -> bool:
    """Whether a gutter is wider than the gaps between the words of most rows, which in justified prose it is not."""
    ratios = []
    for row in band.rows:
        gaps = [(one.x1, other.x0) for one, other in pairwise(row)]
        here = [end - start for start, end in gaps if _holds((start, end), gutter)]
        others = [end - start for start, end in gaps if not any(_holds((start, end), one) for one in band.gutters)]
        if here and others:
            ratios.append(here[0] / max(median(others), 0.1))
    return not ratios or median(ratios) > WIDER


def _holds(gap: Gap, gutter: Gap) -> bool:
    return gap[0] <= gutter[0] and gutter[1] <= gap[1]


def _is_aligned(column: Sequence[Row]) -> bool:
    """Whether most cells of a column begin, or end, or have their middle in the same place."""
    extents = [extent(cell) for cell in column if cell]
    places = ([start for start, _ in extents], [end for _, end in extents], [(a + b) / 2 for a, b in extents])
    return any(sum(abs(place - median(edge)) < 2 for place in edge) >= ALIGNED * len(edge) for edge in places)


def _between(rows: Sequence[Row], across: Sequence[Rule]) -> list[float]:
    """The heights of the rules that part rows, from top to bottom."""
    left, right = extent([word for row in rows for word in row])
    top, bottom = rows[0][0].y, rows[-1][0].y
    heights = [rule.at for rule in across if rule.end - rule.start > 0.6 * (right - left)]
    return sorted((at for at in heights if bottom < at < top), reverse=True)
