"""Presentations (PPTX) to blocks: a section for each slide, with its texts, tables and speaker's notes."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from retrieval.loading.archives import check_archive
from retrieval.loading.blocks import Outline, ParsedDocument, table_text


def parse_pptx(data: bytes) -> ParsedDocument:
    """A presentation; its properties name it, else the first slide's title."""
    from pptx import Presentation

    check_archive(data, "PPTX")
    presentation = Presentation(io.BytesIO(data))
    outline = Outline()
    first = ""
    for number, slide in enumerate(presentation.slides, 1):
        title = slide.shapes.title.text_frame.text.strip() if slide.shapes.title is not None else ""
        first = first or title
        outline.heading(2, title or f"Slide {number}", is_label=not title)
        for shape in _in_reading_order(slide.shapes):
            if slide.shapes.title is None or shape.shape_id != slide.shapes.title.shape_id:
                _add_shape(outline, shape)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            outline.add("text", slide.notes_slide.notes_text_frame.text)
    return outline.document(title=presentation.core_properties.title or "", fallback=first)


def _in_reading_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Shapes from top to bottom and left to right, those of groups one by one."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _in_reading_order(shape.shapes)
        else:
            yield shape


def _add_shape(outline: Outline, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        outline.add("table", table_text([[cell.text for cell in row.cells] for row in shape.table.rows]))
    elif shape.has_text_frame:
        paragraphs = [paragraph for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
        for paragraph in paragraphs:
            if len(paragraphs) == 1:
                outline.add("text", paragraph.text)
            else:
                outline.add("item", "  " * paragraph.level + "- " + paragraph.text.strip())
