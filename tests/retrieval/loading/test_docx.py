"""Word documents: what a reader sees of them is read, what was deleted or hidden is not."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from retrieval.loading import load

NAMESPACES = nsdecls("w")
MORE = (
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)


def texts(document: Any) -> list[str]:
    stream = io.BytesIO()
    document.save(stream)
    return [block.text for block in load("a.docx", stream.getvalue()).blocks]


def with_body(*elements: str) -> Any:
    """A document with these paragraphs and tables."""
    document = Document()
    for element in elements:
        opening, _, rest = element.partition(">") if not element.startswith("<w:p/") else (element[:-2], "", "")
        spaced = f"{opening} {NAMESPACES} {MORE}>{rest}"
        document.element.body.insert(len(document.element.body) - 1, parse_xml(spaced))
    return document


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*inner: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(inner)}</w:p>"


def deleted(text: str) -> str:
    return f'<w:del w:id="1" w:author="a"><w:r><w:delText xml:space="preserve">{text}</w:delText></w:r></w:del>'


def inserted(text: str) -> str:
    return f'<w:ins w:id="2" w:author="a">{run(text)}</w:ins>'


def control(inner: str, properties: str = "<w:text/>") -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{inner}</w:sdtContent></w:sdt>"


def test_tracked_changes_are_read_as_accepted() -> None:
    """Insertions and what was moved here count; deletions and what was moved away do not."""
    moved = f'<w:moveFrom w:id="3" w:author="a">{run("never")}</w:moveFrom>'
    here = f'<w:moveTo w:id="4" w:author="a">{run("weekly")}</w:moveTo>'
    document = with_body(
        paragraph(run("Drain it "), moved, here, run(", at "), deleted("80"), inserted("65"), run(" °C.")),
        paragraph(run("Close the "), properties='<w:rPr><w:del w:id="5" w:author="a"/></w:rPr>'),
        paragraph(run("inlet.")),
    )
    assert texts(document) == ["Drain it weekly, at 65 °C.", "Close the inlet."]


@pytest.mark.parametrize("mark", ["<w:strike/>", "<w:dstrike/>", "<w:vanish/>", '<w:rStyle w:val="Old"/>'])
def test_struck_out_and_hidden_runs_are_left_out(mark: str) -> None:
    """Whether the run itself says it or its style."""
    document = with_body(paragraph(run("Use "), run("HV 32", mark), run("HV 46.")), paragraph(run("gone", mark)))
    old = f'<w:style {NAMESPACES} w:type="character" w:styleId="Old"><w:basedOn w:val="Older"/></w:style>'
    older = f'<w:style {NAMESPACES} w:type="character" w:styleId="Older"><w:rPr><w:strike/></w:rPr></w:style>'
    for style in (old, older):
        document.styles.element.append(parse_xml(style))
    assert texts(document) == ["Use HV 46."]


def test_what_is_switched_off_is_seen() -> None:
    """A run may take back what its style says."""
    assert texts(with_body(paragraph(run("HV 46", '<w:strike w:val="0"/><w:vanish w:val="false"/>')))) == ["HV 46"]


def test_raised_figures_stay_raised() -> None:
    """A power is no longer number, and neither is a formula's index."""
    raised, lowered = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'
    document = with_body(
        paragraph(
            run("At most 3 x 10"), run("-4", raised), run(" m"), run("2", raised), run(" of SF"), run("6", lowered)
        )
    )
    assert texts(document) == ["At most 3 x 10⁻⁴ m² of SF₆"]


def test_content_controls_are_read() -> None:
    """Around words, paragraphs, rows and cells; what nobody has filled in is no text."""
    cell = f"<w:tc>{paragraph(run('VX-9'))}</w:tc>"
    row = f"<w:tr><w:tc>{paragraph(run('Type'))}</w:tc>{control(cell)}</w:tr>"
    document = with_body(
        paragraph(run("Serial: "), control(run("K-77"))),
        control(paragraph(run("Opens at 9 bar."))),
        paragraph(run("Owner:"), control(run("Click here"), "<w:showingPlcHdr/>")),
        f"<w:tbl><w:tr><w:tc>{paragraph(run('Key'))}</w:tc><w:tc>{paragraph(run('Value'))}</w:tc></w:tr>{control(row)}</w:tbl>",
    )
    assert texts(document) == ["Serial: K-77", "Opens at 9 bar.", "Owner:", "| Key | Value |\n| Type | VX-9 |"]


@pytest.mark.parametrize(
    "box",
    [
        "<mc:AlternateContent><mc:Choice><wps:txbx>{0}</wps:txbx></mc:Choice>"
        "<mc:Fallback><w:pict><v:textbox>{0}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent>",
        "<w:pict><v:shape><v:textbox>{0}</v:textbox></v:shape></w:pict>",
    ],
    ids=["of today", "of old"],
)
def test_text_boxes_are_read_once(box: str) -> None:
    """Word writes them down twice, for itself and for older programs."""
    content = f"<w:txbxContent>{paragraph(run('Wear gloves.'))}</w:txbxContent>"
    document = with_body(paragraph(run("Before."), f"<w:r>{box.format(content)}</w:r>"), paragraph(run("After.")))
    assert texts(document) == ["Before.", "Wear gloves.", "After."]


def add_notes(document: Any, kind: str, note: str, text: str) -> None:
    """A part of notes, with the separator that each has and the note 7."""
    separator = f'<w:{note} w:id="0" w:type="separator">{paragraph()}</w:{note}>'
    xml = f'<w:{kind} {NAMESPACES}>{separator}<w:{note} w:id="7">{paragraph(run(text))}</w:{note}></w:{kind}>'
    reltype = RELATIONSHIP_TYPE.FOOTNOTES.replace("footnotes", kind)
    content = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml"
    document.part.relate_to(Part(PackURI(f"/word/{kind}.xml"), content, xml.encode(), document.part.package), reltype)


@pytest.mark.parametrize(("kind", "note"), [("footnotes", "footnote"), ("endnotes", "endnote")])
def test_notes_stand_below_their_paragraph(kind: str, note: str) -> None:
    """Where they limit what it says; with a mark that is no figure's."""
    document = with_body(
        paragraph(run("Grease it every 40 hours."), f'<w:r><w:{note}Reference w:id="7"/></w:r>'), paragraph(run("End."))
    )
    add_notes(document, kind, note, "Only in summer.")
    assert texts(document) == ["Grease it every 40 hours. (note 1)", "Note 1: Only in summer.", "End."]


def test_comments_stand_below_their_paragraph() -> None:
    """They often hold what has changed since."""
    document = Document()
    words = document.add_paragraph("Grease it every 40 hours.").runs
    document.add_comment(words, text="Every 30 since May.", author="Ada")
    assert texts(document) == ["Grease it every 40 hours.", "Comment: Every 30 since May."]


def test_what_stands_on_each_page_is_read_once() -> None:
    """It may say which machine the document is about; page numbers say nothing."""
    document = Document()
    document.add_paragraph("Grease it weekly.")
    document.sections[0].header.paragraphs[0].text = "Machine: Mill 8"
    document.sections[0].footer.paragraphs[0].text = "Page 1 of 3"
    document.add_section().footer.is_linked_to_previous = False
    document.sections[1].footer.paragraphs[0].text = "Hall 2"
    assert texts(document) == ["Machine: Mill 8", "Grease it weekly.", "Hall 2"]


def table_of(fill: Callable[[Any], None], rows: int, columns: int) -> Any:
    document = Document()
    fill(document.add_table(rows, columns))
    return document


def write(table: Any, *lines: list[str]) -> None:
    for row, line in zip(table.rows, lines, strict=True):
        for cell, text in zip(row.cells, line, strict=True):
            if text:
                cell.text = text


def test_a_merged_cell_is_in_each_of_its_rows() -> None:
    def fill(table: Any) -> None:
        table.cell(1, 0).merge(table.cell(2, 0))
        write(table, ["Hall", "Crane", "Load"], ["2", "K1", "5 t"], ["", "K2", "8 t"], ["3", "K3", "1 t"])

    expected = "| Hall | Crane | Load |\n| 2 | K1 | 5 t |\n| 2 | K2 | 8 t |\n| 3 | K3 | 1 t |"
    assert texts(table_of(fill, 4, 3)) == [expected]


def test_two_header_rows_are_one() -> None:
    """A column is named by all that stands above it."""

    def fill(table: Any) -> None:
        table.cell(0, 0).merge(table.cell(1, 0))
        table.cell(0, 1).merge(table.cell(0, 2))
        write(table, ["Shift", "Monday", ""], ["", "Lead", "Spare"], ["Night", "Oda", "Ben"])

    assert texts(table_of(fill, 3, 3)) == ["| Shift | Monday Lead | Monday Spare |\n| Night | Oda | Ben |"]


def test_tables_within_tables_follow_what_they_belong_to() -> None:
    def fill(table: Any) -> None:
        write(table, ["Machine", "Settings"], ["Mill 8", ""])
        write(table.cell(1, 1).add_table(2, 2), ["Program", "Feed"], ["P1", "120"])

    outer = "| Machine | Settings |\n| Mill 8 |  |"
    assert texts(table_of(fill, 2, 2)) == [outer, "Mill 8", "| Program | Feed |\n| P1 | 120 |"]


def test_a_frame_around_text_is_no_table() -> None:
    """A single cell is how boxes around warnings are made."""

    def fill(table: Any) -> None:
        table.cell(0, 0).text = "Warning"
        table.cell(0, 0).add_paragraph("Lock the ram.", style="List Bullet")

    assert texts(table_of(fill, 1, 1)) == ["Warning", "- Lock the ram."]
