"""Presentations: charts, merged cells, titles without text and what is struck out."""

import io
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from retrieval.loading import load

AREA = (Inches(1), Inches(1), Inches(5), Inches(3))


def texts(deck: Any) -> list[str]:
    stream = io.BytesIO()
    deck.save(stream)
    return [block.text for block in load("a.pptx", stream.getvalue()).blocks]


def slide_of(deck: Any, layout: int = 6) -> Any:
    return deck.slides.add_slide(deck.slide_layouts[layout])


def test_a_slide_that_has_a_title_alone_is_read() -> None:
    """Between others and as the last; a slide without any text says nothing."""
    deck = Presentation()
    slide_of(deck, 5).shapes.title.text = "Valves"
    slide_of(deck, 1).placeholders[1].text = "Lubricate monthly"
    slide_of(deck, 5).shapes.title.text = "Spare key: shelf 9"
    slide_of(deck)
    assert texts(deck) == ["Valves", "Lubricate monthly", "Spare key: shelf 9"]


@pytest.mark.parametrize("kind", [XL_CHART_TYPE.COLUMN_CLUSTERED, XL_CHART_TYPE.LINE, XL_CHART_TYPE.BAR_STACKED])
def test_a_chart_is_the_table_that_it_draws(kind: Any) -> None:
    """A gap stays a gap."""
    deck, data = Presentation(), CategoryChartData()
    data.categories = ["Hall 1", "Hall 2"]
    data.add_series("Parts", (120, 95.5))
    data.add_series("Scrap", (3, None))
    chart = slide_of(deck).shapes.add_chart(kind, *AREA, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Output"
    assert texts(deck) == ["Output", "|  | Parts | Scrap |\n| Hall 1 | 120 | 3 |\n| Hall 2 | 95.5 |  |"]


def test_an_axis_names_what_is_counted() -> None:
    deck, data = Presentation(), CategoryChartData()
    data.categories = ["Mill"]
    data.add_series("2026", (7,))
    chart = slide_of(deck).shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *AREA, data).chart
    for axis, name in ((chart.category_axis, "Machine"), (chart.value_axis, "Hours")):
        axis.has_title = True
        axis.axis_title.text_frame.text = name
    assert texts(deck) == ["| Machine | 2026 (Hours) |\n| Mill | 7 |"]


def test_a_pie_and_points_are_read() -> None:
    """Charts without categories or without axes."""
    deck, shares, points = Presentation(), CategoryChartData(), XyChartData()
    shares.categories = ["Oil", "Seals"]
    shares.add_series("Cost", (0.25, 0.75))
    series = points.add_series("Pressure")
    series.add_data_point(1.5, 40)
    slide_of(deck).shapes.add_chart(XL_CHART_TYPE.PIE, *AREA, shares)
    slide_of(deck).shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, *AREA, points)
    assert "| Oil | 0.25 |\n| Seals | 0.75 |" in texts(deck)[0]
    assert "| 1.5 | 40 |" in texts(deck)[1]


def test_merged_cells_are_in_each_row_and_column() -> None:
    deck = Presentation()
    table = slide_of(deck).shapes.add_table(4, 3, *AREA).table
    lines = [["Machine", "Oil", ""], ["", "Kind", "Litres"], ["Mill", "HV 46", "9"], ["", "VG 32", "4"]]
    for row, line in enumerate(lines):
        for column, text in enumerate(line):
            table.cell(row, column).text = text
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    assert texts(deck) == ["| Machine | Oil Kind | Oil Litres |\n| Mill | HV 46 | 9 |\n| Mill | VG 32 | 4 |"]


def test_struck_out_is_left_out_and_raised_stays_raised() -> None:
    deck = Presentation()
    paragraph = slide_of(deck).shapes.add_textbox(*AREA).text_frame.paragraphs[0]
    for text, name, value in (
        ("Use ", "", ""),
        ("8", "strike", "sngStrike"),
        ("9 x 10", "", ""),
        ("6", "baseline", "30000"),
    ):
        run = paragraph.add_run()
        run.text = text
        if name:
            run.font._element.set(name, value)
    assert texts(deck) == ["Use 9 x 10⁶"]


def test_hidden_slides_are_not_read() -> None:
    deck = Presentation()
    slide_of(deck, 5).shapes.title.text = "Seen"
    hidden = slide_of(deck, 5)
    hidden.shapes.title.text = "Draft: 80 bar"
    hidden._element.set("show", "0")
    assert texts(deck) == ["Seen"]
