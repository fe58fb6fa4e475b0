"""Scanned pages where text recognition is switched on: read from the process that parses, by what is on its path."""

import shutil
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from retrieval.loading import LoadError, ParsedDocument, load
from retrieval.loading.isolated import IsolatedParser

TESSERACT = f"""#!{sys.executable}
import sys
from PIL import Image
assert sys.argv[1:] == ["stdin", "stdout", "-l", "eng+deu"], sys.argv
picture = Image.open(sys.stdin.buffer)
assert picture.format == "PNG"
grey = picture.getpixel((5, 5))
if grey < 10:
    sys.exit("Error opening data file")
texts = {{120: "Open the valve.\\n \\nTurn it left.\\n\\f", 130: "Grease the bearing.\\n\\f"}}
print(texts.get(grey, ""))
"""
"""Speaks tesseract's command line; what it reads in a picture is its grey, nothing in a white one."""


def scan(*pictures: Image.Image, text: str = "") -> bytes:
    """A PDF of pictures, behind a page of text if there is any."""
    paper = FPDF()
    paper.set_font("helvetica", size=12)
    if text:
        paper.add_page()
        paper.multi_cell(0, text=text)
    for picture in pictures:
        paper.add_page()
        paper.image(picture, w=150)
    return bytes(paper.output())


def grey(value: int, width: int = 500) -> Image.Image:
    return Image.new("RGB", (width, width), (value, value, value))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a tesseract."""
    program = tmp_path / "tesseract"
    program.write_text(TESSERACT)
    program.chmod(0o755)
    return tmp_path


def read(data: bytes, programs: Path, ocr: str = "eng+deu") -> ParsedDocument:
    with IsolatedParser(path=str(programs), ocr=ocr) as parser:
        return parser("scan.pdf", data)


def test_scanned_pages_are_read_where_they_stand(programs: Path) -> None:
    """Each under its own page, beside pages that have text."""
    document = read(scan(grey(120), grey(130), text="The pump is blue."), programs)
    assert [(block.heading, block.text) for block in document.blocks] == [
        (("Page 1",), "The pump is blue."),
        (("Page 2",), "Open the valve.\nTurn it left."),
        (("Page 3",), "Grease the bearing."),
    ]
    assert document.notes == ()


def test_what_is_not_recognized_is_told(programs: Path) -> None:
    """Pages in which there is nothing, logos, and pages that tesseract refuses cost no other page."""
    document = read(scan(grey(255), grey(90, width=40), grey(3), grey(130)), programs)
    assert [block.text for block in document.blocks] == ["Grease the bearing."]
    assert document.notes == ("pages 1 to 3 hold only pictures: tesseract cannot read it (Error opening data file)",)
    with pytest.raises(LoadError, match="only pictures: no text was recognized"):
        read(scan(grey(255)), programs)


def test_scans_that_came_by_mail_are_read_too(programs: Path) -> None:
    """What of them could not be read is told with the attachment's name."""
    message = EmailMessage()
    message["Subject"], message["From"] = "Valve", "ada@x.example"
    message.set_content("See the scan.")
    message.add_attachment(scan(grey(120), grey(3)), maintype="application", subtype="pdf", filename="valve.pdf")
    with IsolatedParser(path=str(programs), ocr="eng+deu") as parser:
        document = parser("m.eml", message.as_bytes())
    assert "Open the valve.\nTurn it left." in [block.text for block in document.blocks]
    assert document.notes == (
        "valve.pdf: page 2 holds only pictures: tesseract cannot read it (Error opening data file)",
    )


def test_it_is_off_unless_asked_for(programs: Path) -> None:
    """Then the pages are reported."""
    with pytest.raises(LoadError, match="need text recognition"):
        read(scan(grey(120)), programs, ocr="")


def test_without_tesseract_the_reason_says_so(tmp_path: Path) -> None:
    """And pages with text are read."""
    document = read(scan(grey(120), text="The pump is blue."), tmp_path)
    assert [block.text for block in document.blocks] == ["The pump is blue."]
    assert document.notes == (
        "page 2 holds only pictures: text recognition is switched on, but there is no `tesseract` to run",
    )


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs tesseract")
def test_with_the_real_one() -> None:
    """A line of large type."""
    picture = Image.new("RGB", (1200, 300), "white")
    ImageDraw.Draw(picture).text((40, 80), "The pump is blue", "black", ImageFont.load_default(96))
    assert "pump is blue" in load("scan.pdf", scan(picture), ocr="eng").blocks[0].text
