"""Presentations (PPTX) to blocks: a section for each slide, with its texts, tables, charts, diagrams and notes.

What is struck out is left out, and so are hidden slides and what a template prints on each slide.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml

from retrieval.loading.archives import check_archive
from retrieval.loading.blocks import Outline, ParsedDocument, table_text
from retrieval.loading.grids import Cell, filled, with_one_header
from retrieval.loading.scripts import lowered, raised

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_DIAGRAM_DATA = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"


def parse_pptx(data: bytes) -> ParsedDocument:
    """A presentation; its properties name it, else the first slide's title."""
    check_archive(data, "PPTX")
    presentation = Presentation(io.BytesIO(data))
    outline = Outline()
    first = ""
    for number, slide in enumerate(presentation.slides, 1):
        if slide._element.get("show") not in ("0", "false"):
            title = _title(slide)
            first = first or title
            _add_slide(outline, slide, number, title)
    return outline.document(title=presentation.core_properties.title or "", fallback=first)


def _title(slide: Any) -> str:
    shape = slide.shapes.title
    return "" if shape is None else " ".join(filter(None, _lines(shape.text_frame)))


def _add_slide(outline: Outline, slide: Any, number: int, title: str) -> None:
    outline.heading(2, title or f"Slide {number}", is_label=not title)
    for shape in _in_reading_order(slide.shapes):
        if slide.shapes.title is None or shape.shape_id != slide.shapes.title.shape_id:
            _add_shape(outline, shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        outline.add("text", "\n".join(_lines(slide.notes_slide.notes_text_frame)))


def _in_reading_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Shapes from top to bottom and left to right, those of groups one by one."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _in_reading_order(shape.shapes)
        else:
            yield shape


def _add_shape(outline: Outline, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        _add_table(outline, shape.table)
    elif getattr(shape, "has_chart", False):
        _add_chart(outline, shape.chart)
    elif shape.has_text_frame:
        if not _is_furniture(shape):
            _add_text(outline, shape.text_frame)
    else:
        _add_diagram(outline, shape)


def _is_furniture(shape: Any) -> bool:
    """Whether a placeholder holds what the template prints on each slide."""
    kinds = (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER)
    return bool(shape.is_placeholder) and shape.placeholder_format.type in kinds


def _add_text(outline: Outline, frame: Any) -> None:
    paragraphs = [(paragraph.level, text) for paragraph in frame.paragraphs if (text := _text(paragraph)).strip()]
    for level, text in paragraphs:
        if len(paragraphs) == 1:
            outline.add("text", text)
        else:
            outline.add("item", "  " * level + "- " + text.strip())


def _lines(frame: Any) -> list[str]:
    return [text.strip() for paragraph in frame.paragraphs if (text := _text(paragraph)).strip()]


def _text(paragraph: Any) -> str:
    """A paragraph's text without what is struck out; raised and lowered figures stay so."""
    return "".join(_words(element) for element in paragraph._p)


def _words(element: Any) -> str:
    if element.tag == f"{A}br":
        return "\n"
    if element.tag not in (f"{A}r", f"{A}fld"):
        return ""
    text = str(element.findtext(f"{A}t") or "")
    look = element.find(f"{A}rPr")
    if look is None:
        return text
    if look.get("strike", "noStrike") != "noStrike":
        return ""
    offset = int(look.get("baseline", "0").rstrip("%") or 0)
    return raised(text) if offset > 0 else lowered(text) if offset < 0 else text


def _add_table(outline: Outline, table: Any) -> None:
    """A table, what is merged in all its places; a first row with cells over several columns has a second below it."""
    rows = [
        [
            Cell("\n".join(_lines(cell.text_frame)), cell.span_width, cell.span_height)
            if cell.is_merge_origin
            else Cell("\n".join(_lines(cell.text_frame)))
            for cell in row.cells
            if not cell.is_spanned
        ]
        for row in table.rows
    ]
    top = rows[0] if rows else []
    spans = len(top) > 1 and any(cell.columns > 1 for cell in top)
    outline.add("table", table_text(with_one_header(filled(rows), 2 if spans and len(rows) > 2 else 1)))


def _add_chart(outline: Outline, chart: Any) -> None:
    """What a chart draws as a table: a row for each category, a column for each series."""
    axes = [_axis_title(chart, name) for name in ("category_axis", "value_axis")]
    if chart.has_title and chart.chart_title.has_text_frame:
        outline.add("text", "\n".join(_lines(chart.chart_title.text_frame)))
    for plot in chart.plots:
        series = list(plot.series)
        categories = [" ".join(map(str, path)) for path in plot.categories.flattened_labels] or _abscissas(series)
        names = [line.name or axes[1] for line in series]
        values = [list(line.values) for line in series]
        rows = [
            [category, *(_figure(column[at]) if at < len(column) else "" for column in values)]
            for at, category in enumerate(categories)
        ]
        outline.add("table", table_text([[axes[0], *_with_unit(names, axes[1])], *rows]))


def _abscissas(series: Sequence[Any]) -> list[str]:
    """The places of the points of the first series, in charts that have no categories."""
    return [value.text for line in series[:1] for value in line._element.iterfind(f"{C}xVal//{C}pt/{C}v")]


def _with_unit(names: Iterable[str], axis: str) -> list[str]:
    """The series by their names, and by what the axis says of all of them."""
    return [f"{name} ({axis})" if axis and axis != name else name for name in names]


def _axis_title(chart: Any, name: str) -> str:
    try:
        axis = getattr(chart, name)
    except ValueError:  # a pie has none
        return ""
    return " ".join(_lines(axis.axis_title.text_frame)) if axis.has_title else ""


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"


def _add_diagram(outline: Outline, shape: Any) -> None:
    """The texts of a diagram (SmartArt), which lie in a part of their own."""
    for relation in shape._element.iter(_DIAGRAM):
        name = relation.get(_DIAGRAM_DATA)
        if name in shape.part.rels:
            root = parse_xml(shape.part.rels[name].target_part.blob)
            for paragraph in root.iter(f"{A}p"):
                text = "".join(map(_words, paragraph)).strip()
                outline.add("item", f"- {text}" if text else "")
