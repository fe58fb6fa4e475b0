"""Spreadsheets (XLSX, XLS, ODS) to blocks: a section for each sheet, a passage for each row that names its columns.

A sheet may hold several tables, told apart by blank rows and columns, and lists of names with their values. Cells are
written as the sheet shows them; comments stand behind their cell, text boxes below the tables.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

from retrieval.loading.archives import OLE_MAGIC, check_archive
from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, row_text
from retrieval.loading.headers import HeadedTable, headed, kind_of, listed
from retrieval.loading.number_formats import shown
from retrieval.loading.ods import is_ods, read_ods
from retrieval.loading.sheet_xml import SheetLooks, WorkbookLooks

MAX_ROWS = 200_000
"""Rows of a sheet: a table with more is a database, and is read by a query."""
PAIRS = 12
"""Names with their values that make a passage."""
NAMED = 5
"""Cells that are named where several have the same fault."""

Rows = list[list[str]]


def parse_sheets(data: bytes) -> ParsedDocument:
    """A workbook, with the values that its formulas gave when it was saved; formulas without one are noted."""
    outline = Outline()
    if not data.startswith(OLE_MAGIC):  # as XLS does, which is no archive
        check_archive(data, "spreadsheet")
        if is_ods(data):
            for name, rows in read_ods(data, MAX_ROWS):
                outline.heading(2, name, is_label=True)
                _add_rows(outline, rows)
            return outline.document()
    _add_workbook(outline, data)
    return outline.document()


def _add_workbook(outline: Outline, data: bytes) -> None:
    """The sheets of an XLSX or XLS workbook that are not hidden."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise LoadError("it is encrypted: save a copy without a password") from error
    except CalamineError as error:
        raise LoadError(f"it is not a spreadsheet, or a broken one ({error})") from error
    all_looks = None if data.startswith(OLE_MAGIC) else WorkbookLooks(data)
    for sheet in workbook.sheets_metadata:
        if sheet.visible == SheetVisibleEnum.Visible:
            looks = SheetLooks() if all_looks is None else all_looks.of(sheet.name)
            _add_sheet(outline, workbook.get_sheet_by_name(sheet.name), looks)


def _add_sheet(outline: Outline, sheet: Any, looks: SheetLooks) -> None:
    values = sheet.to_python(skip_empty_area=True)
    if len(values) > MAX_ROWS:
        raise LoadError(f"its sheet {sheet.name} has {len(values)} rows, and {MAX_ROWS} are read")
    outline.heading(2, sheet.name, is_label=True)
    outline.note(_unsaved_note(sheet.name, looks))
    _add_rows(outline, _shown_rows(values, sheet.start or (0, 0), looks))
    for text in looks.boxes:
        outline.add("text", text)


def _unsaved_note(sheet: str, looks: SheetLooks) -> str:
    """What to do about formulas that no program has computed."""
    cells = [f"{_column_name(column)}{row + 1}" for row, column in looks.unsaved]
    if not cells:
        return ""
    places = ", ".join(cells[:NAMED]) + (f" and {len(cells) - NAMED} more" if len(cells) > NAMED else "")
    formulas = "a formula" if len(cells) == 1 else f"{len(cells)} formulas"
    return f"its sheet {sheet} has {formulas} without a saved value ({places}): save it with a spreadsheet program"


def _column_name(column: int) -> str:
    """The letters of a column that is counted from 0."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def _shown_rows(values: Sequence[Sequence[Any]], start: tuple[int, int], looks: SheetLooks) -> Rows:
    """The cells as the sheet shows them, without what it hides, and what is merged in all its places."""
    top, left = start
    rows = [
        [_cell(value, (top + row, left + column), looks) for column, value in enumerate(line)]
        for row, line in enumerate(values)
    ]
    _fill_merged(rows, start, looks)
    hidden = {column - left for column in looks.hidden_columns}
    return [
        [text for column, text in enumerate(line) if column not in hidden] if hidden else line
        for row, line in enumerate(rows)
        if top + row not in looks.hidden_rows
    ]


def _cell(value: Any, place: tuple[int, int], looks: SheetLooks) -> str:
    text = "" if place in looks.left_out else shown(value, looks.formats.get(place, ""))
    comment = looks.comments.get(place, "")
    return f"{text} (comment: {comment})" if text and comment else text or comment


def _fill_merged(rows: Rows, start: tuple[int, int], looks: SheetLooks) -> None:
    """Writes the text of a merged cell to all its places. One over all that its rows hold is a title, and stays one."""
    top, left = start
    for (first_row, first_column), (last_row, last_column) in looks.merged:
        inside = range(max(first_row - top, 0), min(last_row - top + 1, len(rows)))
        columns = range(max(first_column - left, 0), last_column - left + 1)
        if not inside or not columns or columns[0] >= len(rows[inside[0]]):
            continue
        text = rows[inside[0]][columns[0]]
        if len(columns) > 1 and not any(_outside(rows[row], columns) for row in inside):
            continue
        for row in inside:
            for column in range(columns[0], min(columns[-1] + 1, len(rows[row]))):
                rows[row][column] = text


def _outside(row: Sequence[str], columns: range) -> bool:
    return any(text for column, text in enumerate(row) if column not in columns)


@dataclass(slots=True)
class _Above:
    """The table above: the names of its columns, and the kinds of what its last row holds."""

    columns: tuple[str, ...]
    kinds: tuple[str, ...]


def _add_rows(outline: Outline, rows: Rows) -> None:
    above: dict[tuple[int, int], _Above] = {}
    for first, last, area in _areas(rows):
        before = above.get((first, last))
        if before is not None and _goes_on(before, area):
            table = HeadedTable(before.columns, tuple(map(tuple, area)))
        else:
            table = _table(area)
        _add_table(outline, table)
        if table.rows and table.columns:
            above[first, last] = _Above(table.columns, tuple(map(kind_of, table.rows[-1])))


def _table(area: Rows) -> HeadedTable:
    """The table that the cells are; lines where they are of one column, or of a header alone."""
    table = (listed(area) or headed(area)) if max(map(_count, area)) > 1 else HeadedTable((), ())
    return (
        table if table.rows or table.pairs else HeadedTable((), (), tuple(" ".join(filter(None, row)) for row in area))
    )


def _count(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _goes_on(before: _Above, area: Rows) -> bool:
    """Whether what stands below a blank row goes on with the table above: its first row is of the same kinds."""
    kinds = tuple(map(kind_of, area[0]))
    pairs = [pair for pair in zip(kinds, before.kinds, strict=False) if "missing" not in pair]
    return len(pairs) > 1 and all(one == other for one, other in pairs) and any(one != "words" for one, _ in pairs)


def _add_table(outline: Outline, table: HeadedTable) -> None:
    for line in table.above:
        outline.add("text", line)
    for start in range(0, len(table.pairs), PAIRS):
        names, values = zip(*table.pairs[start : start + PAIRS], strict=True)
        outline.add("row", row_text([name.rstrip(" :") for name in names], values))
    for row in table.rows:
        outline.add("row", row_text(table.columns, row))
    for line in table.below:
        outline.add("text", line)


def _areas(rows: Rows) -> Iterator[tuple[int, int, Rows]]:
    """What blank rows and columns separate: first and last column, and the rows between them."""
    run: Rows = []
    for row in [*rows, []]:
        if any(row):
            run.append(row)
        elif run:
            yield from _side_by_side(run)
            run = []


def _side_by_side(run: Rows) -> Iterator[tuple[int, int, Rows]]:
    """The parts of rows that blank columns separate, where each begins with names of its own."""
    width = max(map(len, run))
    used = [any(column < len(row) and row[column] for row in run) for column in range(width)]
    starts = [column for column in range(width) if used[column] and not (column and used[column - 1])]
    ends = [column for column in range(width) if used[column] and not (column + 1 < width and used[column + 1])]
    if not starts:
        return
    parts = [[row[start : end + 1] for row in run] for start, end in zip(starts, ends, strict=True)]
    if len(parts) > 1 and all(map(_is_table, parts)):
        for start, end, part in zip(starts, ends, parts, strict=True):
            yield start, end, [row for row in part if any(row)]
    else:
        yield starts[0], ends[-1], [row[starts[0] : ends[-1] + 1] for row in run]


def _is_table(part: Rows) -> bool:
    """Whether cells are a table by themselves: of several columns, the first one of names that are all different."""
    names = [row[0] for row in part if row and any(row)]
    return (
        max(map(len, part)) > 1
        and len(set(names)) == len(names)
        and all(kind_of(name) in ("words", "code", "numbered") for name in names)
    )
