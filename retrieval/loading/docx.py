"""Word documents (DOCX) to blocks: headings by their style, lists, tables."""

import io
import re
from typing import TYPE_CHECKING

from retrieval.loading.archives import check_archive
from retrieval.loading.blocks import Outline, ParsedDocument, table_text

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_LIST = re.compile(r"list (bullet|number|paragraph)\s*(\d?)", re.IGNORECASE)


def parse_docx(data: bytes) -> ParsedDocument:
    """A DOCX document; the style Title, or a single heading of level 1, names it."""
    from docx import Document
    from docx.table import Table

    check_archive(data, "DOCX")
    document = Document(io.BytesIO(data))
    outline = Outline()
    title = ""
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            outline.add("table", table_text(_rows(part)))
        elif _style(part) == "title":
            title = title or part.text
        else:
            _add_paragraph(outline, part)
    return outline.document(title=title)


def _style(paragraph: "Paragraph") -> str:
    return (paragraph.style.name or "").lower() if paragraph.style else ""


def _add_paragraph(outline: Outline, paragraph: "Paragraph") -> None:
    style, text = _style(paragraph), paragraph.text.strip()
    if found := _HEADING.match(style):
        outline.heading(int(found[1]), text)
    elif found := _LIST.match(style):
        indent = "  " * (int(found[2] or 1) - 1)
        outline.add("item", f"{indent}- {text}" if text else "")
    elif paragraph._p.pPr is not None and paragraph._p.pPr.numPr is not None:
        outline.add("item", f"- {text}" if text else "")
    else:
        outline.add("text", text)


def _rows(table: "Table") -> list[list[str]]:
    """Cells by row; a cell that spans several columns is given once."""
    rows = []
    for row in table.rows:
        cells = row.cells
        rows.append([cell.text if i == 0 or cell._tc is not cells[i - 1]._tc else "" for i, cell in enumerate(cells)])
    return rows
