"""Spreadsheets (XLSX, XLS, ODS) to blocks: a section for each sheet, a passage for each row that names its columns."""

import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from retrieval.loading.archives import OLE_MAGIC, check_archive
from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, one_line, row_text

MAX_ROWS = 200_000
"""Of a sheet: a table with more is a database, and is read by a query."""


def parse_sheets(data: bytes) -> ParsedDocument:
    """A workbook, with the values that its formulas gave when it was saved."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

    if not data.startswith(OLE_MAGIC):  # as XLS does, which is no archive
        check_archive(data, "spreadsheet")
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise LoadError("it is encrypted: save a copy without a password") from error
    except CalamineError as error:
        raise LoadError(f"it is not a spreadsheet, or a broken one ({error})") from error
    outline = Outline()
    for sheet in workbook.sheets_metadata:
        if sheet.visible == SheetVisibleEnum.Visible:
            rows = workbook.get_sheet_by_name(sheet.name).to_python(skip_empty_area=True)
            if len(rows) > MAX_ROWS:
                raise LoadError(f"its sheet {sheet.name} has {len(rows)} rows, and {MAX_ROWS} are read")
            outline.heading(2, sheet.name, is_label=True)
            _add_rows(outline, [[_cell(value) for value in row] for row in rows])
    return outline.document()


def _add_rows(outline: Outline, rows: Sequence[Sequence[str]]) -> None:
    """The first row with as many cells as any other, or nearly, is the header; what stands above it is text."""
    filled = [row for row in rows if any(row)]
    width = max((_width(row) for row in filled), default=0)
    header = next((place for place, row in enumerate(filled) if _width(row) >= max(2, 0.7 * width)), None)
    if header is None or header == len(filled) - 1:
        for row in filled:
            outline.add("text", " ".join(filter(None, row)))
        return
    for row in filled[:header]:
        outline.add("text", " ".join(filter(None, row)))
    columns = [one_line(name) or f"column {number}" for number, name in enumerate(filled[header], 1)]
    for row in filled[header + 1 :]:
        outline.add("row", row_text(columns, row))


def _width(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell)


def _cell(value: Any) -> str:
    """A cell as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date | time | timedelta):
        return str(value)
    return str(value).strip()
