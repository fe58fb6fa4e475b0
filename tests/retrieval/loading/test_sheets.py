"""Spreadsheets: values as they are shown, merged cells, several tables on a sheet, lists, and formulas."""

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
import xlsxwriter

from retrieval.loading import ParsedDocument, load

Write = Callable[[Any, Any], None]


def parsed(write: Write, name: str = "Stock") -> ParsedDocument:
    """A workbook of one sheet, on which `write` has written."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        write(book, book.add_worksheet(name))
    return load("a.xlsx", stream.getvalue())


def texts(write: Write) -> list[str]:
    return [block.text for block in parsed(write).blocks]


def rows_of(*rows: list[object]) -> Write:
    def write(book: Any, sheet: Any) -> None:
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)

    return write


def test_numbers_are_written_as_they_are_shown() -> None:
    """In full where they have no format."""

    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["Part", "Barcode", "Number", "Share", "Price", "Made", "Time"])
        row: list[tuple[object, str]] = [
            ("Hose", ""), (4098765432105, ""), (42, "00000"), (0.25, "0%"), (1234.5, '#,##0.00 "EUR"'),
            (date(2026, 5, 1), "dd.mm.yyyy"), (timedelta(hours=26), "[h]:mm"),
        ]  # fmt: skip
        for column, (value, code) in enumerate(row):
            sheet.write(1, column, value, book.add_format({"num_format": code}) if code else None)

    assert texts(write) == [
        "Part: Hose\nBarcode: 4098765432105\nNumber: 00042\nShare: 25%\nPrice: 1,234.50 EUR\nMade: 01.05.2026\n"
        "Time: 26:00"
    ]


def test_struck_out_and_hidden_cells_are_left_out() -> None:
    """Columns and rows as well; rows that a filter leaves out for the moment are read."""

    def write(book: Any, sheet: Any) -> None:
        for place, row in enumerate(
            (["Part", "Bin", "Cost"], ["Hose", "", 3], ["Old hose", "B1", 2], ["Ring", "B9", 1])
        ):
            sheet.write_row(place, 0, row)
        sheet.write(1, 1, "A4", book.add_format({"font_strikeout": True}))
        sheet.set_column(2, 2, None, None, {"hidden": True})
        sheet.set_row(2, None, None, {"hidden": True})

    def filtered(book: Any, sheet: Any) -> None:
        rows_of(["Part", "Bin"], ["Hose", "A4"])(book, sheet)
        sheet.autofilter(0, 0, 1, 1)
        sheet.set_row(1, None, None, {"hidden": True})

    assert texts(write) == ["Part: Hose", "Part: Ring\nBin: B9"]
    assert texts(filtered) == ["Part: Hose\nBin: A4"]


def test_merged_cells_are_in_all_their_rows_and_columns() -> None:
    """Below a title over the whole table, which is said once."""

    def write(book: Any, sheet: Any) -> None:
        sheet.merge_range("A1:D1", "Shifts of hall 2")
        rows_of([], ["Shift", "Mon", "Tue", "Wed"], ["Day", "Ada", "Ben", "Ada"], ["", "Eva", "", "Ida"])(book, sheet)
        sheet.merge_range("A3:A4", "Day")
        sheet.merge_range("B4:C4", "Eva")

    assert texts(write) == [
        "Shifts of hall 2",
        "Shift: Day\nMon: Ada\nTue: Ben\nWed: Ada",
        "Shift: Day\nMon: Eva\nTue: Eva\nWed: Ida",
    ]


def test_two_header_rows_name_a_column_together() -> None:
    def write(book: Any, sheet: Any) -> None:
        rows_of(["Machine", "Oil", "", "Drive", ""], ["", "Kind", "Litres", "Belt", "Speed"])(book, sheet)
        sheet.merge_range("B1:C1", "Oil")
        sheet.merge_range("D1:E1", "Drive")
        sheet.write_row(2, 0, ["Mill", "HV 46", 9, "B-7", 1400])
        sheet.write_row(3, 0, ["Saw", "VG 32", 4, "B-2", 900])

    assert texts(write) == [
        "Machine: Mill\nOil Kind: HV 46\nOil Litres: 9\nDrive Belt: B-7\nDrive Speed: 1400",
        "Machine: Saw\nOil Kind: VG 32\nOil Litres: 4\nDrive Belt: B-2\nDrive Speed: 900",
    ]


def test_tables_below_one_another_have_their_own_headers() -> None:
    """What goes on below a blank row with values of the same kinds keeps the header above."""
    more = (["Bolt", 7, 2], [], ["Nut", 5, 1], [], ["Who", "Room", "Since"], ["Ada", "R-1", 2019], ["Ben", "R-2", 2021])
    assert texts(rows_of(["Part", "Stock", "Least"], *more)) == [
        "Part: Bolt\nStock: 7\nLeast: 2",
        "Part: Nut\nStock: 5\nLeast: 1",
        "Who: Ada\nRoom: R-1\nSince: 2019",
        "Who: Ben\nRoom: R-2\nSince: 2021",
    ]


def test_tables_beside_one_another_have_their_own_rows() -> None:
    write = rows_of(
        ["Part", "Stock", "", "Person", "Phone"], ["Bolt", 7, "", "Ada", 4471], ["Nut", 5, "", "Ben", 4472], ["Pin", 1]
    )
    assert texts(write) == [
        "Part: Bolt\nStock: 7",
        "Part: Nut\nStock: 5",
        "Part: Pin\nStock: 1",
        "Person: Ada\nPhone: 4471",
        "Person: Ben\nPhone: 4472",
    ]


@pytest.mark.parametrize("colon", ["", ":"])
def test_a_list_of_names_and_values_has_no_header(colon: str) -> None:
    """Its first line is as good as any other."""
    write = rows_of(
        [f"Feed{colon}", "120 mm/min"], [f"Tool{colon}", "T9"], [f"Coolant{colon}", "water"], [f"Passes{colon}", 3]
    )
    assert texts(write) == ["Feed: 120 mm/min\nTool: T9\nCoolant: water\nPasses: 3"]


@pytest.mark.parametrize(
    "rows",
    [
        (["Load", "5 t"], ["Height", "9 m"]),
        (["Made", 2019], ["Owner", "hall 2"], ["Colour", "red"]),
        (["Owner:", "Ada"], ["Colour:", "red"]),
    ],
)
def test_a_list_of_a_few_lines_is_known_by_its_first(rows: Sequence[list[object]]) -> None:
    """A figure is no column's name, and no column's name ends with a colon."""
    assert texts(rows_of(*rows)) == ["\n".join(f"{str(name).rstrip(':')}: {value}" for name, value in rows)]


@pytest.mark.parametrize("saved", ["", 0])
def test_a_formula_that_nothing_has_computed_is_reported(saved: object) -> None:
    """Zero as well, from programs that leave computing to the next one."""

    def write(book: Any, sheet: Any) -> None:
        rows_of(["Part", "Price", "Pieces", "Cost"], ["Hose", 2.5, 3])(book, sheet)
        sheet.write_formula("D2", "=B2*C2", None, saved)

    document = parsed(write)
    assert [block.text for block in document.blocks] == ["Part: Hose\nPrice: 2.5\nPieces: 3"]
    (note,) = document.notes
    assert note.startswith("its sheet Stock has a formula without a saved value (D2)")


def test_a_formula_that_was_computed_is_its_value() -> None:
    """And an empty text is one."""

    def write(book: Any, sheet: Any) -> None:
        rows_of(["Part", "Price", "Pieces", "Cost", "Note"], ["Hose", 2.5, 3])(book, sheet)
        sheet.write_formula("D2", "=B2*C2", None, 7.5)
        sheet.write_formula("E2", '=IF(D2>9,"dear","fair")', None, "fair")

    document = parsed(write)
    assert [block.text for block in document.blocks] == ["Part: Hose\nPrice: 2.5\nPieces: 3\nCost: 7.5\nNote: fair"]
    assert document.notes == ()


def test_comments_stand_behind_their_cell_and_boxes_below() -> None:
    def write(book: Any, sheet: Any) -> None:
        rows_of(["Valve", "Opens"], ["V1", 6])(book, sheet)
        sheet.write_comment("B2", "7 since June", {"author": ""})
        sheet.insert_textbox("D4", "Ask Ada before a change.")

    assert texts(write) == ["Valve: V1\nOpens: 6 (comment: 7 since June)", "Ask Ada before a change."]


def test_a_table_may_begin_anywhere() -> None:
    """Formats and merged cells are found where the cells are."""

    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(7, 3, ["Hall", "Crane", "Load"])
        sheet.write_row(8, 4, ["K1", 0.5])
        sheet.write_row(9, 4, ["K2", 0.75])
        sheet.merge_range("D9:D10", "North")
        sheet.write(9, 5, 0.75, book.add_format({"num_format": "0%"}))

    assert texts(write) == ["Hall: North\nCrane: K1\nLoad: 0.5", "Hall: North\nCrane: K2\nLoad: 75%"]


def test_an_opendocument_sheet_is_read() -> None:
    """As its cells say it."""
    cell = '<table:table-cell office:value-type="{0}" office:value="{1}"><text:p>{2}</text:p></table:table-cell>'
    text = '<table:table-cell office:value-type="string"><text:p>{0}</text:p></table:table-cell>'
    header = "".join(map(text.format, ("Part", "Share", "Code")))
    row = text.format("Hose") + cell.format("percentage", "0.25", "25%") + cell.format("float", "42", "00042")
    xml = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body>'
        f'<office:spreadsheet><table:table table:name="S"><table:table-row>{header}</table:table-row>'
        f"<table:table-row>{row}</table:table-row></table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", xml)
    (block,) = load("a.ods", stream.getvalue()).blocks
    assert block.text == "Part: Hose\nShare: 25%\nCode: 00042"
