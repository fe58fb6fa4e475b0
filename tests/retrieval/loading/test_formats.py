"""Presentations, spreadsheets, e-mail and reStructuredText: what people see in them, under its headings."""

import io
from datetime import date, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
import xlsxwriter
from fpdf import FPDF
from PIL import Image
from pptx import Presentation
from pptx.util import Inches
from psycopg import Connection

from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.loading import LoadError, ParsedDocument, load, sheets
from retrieval.loading.isolated import IsolatedParser
from tests.retrieval.indexing.test_index import HashEmbedder


def shown(document: ParsedDocument) -> list[tuple[str, str, str]]:
    return [(" > ".join(block.heading), block.kind, block.text) for block in document.blocks]


def test_a_slide_is_a_section() -> None:
    """Its texts in reading order, its list, its table and the speaker's notes; a slide without a title has a number."""
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Press safety"
    body = first.placeholders[1].text_frame
    body.text = "Lock the ram"
    body.add_paragraph().text = "with pin P-4"
    body.paragraphs[1].level = 1
    first.notes_slide.notes_text_frame.text = "Ask who has the key."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    second.shapes.add_textbox(0, Inches(3), Inches(2), Inches(1)).text_frame.text = "Below."
    second.shapes.add_textbox(0, Inches(1), Inches(2), Inches(1)).text_frame.text = "Above."
    table = second.shapes.add_table(2, 2, 0, Inches(5), Inches(4), Inches(1)).table
    for row, texts in enumerate((("Code", "Meaning"), ("E1", "Too hot"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    stream = io.BytesIO()
    deck.save(stream)
    document = load("safety.pptx", stream.getvalue())
    assert document.title == "Press safety"
    assert shown(document) == [
        ("Press safety", "item", "- Lock the ram"),
        ("Press safety", "item", "  - with pin P-4"),
        ("Press safety", "text", "Ask who has the key."),
        ("Slide 2", "text", "Above."),
        ("Slide 2", "text", "Below."),
        ("Slide 2", "table", "| Code | Meaning |\n| E1 | Too hot |"),
    ]


def workbook(**sheets: list[list[object]]) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            if name == "Hidden":
                sheet.hide()
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return stream.getvalue()


def test_a_row_of_a_sheet_names_its_columns() -> None:
    """Numbers and dates as people write them; a title above the header is text; hidden sheets stay hidden."""
    data = workbook(
        Stock=[
            ["Stock of March", "", ""],
            ["Part", "Pieces", "Counted", "Checked"],
            ["MS-0417", 12, date(2026, 3, 2), True],
            ["KP2K", 2.5, datetime(2026, 3, 2, 14, 30), False],
        ],
        Notes=[["Ask Ada before ordering."]],
        Hidden=[["a", "b"], ["secret", 1]],
    )
    assert shown(load("stock.xlsx", data)) == [
        ("Stock", "text", "Stock of March"),
        ("Stock", "row", "Part: MS-0417\nPieces: 12\nCounted: 2026-03-02\nChecked: yes"),
        ("Stock", "row", "Part: KP2K\nPieces: 2.5\nCounted: 2026-03-02 14:30\nChecked: no"),
        ("Notes", "text", "Ask Ada before ordering."),
    ]


def test_a_sheet_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do left to the reason's reader."""
    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    with pytest.raises(LoadError, match="has 3 rows"):
        load("a.xlsx", workbook(S=[["a", "b"], [1, 2], [3, 4]]))


def mail(**more: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ada <ada@x.example>", "ben@x.example", "Oil of the preß"
    message["Date"] = "Fri, 20 Nov 2026 10:00:00 +0100"
    message.set_content(more.get("text", "Use HV 46.\n\nOn Thu, Ben wrote:\n> Which oil?\n"))
    return message


def test_a_mail_says_who_wrote_what() -> None:
    """Without what it quotes; readable attachments stand under their names, others are named."""
    message = mail()
    message.add_attachment("Code,Meaning\nE1,Too hot\n", subtype="csv", filename="alarms.csv")
    message.add_attachment(b"\0\1", maintype="image", subtype="png", filename="photo.png")
    document = load("m.eml", message.as_bytes())
    assert document.title == "Oil of the preß"
    blocks = shown(document)
    assert blocks[0][2].startswith("From: Ada <ada@x.example>\nTo: ben@x.example\nDate: ")
    assert blocks[1] == ("", "text", "Use HV 46.")
    assert ("alarms.csv", "row", "Code: E1\nMeaning: Too hot") in blocks
    assert any(heading == "photo.png" and "not supported" in text for heading, _, text in blocks)
    assert not any("Which oil" in text for _, _, text in blocks)


def test_a_mail_of_html_is_read_as_a_page() -> None:
    """Where there is no plain text."""
    message = mail()
    message.set_content("<p>Use <b>HV 46</b>.</p><ul><li>Never HV 68</li></ul>", subtype="html")
    texts = [text for _, _, text in shown(load("m.eml", message.as_bytes()))[1:]]
    assert texts == ["Use HV 46.", "- Never HV 68"]


RST = b"""
=====
Pumps
=====

Lubrication
-----------

Grease :term:`bearing <b>` every *400* hours, see :ref:`seal`.

.. note:: Use KP2K-30.

.. versionchanged:: 2.1
   It was 500 hours before.

.. toctree::

   hidden

- one
- two

.. code-block:: sh

   pump --start

+------+---------+
| Code | Meaning |
+======+=========+
| E1   | Too hot |
+------+---------+

.. include:: /etc/passwd
.. raw:: html

   <script>alert(1)</script>
"""


def test_restructured_text_has_sections() -> None:
    """Lists, tables, code and notes; Sphinx's own directives and roles as text; no other file is read."""
    document = load("pumps.rst", RST)
    assert document.title == "Pumps"
    blocks = shown(document)
    assert {heading for heading, _, _ in blocks} == {"Lubrication"}
    assert [(kind, text) for _, kind, text in blocks] == [
        ("text", "Grease bearing every 400 hours, see seal."),
        ("text", "Use KP2K-30."),
        ("text", "2.1\nIt was 500 hours before."),
        ("item", "- one"),
        ("item", "- two"),
        ("code", "```sh\npump --start\n```"),
        ("table", "| Code | Meaning |\n| E1 | Too hot |"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pptx", b"PK\3\4 and nothing", "broken"),
        ("a.pptx", b"\xd0\xcf\x11\xe0" + bytes(600), "encrypted"),
        ("a.xlsx", b"PK\3\4 and nothing", "broken"),
        ("a.xlsx", b"nothing of a sheet", "broken"),
        ("a.eml", b"nothing of a mail", "not an e-mail"),
    ],
)
def test_broken_files_have_reasons(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(name, data)


def paper_of(pages: int) -> bytes:
    paper = FPDF()
    paper.set_font("helvetica", size=12)
    for text in ("The pump is blue.", "Nobody works alone.", "Grease the bearing.", "Lock the ram.")[:pages]:
        paper.add_page()
        paper.multi_cell(0, text=text)
    return bytes(paper.output())


def test_a_paper_of_too_many_pages_is_refused() -> None:
    """Before they are read; also where it came by mail."""
    assert len(load("a.pdf", paper_of(3), max_pages=3).blocks) == 3
    reason = "it has 4 pages, and 3 are allowed"
    with IsolatedParser(max_pages=3) as parser:
        with pytest.raises(LoadError, match=reason):
            parser("a.pdf", paper_of(4))
        message = mail()
        message.add_attachment(paper_of(4), maintype="application", subtype="pdf", filename="a.pdf")
        assert any(reason in block.text for block in parser("m.eml", message.as_bytes()).blocks)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.xlsm", "a.ods"])
def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All office formats are ZIP files."""
    monkeypatch.setattr("retrieval.loading.archives.MAX_UNPACKED", 1000)
    with pytest.raises(LoadError, match="unpacks to"):
        load(name, workbook(S=[["a", "b"], [1, 2]]))


def test_scanned_pages_are_reported() -> None:
    """What has text is read; the numbers of the others are told, an empty page is none of them."""
    paper = FPDF()
    paper.set_font("helvetica", size=12)
    picture = Image.new("RGB", (20, 20), "grey")
    for page in ("text", "picture", "picture", "picture", "empty", "picture"):
        paper.add_page()
        if page == "text":
            paper.multi_cell(0, text="The pump is blue and stands in hall 3.")
        elif page == "picture":
            paper.image(picture, w=100)
    document = load("scan.pdf", bytes(paper.output()))
    assert [block.text for block in document.blocks] == ["The pump is blue and stands in hall 3."]
    assert document.notes == ("pages 2 to 4, 6 hold only pictures: scanned pages need text recognition (OCR) first",)
    with IsolatedParser() as parser:
        assert parser("scan.pdf", bytes(paper.output())).notes == document.notes


def test_a_run_reports_them_and_indexes_the_rest(conn: Connection, tmp_path: Path) -> None:
    """They are no failed document."""
    paper = FPDF()
    paper.set_font("helvetica", size=12)
    paper.add_page()
    paper.multi_cell(0, text="The pump is blue and stands in hall 3.")
    paper.add_page()
    paper.image(Image.new("RGB", (20, 20), "grey"), w=100)
    paper.output(str(tmp_path / "scan.pdf"))
    report = index_sources(conn, HashEmbedder(), register_sources(conn, [tmp_path]), max_bytes=10**6)
    assert (report.documents["new"], report.documents["failed"]) == (1, 0)
    (failure,) = report.failures
    assert failure["document"] == "scan.pdf"
    assert failure["error"].startswith("page 2 holds only pictures")
