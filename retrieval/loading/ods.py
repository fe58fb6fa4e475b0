"""OpenDocument spreadsheets (ODS) to rows of texts: each cell as its file says that it is shown.

The names are those of OpenDocument 1.3, part 3, chapter 9.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from retrieval.loading.blocks import LoadError
from retrieval.loading.grids import Cell, filled

MAX_COLUMNS = 1024
MAX_REPEATED = 1000
"""Rows that a file says are alike; empty ones, which may be a million, count as one."""

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_GROUPS = tuple(f"{_TABLE}{name}" for name in ("table-rows", "table-row-group", "table-header-rows"))


def is_ods(data: bytes) -> bool:
    """Whether an archive says that it is an OpenDocument spreadsheet."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "mimetype" in archive.namelist() and b"opendocument.spreadsheet" in archive.read("mimetype")


def read_ods(data: bytes, max_rows: int) -> Iterator[tuple[str, list[list[str]]]]:
    """The sheets that are not hidden, by name. Raises LoadError for an encrypted file and for more than `max_rows`."""
    root = _content(data)
    hidden = {
        style.get(f"{_STYLE}name")
        for style in root.iter(f"{_STYLE}style")
        for look in style.iter(f"{_STYLE}table-properties")
        if look.get(f"{_TABLE}display") == "false"
    }
    for table in root.iter(f"{_TABLE}table"):
        if table.get(f"{_TABLE}style-name") not in hidden or not hidden:
            name = table.get(f"{_TABLE}name", "")
            rows = list(_rows(table))
            if len(rows) > max_rows:
                raise LoadError(f"its sheet {name} has {len(rows)} rows, and {max_rows} are read")
            yield name, filled(rows)


def _content(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "META-INF/manifest.xml" in archive.namelist() and b"encryption-data" in archive.read(
            "META-INF/manifest.xml"
        ):
            raise LoadError("it is encrypted: save a copy without a password")
        return etree.fromstring(archive.read("content.xml"), etree.XMLParser(resolve_entities=False, no_network=True))


def _rows(table: Any) -> Iterator[list[Cell]]:
    for element in table:
        if element.tag in _GROUPS:
            yield from _rows(element)
        elif element.tag == f"{_TABLE}table-row" and element.get(f"{_TABLE}visibility") != "collapse":
            row = _row(element)
            count = int(element.get(f"{_TABLE}number-rows-repeated", 1))
            for _ in range(min(count, MAX_REPEATED) if any(cell.text for cell in row) else 1):
                yield row


def _row(element: Any) -> list[Cell]:
    """The cells of a row without the empty ones at its end. What a merged cell covers is left out."""
    row: list[Cell] = []
    for cell in element:
        if cell.tag == f"{_TABLE}table-cell":
            columns = int(cell.get(f"{_TABLE}number-columns-spanned", 1))
            rows = int(cell.get(f"{_TABLE}number-rows-spanned", 1))
            count = int(cell.get(f"{_TABLE}number-columns-repeated", 1))
            row += [Cell(_said(cell), min(columns, MAX_COLUMNS), rows)] * min(count, MAX_COLUMNS)
    while row and not row[-1].text:
        row.pop()
    return row


def _said(cell: Any) -> str:
    """What a cell shows, and its comment behind it."""
    text = "\n".join("".join(_words(element)) for element in cell if element.tag == f"{_TEXT}p").strip()
    notes = [element for element in cell if element.tag == f"{_OFFICE}annotation"]
    comment = " ".join("".join(_words(element)) for note in notes for element in note.iter(f"{_TEXT}p")).strip()
    return f"{text} (comment: {comment})" if text and comment else text or comment


def _words(element: Any) -> Iterator[str]:
    """The text of an element, with the blanks that are written as elements."""
    yield element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            yield " " * min(int(child.get(f"{_TEXT}c", 1)), MAX_COLUMNS)
        elif child.tag in (f"{_TEXT}tab", f"{_TEXT}line-break"):
            yield " "
        elif isinstance(child.tag, str):
            yield from _words(child)
        yield child.tail or ""
