"""Word documents (DOCX) to blocks: headings by their style, lists, tables; foot- and endnotes, comments and text boxes
below the paragraph that they hang on; the page's header first and its footer last.
"""

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from docx import Document
from docx.oxml import parse_xml

from retrieval.loading.archives import check_archive
from retrieval.loading.blocks import Outline, ParsedDocument, one_line, table_text
from retrieval.loading.docx_tables import Place, cells, header_rows, rows
from retrieval.loading.docx_text import ParagraphText, W, Words, is_deleted, parts
from retrieval.loading.grids import filled, with_one_header

MAX_NESTED = 20
"""Tables within tables deeper than this are left out."""

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_LIST = re.compile(r"list (bullet|number|paragraph)\s*(\d?)", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"\W{0,3}(?:page|seite|p\.|s\.|página|pagina|pág\.|sida|side|strana|עמוד)?\W{0,3}\d{0,5}"
    r"(?:\W{0,3}(?:of|von|de|sur|di|af|av|z|/|\||מתוך)?\W{0,3}\d{0,5})?\W{0,3}",
    re.IGNORECASE,
)
_ID = f"{W}id"


def parse_docx(data: bytes) -> ParsedDocument:
    """A DOCX document; the style Title, or a single heading of level 1, names it."""
    check_archive(data, "DOCX")
    reader = _DocxReader(Document(io.BytesIO(data)))
    return reader.read()


class _DocxReader:
    """Reads the parts of one document in their order."""

    def __init__(self, document: Any) -> None:
        self._document, self._part = document, document.part
        self._words = Words(document.styles.element)
        self._names = {style.style_id: (style.name or "").lower() for style in document.styles}
        self._outline = Outline()
        self._title = ""
        self._notes = {kind: self._notes_of(kind) for kind in ("footnotes", "endnotes", "comments")}

    def read(self) -> ParsedDocument:
        """The document, its page's header first and the footer last."""
        self._page_edges("headerReference")
        self._add(parts(self._document.element.body))
        self._page_edges("footerReference")
        return self._outline.document(title=self._title)

    def _notes_of(self, kind: str) -> dict[str, Any]:
        """The notes of a kind by their ids."""
        for relation in self._part.rels.values():
            if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
                root = _root(relation.target_part)
                return {note.get(_ID): note for note in root if note.get(f"{W}type") is None}
        return {}

    def _page_edges(self, name: str) -> None:
        """What stands at the top or the bottom of pages, each once, without page numbers."""
        edges = [edge.get(_RELATION) for edge in self._document.element.body.iter(f"{W}{name}")]
        lines: dict[str, None] = {}
        for edge in dict.fromkeys(edges):
            if edge in self._part.rels:
                for paragraph in _root(self._part.rels[edge].target_part).iter(f"{W}p"):
                    lines[one_line(self._words.paragraph(paragraph).text)] = None
        self._outline.add("text", "\n".join(line for line in lines if not _PAGE_NUMBER.fullmatch(line)))

    def _add(self, elements: Iterable[Any], depth: int = 0) -> None:
        """Adds paragraphs and tables. A paragraph whose end was deleted goes on in the next."""
        carry = ""
        for element in elements:
            if element.tag == f"{W}tbl":
                self._outline.add("text", carry)
                carry = ""
                self._add_table(element, depth)
                continue
            text = self._words.paragraph(element)
            text.text, carry = carry + text.text, ""
            if is_deleted(element):
                carry, text.text = text.text, ""
            self._add_paragraph(element, text, depth)
        self._outline.add("text", carry)

    def _add_paragraph(self, paragraph: Any, words: ParagraphText, depth: int) -> None:
        style, text = self._style(paragraph), words.text.strip()
        if style == "title" and not self._title:
            self._title = text
        elif match := _HEADING.match(style):
            self._outline.heading(int(match[1]), text)
        elif match := _LIST.match(style):
            indent = "  " * (int(match[2] or 1) - 1)
            self._outline.add("item", f"{indent}- {text}" if text else "")
        elif paragraph.find(f"{W}pPr/{W}numPr") is not None:
            self._outline.add("item", f"- {text}" if text else "")
        else:
            self._outline.add("text", text)
        self._add_hanging(words, depth)

    def _style(self, paragraph: Any) -> str:
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        return "" if style is None else self._names.get(style.get(f"{W}val"), "")

    def _add_hanging(self, owner: ParagraphText, depth: int) -> None:
        """The notes, comments and text boxes of a paragraph."""
        for kind, number in owner.notes:
            note = self._notes[kind].get(number)
            text = "" if note is None else self._text(note.iter(f"{W}p"))
            mark = "Comment: " if kind == "comments" else f"Note {self._words.number((kind, number))}: "
            self._outline.add("text", mark + text if text else "")
        for box in owner.boxes:
            if depth < MAX_NESTED:
                self._add(parts(box), depth + 1)

    def _text(self, paragraphs: Iterable[Any]) -> str:
        texts = (self._words.paragraph(paragraph).text.strip() for paragraph in paragraphs)
        return "\n".join(filter(None, texts))

    def _add_table(self, table: Any, depth: int) -> None:
        """A table and then those within it; one that only lays out the page as what stands in its cells."""
        grid = rows(table)
        if depth >= MAX_NESTED:
            return
        if _is_layout(grid):
            for place in (place for row in grid for place in row if place is not None):
                self._add(parts(place.element), depth + 1)
            return
        hanging_texts: list[ParagraphText] = []
        texts = filled(cells(grid, lambda place: self._cell(place, hanging_texts)))
        self._outline.add("table", table_text(with_one_header(texts, header_rows(table, grid))))
        for hanging in hanging_texts:
            self._add_hanging(hanging, depth)
        for row, line in zip(grid, texts, strict=True):
            self._add_inner(row, line, depth)

    def _cell(self, place: Place, hanging_texts: list[ParagraphText]) -> str:
        """A cell's text; what hangs on its paragraphs goes to `hanging_texts`."""
        texts = [self._words.paragraph(paragraph) for paragraph in place.paragraphs]
        hanging_texts += [text for text in texts if text.notes or text.boxes]
        return "\n".join(filter(None, (text.text.strip() for text in texts)))

    def _add_inner(self, row: Sequence[Place | None], line: Sequence[str], depth: int) -> None:
        """The tables in a row's cells, below what else the row says."""
        inner = [table for place in row if place is not None for table in place.tables]
        if inner:
            self._outline.add("text", one_line(" ".join(dict.fromkeys(filter(None, line)))))
        for table in inner:
            self._add_table(table, depth + 1)


_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def _root(part: Any) -> Any:
    """The XML of a part, whether its library knows it as such or not."""
    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def _is_layout(grid: Sequence[Sequence[Place | None]]) -> bool:
    """Whether a table is a frame around text: a single cell, or one row of cells with more than a paragraph."""
    places = [place for row in grid for place in row if place is not None]
    return len(places) == 1 or (len(grid) == 1 and any(len(place.paragraphs) > 2 or place.tables for place in places))
