"""Web archives as browsers save them: the page with its headings, its title and its address."""

import subprocess
import sys
from email.message import EmailMessage

import pytest

from retrieval.loading import LoadError, ParsedDocument, is_supported, load
from retrieval.loading.isolated import IsolatedParser

PAGE = (
    "<html><head><title>Oil for presses</title><style>h2 { color: red }</style></head><body><h2>Säge</h2>"
    "<p>Use grade 46.</p><table><tr><th>Press</th><th>Litres</th></tr><tr><td>P7</td><td>12</td></tr></table>"
    "<script>var hidden = 1;</script></body></html>"
)
CHROMIUM = (
    b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://oil.example/presses\r\nSubject: Saved page\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="----Mark----"\r\n\r\n'
    b"------Mark----\r\nContent-Type: text/html\r\nContent-ID: <frame-1@mhtml.blink>\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\nContent-Location: https://oil.example/presses\r\n\r\n"
    b"<html><head><title>Oil for presses</title></head><body><h2>S=C3=A4ge</h2><p>Use grade=\r\n 46.</p></body></html>"
    b"\r\n------Mark----\r\nContent-Type: text/css\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"h2 { color: red }\r\n------Mark------\r\n"
)


def archive(page: str = PAGE, charset: str = "utf-8", subject: str = "") -> EmailMessage:
    """A page with a picture, as a browser saves it."""
    saved = EmailMessage()
    if subject:
        saved["Subject"] = subject
    saved.make_related()
    saved.add_related(page, subtype="html", charset=charset)
    saved.add_related(b"\x89PNG\r\n", "image", "png")
    return saved


def read(saved: EmailMessage) -> ParsedDocument:
    return load("saved_page.mhtml", saved.as_bytes())


def shown(document: ParsedDocument) -> list[tuple[tuple[str, ...], str, str]]:
    return [(block.heading, block.kind, block.text) for block in document.blocks]


def test_a_page_keeps_its_title_headings_and_tables() -> None:
    """And leaves out what no reader sees."""
    document = read(archive())
    assert document.title == "Oil for presses"
    assert shown(document) == [
        (("Säge",), "text", "Use grade 46."),
        (("Säge",), "table", "| Press | Litres |\n| P7 | 12 |"),
    ]


def test_what_chromium_saves_is_read_in_the_isolated_process() -> None:
    """Soft line ends are undone, and the address is the one that it was saved from."""
    with IsolatedParser() as parser:
        document = parser("oil.mht", CHROMIUM)
    assert (document.title, document.url) == ("Oil for presses", "https://oil.example/presses")
    assert shown(document) == [(("Säge",), "text", "Use grade 46.")]


@pytest.mark.parametrize("charset", ["windows-1252", "utf-16", "iso-8859-1"])
def test_the_encoding_that_the_archive_names_is_used(charset: str) -> None:
    """Old browsers save a page in the encoding that it had."""
    assert read(archive(charset=charset)).blocks[0].heading == ("Säge",)


def test_a_page_in_alternatives_is_found() -> None:
    """Some programs nest it beside its plain text."""
    outer, inner = EmailMessage(), EmailMessage()
    inner.set_content("Use grade 46.")
    inner.add_alternative(PAGE, subtype="html")
    outer.make_related()
    outer.attach(inner)
    assert read(outer).title == "Oil for presses"


def test_a_page_without_a_title_is_named_by_the_subject_or_the_file() -> None:
    untitled = PAGE.replace("<title>Oil for presses</title>", "")
    assert read(archive(untitled, subject="Oil, all of it")).title == "Oil, all of it"
    assert read(archive(untitled)).title == "Saved page"


def test_an_address_that_is_no_web_page_is_not_given() -> None:
    """A page saved from a disk has no address that others could open."""
    saved = archive()
    saved["Content-Location"] = "file:///C:/oil.htm"
    assert read(saved).url is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nothing of an archive", "holds no page"),
        (bytes(range(256)) * 9, "holds no page"),
        (archive("<html><body></body></html>").as_bytes(), "holds no text"),
        (CHROMIUM[: CHROMIUM.index(b"<html>")], "holds no text"),
    ],
)
def test_what_holds_no_page_is_reported(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load("broken.mht", data)


def test_both_endings_are_files_to_index() -> None:
    assert is_supported("a.MHT")
    assert is_supported("a.mhtml")


def test_nothing_is_said_of_the_package_that_nobody_maintains() -> None:
    """It is known (decision 38), and whoever indexes can do nothing about it."""
    code = "import sys; from retrieval.loading import load; load('a.mht', sys.stdin.buffer.read())"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, input=archive().as_bytes(), capture_output=True, check=True)
    assert not done.stderr
