"""Tables with rules: the grid that the lines of a page draw, and the words in its cells.

The grid takes the place of its words in the page's rows. Rules that are missing between two places of the grid make one
cell of them, as merged cells are drawn.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from retrieval.loading.pdf.cells import bold_rows, wrapped_rows
from retrieval.loading.pdf.geometry import Cells, PageTable, PageWord, Row, Rule
from retrieval.loading.pdf.words import line_of

NEAR = 3.0
"""Points within which two rules are one, or meet."""
COVERED = 0.5
"""Share of a cell's edge that a rule must run along to part it from its neighbour."""
MAX_CELLS = 10_000
MAX_OPEN = 3
"""A table of more rows has rules between them all."""
STRIKE = (0.15, 0.55)
"""A rule this far above the baseline, in shares of the type's size, strikes a word out."""


def without_struck(rows: list[Row], across: Sequence[Rule]) -> list[Row]:
    """The rows without the words that a line runs through."""
    if not across:
        return rows
    lines = sorted(across, key=lambda rule: rule.at)
    places = [rule.at for rule in lines]

    def is_struck(word: PageWord) -> bool:
        low, high = (word.y + share * word.size for share in STRIKE)
        first, last = bisect_right(places, low), bisect_right(places, high)
        width = word.x1 - word.x0
        return any(min(rule.end, word.x1) - max(rule.start, word.x0) > 0.7 * width for rule in lines[first:last])

    rest = [[word for word in row if word.table or not is_struck(word)] for row in rows]
    return [row for row in rest if row]


def with_tables(rows: list[Row], across: Sequence[Rule], upright: Sequence[Rule]) -> list[Row]:
    """The rows of a page with each table that is drawn on it as one word in a row of its own."""
    for grid in _grids(across, upright):
        inside = [[word for word in row if grid.holds(word)] for row in rows]
        table = grid.table([row for row in inside if row])
        if table is None:
            continue
        rows = [[word for word in row if not grid.holds(word)] for row in rows]
        left, right, bottom, top = grid.xs[0], grid.xs[-1], grid.ys[-1], grid.ys[0]
        rows.append([PageWord("", left, right, (bottom + top) / 2, top - bottom, table=table)])
        rows = sorted((row for row in rows if row), key=lambda row: -row[0].y)
    return rows


@dataclass(frozen=True, slots=True)
class _Grid:
    """The places of the lines of a table, from left to right and from top to bottom, and the rules that are drawn."""

    xs: list[float]
    ys: list[float]
    across: list[Rule]
    upright: list[Rule]

    def holds(self, word: PageWord) -> bool:
        """Whether a word stands within the grid."""
        x, y = (word.x0 + word.x1) / 2, word.y + 0.3 * word.size
        return word.table is None and self.xs[0] <= x <= self.xs[-1] and self.ys[-1] <= y <= self.ys[0]

    def table(self, rows: Sequence[Row]) -> PageTable | None:
        """The table with these words, None where it has less than two rows and columns with any."""
        columns, lines = len(self.xs) - 1, len(self.ys) - 1
        if columns < 2 or lines < 2 or columns * lines > MAX_CELLS:
            return None
        first = self._merged(columns, lines)
        words: dict[tuple[int, int], list[Row]] = {}
        for row in rows:
            parts: dict[tuple[int, int], Row] = {}
            for word in row:
                parts.setdefault(first[self._place(word)], []).append(word)
            for place, part in parts.items():
                words.setdefault(place, []).append(part)
        if len({row for row, _ in words}) < 2 or len({column for _, column in words}) < 2:
            return None
        if self._is_open(words, lines):
            return self._rows_told_by_lines(rows)
        texts = {place: cell_text(cell_rows) for place, cell_rows in words.items()}
        bold = [
            all(
                word.bold for place, cell_rows in words.items() if place[0] == line for row in cell_rows for word in row
            )
            for line in range(lines)
        ]
        cells = [[texts.get(first[line, column], "") for column in range(columns)] for line in range(lines)]
        return _tidy(cells, bold)

    def _is_open(self, words: Mapping[tuple[int, int], Sequence[Row]], lines: int) -> bool:
        """Whether the rows of the table have no rules between them: in most columns there are several lines."""
        tall = [sum(len(cell_rows) > 2 for (line, _), cell_rows in words.items() if line == at) for at in range(lines)]
        return max(tall) > 1 and len(words.get((tall.index(max(tall)), 0), ())) > 2 and lines <= MAX_OPEN

    def _rows_told_by_lines(self, rows: Sequence[Row]) -> PageTable:
        cells = [
            [[word for word in row if self._place(word)[1] == at] for at in range(len(self.xs) - 1)] for row in rows
        ]
        wrapped = wrapped_rows([row[0].y for row in rows], cells, ())
        headers = min(bold_rows(cells), 1)
        return PageTable([[cell_text(cell) for cell in row] for row in wrapped], headers)

    def _place(self, word: PageWord) -> tuple[int, int]:
        x, y = (word.x0 + word.x1) / 2, word.y + 0.3 * word.size
        column = min(max(bisect_right(self.xs, x) - 1, 0), len(self.xs) - 2)
        line = sum(at > y for at in self.ys) - 1
        return min(max(line, 0), len(self.ys) - 2), column

    def _merged(self, columns: int, lines: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Finds for each place of the grid the first one of its cell."""
        first = {(line, column): (line, column) for line in range(lines) for column in range(columns)}

        def root(place: tuple[int, int]) -> tuple[int, int]:
            while first[place] != place:
                place = first[place]
            return place

        def join(one: tuple[int, int], other: tuple[int, int]) -> None:
            one, other = sorted((root(one), root(other)))
            first[other] = one

        for line in range(lines):
            for column in range(columns):
                low, high = self.ys[line + 1], self.ys[line]
                if column + 1 < columns and not _runs(self.upright, self.xs[column + 1], low, high):
                    join((line, column), (line, column + 1))
                left, right = self.xs[column], self.xs[column + 1]
                if line + 1 < lines and not _runs(self.across, self.ys[line + 1], left, right):
                    join((line, column), (line + 1, column))
        return {place: root(place) for place in first}


def cell_text(rows: Sequence[Row]) -> str:
    """The text of a cell, line by line."""
    return "\n".join(line_of(row).text for row in rows)


def _tidy(cells: Cells, bold: Sequence[bool]) -> PageTable:
    """A table without its empty rows and columns, and how many of its first rows are set in bold."""
    full_lines = [line for line, row in enumerate(cells) if any(row)]
    columns = [column for column in range(len(cells[0])) if any(row[column] for row in cells)]
    is_bold = [bold[line] for line in full_lines]
    headers = is_bold.index(False) if False in is_bold else 0
    return PageTable([[cells[line][column] for column in columns] for line in full_lines], headers)


def _runs(rules: Iterable[Rule], at: float, start: float, end: float) -> bool:
    """Whether rules at this place run along most of the way."""
    covered = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in rules if abs(rule.at - at) <= NEAR)
    return covered >= COVERED * (end - start)


def _grids(across: Sequence[Rule], upright: Sequence[Rule]) -> list[_Grid]:
    """The grids that rules which meet one another draw, the largest first."""
    groups = _Groups(len(across) + len(upright))
    for line, rule in enumerate(across):
        for number, other in enumerate(upright):
            meets = (
                rule.start - NEAR <= other.at <= rule.end + NEAR and other.start - NEAR <= rule.at <= other.end + NEAR
            )
            if meets:
                groups.join(line, len(across) + number)
    grids = []
    for members in groups.all():
        lines = [across[member] for member in members if member < len(across)]
        posts = [upright[member - len(across)] for member in members if member >= len(across)]
        if lines and posts:
            xs = _places([rule.at for rule in posts] + [end for rule in lines for end in (rule.start, rule.end)])
            ys = _places([rule.at for rule in lines] + [end for rule in posts for end in (rule.start, rule.end)])
            grids.append(_Grid(xs, ys[::-1], lines, posts))
    return sorted(grids, key=lambda grid: -(grid.xs[-1] - grid.xs[0]) * (grid.ys[0] - grid.ys[-1]))


def joined(rules: Sequence[Rule]) -> list[Rule]:
    """Rules that overlap or follow one another as one; edges of boxes that touch are drawn twice."""
    joined: list[Rule] = []
    for place in _places([rule.at for rule in rules]):
        run: Rule | None = None
        for rule in sorted((rule for rule in rules if abs(rule.at - place) <= NEAR), key=lambda rule: rule.start):
            if run is not None and rule.start <= run.end + NEAR:
                run = Rule(place, run.start, max(run.end, rule.end))
            else:
                joined += [run] if run else []
                run = Rule(place, rule.start, rule.end)
        joined += [run] if run else []
    return [rule for rule in dict.fromkeys(joined) if rule.end - rule.start > NEAR]


def _places(values: Iterable[float]) -> list[float]:
    """Values that lie near one another as one, in order."""
    runs: list[list[float]] = []
    for value in sorted(values):
        if runs and value - runs[-1][0] <= NEAR:
            runs[-1].append(value)
        else:
            runs.append([value])
    return [sum(run) / len(run) for run in runs]


class _Groups:
    """Things by number that belong together."""

    def __init__(self, count: int) -> None:
        self._first = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Puts the groups of two things together."""
        self._first[self._root(one)] = self._root(other)

    def all(self) -> list[list[int]]:
        """The groups, each with the numbers of its members."""
        groups: dict[int, list[int]] = {}
        for member in range(len(self._first)):
            groups.setdefault(self._root(member), []).append(member)
        return list(groups.values())

    def _root(self, member: int) -> int:
        while self._first[member] != member:
            self._first[member] = member = self._first[self._first[member]]
        return member
