"""Files to blocks: what each parser keeps, and the reason that each unreadable file is given."""

import io
import json
import os
import sqlite3
from pathlib import Path

import pytest
from docx import Document
from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from retrieval.loading import LoadError, ParsedDocument, load
from retrieval.loading.files import Scan, of_kinds, read_file, scan
from retrieval.origins.folder import version_of


def shape(document: ParsedDocument) -> list[tuple[tuple[str, ...], str, str]]:
    return [(block.heading, block.kind, block.text) for block in document.blocks]


def parse(name: str, text: str) -> ParsedDocument:
    return load(name, text.encode())


def reason(name: str, data: bytes) -> str:
    with pytest.raises(LoadError) as caught:
        load(name, data)
    return str(caught.value)


def pdf(*pages: list[tuple[str, float, str]], password: tuple[str, str] | None = None, aes: bool = False) -> bytes:
    """A PDF whose pages are lists of (style, size, text)."""
    document = FPDF()
    if password:
        method = EncryptionMethod.AES_256 if aes else EncryptionMethod.RC4
        document.set_encryption(owner_password=password[0], user_password=password[1], encryption_method=method)
    for page in pages:
        document.add_page()
        for style, size, text in page:
            document.set_font("helvetica", style, size)
            document.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def sqlite_file(path: Path, *, journal: str = "delete") -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute('CREATE TABLE "spare parts" (number TEXT, name TEXT, price REAL, stock INTEGER, photo BLOB)')
    database.execute("INSERT INTO \"spare parts\" VALUES ('SK-17', 'Seal kit', 412.0, NULL, x'00ff')")
    database.commit()
    return database


MARKDOWN = """# Pump HP-200

Read this *first*, it is **important**.

Setext section
--------------
See [the guide](https://example.com/guide) or ![a valve](valve.png), not `$110=500`.
It goes on
on three lines.

##Tight heading

Type this:

```sh
# no heading
$0=10
```

### Deep

- one
  - nested
- two with `code`
  and a second line

1. first
2. second

| Code | Meaning |
|:-----|--------:|
| E1   | **Hot** or cold |
| E2   | **all bold** |

Give <name> and<br>press enter.

<div><script>evil()</script><p>From HTML</p></div>
"""


def test_markdown_keeps_words_under_their_headings() -> None:
    """Headings of every form lead, emphasis and link targets go, code, tables and lists stay what they are."""
    document = parse("pump.md", MARKDOWN)
    assert document.title == "Pump HP-200"
    tight, deep = ("Setext section", "Tight heading"), ("Setext section", "Tight heading", "Deep")
    tight, deep = ("Tight heading",), ("Tight heading", "Deep")
    assert shape(document) == [
        ((), "text", "Read this first, it is important."),
        (
            ("Setext section",),
            "text",
            "See the guide or a valve, not `$110=500`. It goes on on three lines.",
        ),
        (tight, "text", "Type this:"),
        (tight, "code", "```sh\n# no heading\n$0=10\n```"),
        (deep, "item", "- one"),
        (deep, "item", "  - nested"),
        (deep, "item", "- two with `code` and a second line"),
        (deep, "item", "1. first"),
        (deep, "item", "2. second"),
        (deep, "table", "| Code | Meaning |\n| E1 | **Hot** or cold |\n| E2 | all bold |"),
        (deep, "text", "Give <name> and\npress enter."),
        (deep, "text", "From HTML"),
    ]


def test_markdown_front_matter_names_the_document() -> None:
    """Title and address may stand in front matter, which is no text."""
    document = parse("a.md", "---\ntitle: 'Night shift'\nurl: https://example.com/n\n---\nNobody works alone.\n")
    assert (document.title, document.url) == ("Night shift", "https://example.com/n")
    assert [block.text for block in document.blocks] == ["Nobody works alone."]


def test_title_is_made_of_the_file_name() -> None:
    """A document without a title of its own is called after its file."""
    assert parse("manuals/laser_mode.md", "## One\n\ntext\n\n## Two\n\ntext").title == "Laser mode"
    assert parse("HP-200.txt", "text").title == "HP-200"


def test_a_sentence_is_no_heading() -> None:
    """What is only written large is text, so it does not stand above everything that follows."""
    document = parse(
        "a.md", "### Summary\n\n### _The details are in the other documents._\n\n#### Limits\n\nMind them."
    )
    assert [block.heading for block in document.blocks] == [("Summary",), ("Summary", "Limits")]


def test_several_top_headings_are_no_title() -> None:
    """With more than one heading of level 1 all of them stay in the paths."""
    document = parse("a.md", "# One\n\nx\n\n# Two\n\ny")
    assert [block.heading for block in document.blocks] == [("One",), ("Two",)]


def test_text_has_paragraphs_items_and_headings() -> None:
    """Blank lines separate paragraphs, wrapped lines are joined, underlined lines and capitals are headings."""
    long = "This line is long enough to have been wrapped by an editor"
    text = f"Oil change\n==========\n{long}\nand goes on.\n\n- one\n- two\n\nDAILY CHECKS\n\nCall 112\nor 4112\n"
    assert shape(parse("a.txt", text)) == [
        ((), "text", f"{long} and goes on."),
        ((), "item", "- one"),
        ((), "item", "- two"),
        (("DAILY CHECKS",), "text", "Call 112\nor 4112"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_are_recognised(encoding: str) -> None:
    """UTF-8 with and without byte order mark, UTF-16 and Latin 1 all give the same words."""
    (block,) = load("a.txt", "Größe über 5 µm".encode(encoding)).blocks
    assert block.text == "Größe über 5 µm"


HTML = """<!doctype html><html><head><title>Site | Pump</title><style>p{}</style><meta charset="utf-8">
<link rel="canonical" href="https://example.com/pump"></head><body>
<nav><ul><li>Home</li></ul></nav><header>Logo</header>
<main><h1>Pump <code>HP-200</code></h1><p>First <b>bold</b> text,<br>see <a href="/x">the guide</a>.</p>
<script>evil()</script><!-- hidden --><div>Bare <span>words</span><p>inner</p>tail</div>
<h2>Codes</h2><table><tr><th>Code</th><th>Meaning</th></tr><tr><td>E1</td><td>Too<br>hot</td></tr></table>
<ul><li>one<ul><li>nested</li></ul></li><li><p>two</p></li></ul><pre>run
  fast</pre><dl><dt>M66</dt><dd>Waits</dd></dl></main><footer>2020</footer></body></html>"""


def test_html_keeps_the_main_part() -> None:
    """Headings, lists, tables and code of the page stay; scripts, styles, comments and navigation go."""
    document = parse("pump.html", HTML)
    assert (document.title, document.url) == ("Pump HP-200", "https://example.com/pump")
    assert shape(document) == [
        ((), "text", "First bold text,\nsee the guide."),
        ((), "text", "Bare words"),
        ((), "text", "inner"),
        ((), "text", "tail"),
        (("Codes",), "table", "| Code | Meaning |\n| E1 | Too hot |"),
        (("Codes",), "item", "- one"),
        (("Codes",), "item", "  - nested"),
        (("Codes",), "item", "- two"),
        (("Codes",), "code", "```\nrun\n  fast\n```"),
        (("Codes",), "item", "- M66: Waits"),
    ]


ASCIIDOC = """= G Codes
:machine: HP-200
:host: example.com
:site: https://{host}/a

[[sec:probe]]
(((probing)))
== Straight Probe

Probe with the *{machine}* and `G38.2`, see <<sec:other,the other>> or {site}[this `$0` page]. +
It goes on.

// a comment
* one
** nested _item_
M66:: Waits on input.

[WARNING]
====
Hot surface.
====

[source,ngc]
----
G38.2 Z-10
----

.Codes
[cols="1,2",options="header"]
|===
|Code |Meaning
|E1 |Too hot, the
oil is old
2+|both
|===

include::other.adoc[]
image::probe.png[The probe]
"""


def test_asciidoc_is_structured_text() -> None:
    """Headings, lists, listings and tables are read; attributes are put in; macros leave their words."""
    document = parse("g.adoc", ASCIIDOC)
    section = ("Straight Probe",)
    assert document.title == "G Codes"
    assert shape(document) == [
        (section, "text", "Probe with the HP-200 and `G38.2`, see the other or this `$0` page. It goes on."),
        (section, "item", "- one"),
        (section, "item", "  - nested item"),
        (section, "item", "- M66: Waits on input."),
        (section, "text", "WARNING: Hot surface."),
        (section, "code", "```\nG38.2 Z-10\n```"),
        (section, "text", "Codes"),
        (section, "table", "| Code | Meaning |\n| E1 | Too hot, the oil is old |\n| both |  |"),
        (section, "text", "The probe"),
    ]


def test_pdf_headings_are_told_by_their_type() -> None:
    """Larger and bold lines are headings; running headers and page numbers go; a sentence goes on over the page."""
    body = "Replace the seal every 2000 operating hours and never use mineral oil on the rotor, because it swells. "
    pages = [
        [("", 8, "Manual HP-200"), ("B", 20, "Pump HP-200"), ("B", 11, "1. Seal"), ("", 11, body * 3 + "It is")],
        [("", 8, "Manual HP-200"), ("", 11, "black. " + body * 2), ("B", 11, "2. Oil"), ("", 11, "Use HV 46.")],
        [("", 8, "Manual HP-200"), ("B", 11, "3. Notes"), ("", 11, body)],
    ]
    document = load("pump.pdf", pdf(*pages))
    texts = {block.heading: block.text for block in document.blocks}
    assert document.title == "Pump HP-200"
    assert list(texts) == [("1. Seal",), ("2. Oil",), ("3. Notes",)]
    assert texts["1. Seal",] == (body * 3 + "It is black. " + body * 2).strip()
    assert "Manual" not in " ".join(texts.values())


def test_pdf_without_headings_names_the_page() -> None:
    """Where nothing better is known, a passage stands under its page's number."""
    document = load("plain.pdf", pdf([("", 11, "Only one size.")], [("", 11, "And a second page.")]))
    assert shape(document) == [
        (("Page 1",), "text", "Only one size."),
        (("Page 2",), "text", "And a second page."),
    ]


@pytest.mark.parametrize("aes", [False, True])
def test_pdf_that_opens_without_a_password_is_read(aes: bool) -> None:
    """A PDF that is only protected against changes is no secret."""
    document = load("a.pdf", pdf([("", 11, "Readable.")], password=("owner", ""), aes=aes))
    assert document.blocks[0].text == "Readable."


def test_docx_keeps_headings_lists_and_tables() -> None:
    """Styles tell headings and lists, tables stand where they stood."""
    document = Document()
    document.add_heading("Shift rules", 0)
    document.add_heading("Night", 1)
    document.add_paragraph("Nobody works alone.")
    document.add_paragraph("Call 112", style="List Bullet")
    document.add_heading("Breaks", 2)
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Shift", "Break", "Night", "45 min"], strict=True):
        cell.text = text
    document.add_paragraph("Afterwards.")
    stream = io.BytesIO()
    document.save(stream)
    parsed = load("rules.docx", stream.getvalue())
    assert parsed.title == "Shift rules"
    assert shape(parsed) == [
        (("Night",), "text", "Nobody works alone."),
        (("Night",), "item", "- Call 112"),
        (("Night", "Breaks"), "table", "| Shift | Break |\n| Night | 45 min |"),
        (("Night", "Breaks"), "text", "Afterwards."),
    ]


@pytest.mark.parametrize(
    "data",
    [
        'Code,Meaning,"Long, name"\r\n1,"Hard ""limit""",x\r\n2,Größe,\r\n'.encode(),
        '\ufeffCode;Meaning;Long, name\n1;"Hard ""limit""";x\n\n2;Größe;\n'.encode(),
        'Code\tMeaning\tLong, name\n1\t"Hard ""limit"""\tx\n2\tGröße\n'.encode("latin-1"),
    ],
    ids=["comma", "semicolon with BOM", "tab in Latin 1"],
)
def test_csv_rows_name_their_columns(data: bytes) -> None:
    """Whatever the delimiter and the encoding, a row reads `column: value`, without its empty cells."""
    assert shape(load("codes.csv", data)) == [
        ((), "row", 'Code: 1\nMeaning: Hard "limit"\nLong, name: x'),
        ((), "row", "Code: 2\nMeaning: Größe"),
    ]


def test_json_objects_are_rows_and_keys_are_headings() -> None:
    """A list of objects is a table, nested names are dotted; an object's keys lead to what is below them."""
    part = {"part": "SK-17", "size": {"mm": 12}, "for": ["HP-200", "HP-400"], "old": False, "note": None}
    row = "part: SK-17\nsize.mm: 12\nfor: HP-200, HP-400\nold: no"
    assert shape(load("a.json", json.dumps([part]).encode())) == [((), "row", row)]
    assert shape(load("a.jsonl", json.dumps(part).encode() + b"\n\n")) == [((), "row", row)]
    assert shape(load("a.json", json.dumps({"site": "Oslo", "parts": {"all": [part]}}).encode())) == [
        ((), "text", "site: Oslo"),
        (("parts", "all"), "row", row),
    ]


def test_sqlite_rows_stand_under_their_table(tmp_path: Path) -> None:
    """Each table is a heading, each row names its columns; binary and empty cells have no words."""
    sqlite_file(tmp_path / "parts.db").close()
    document = load("parts.db", (tmp_path / "parts.db").read_bytes())
    assert shape(document) == [(("spare parts",), "row", "number: SK-17\nname: Seal kit\nprice: 412")]


def test_sqlite_rows_in_the_write_ahead_log_are_read(tmp_path: Path) -> None:
    """What another program has committed but not yet moved into the main file is part of the database."""
    database = sqlite_file(tmp_path / "parts.db", journal="wal")
    database.execute("INSERT INTO \"spare parts\" (number) VALUES ('NEW-1')")
    database.commit()
    data, _ = read_file(tmp_path / "parts.db", 1_000_000)
    database.close()
    assert load("parts.db", data).blocks[-1].text == "number: NEW-1"


def test_every_broken_file_has_its_reason(tmp_path: Path) -> None:
    """The reason says what is wrong with the file in words that a person can act on."""
    sqlite_file(tmp_path / "parts.db").close()
    database = (tmp_path / "parts.db").read_bytes()
    secret = [("", 11, "secret")]
    assert reason("a.md", b"") == "it is empty"
    assert reason("a.md", b"\n  \n") == "it is empty"
    assert reason("a.md", b"<!-- nothing -->") == "it holds no text"
    assert "binary" in reason("a.txt", b"\x00\x01\x02")
    assert "not supported" in reason("a.xyz", b"text")
    assert "broken" in reason("a.pdf", b"%PDF-1.4 and then nothing")
    assert "broken" in reason("a.pdf", pdf(secret)[:300])
    assert "scanned" in reason("a.pdf", pdf([]))
    assert "encrypted" in reason("a.pdf", pdf(secret, password=("owner", "user")))
    assert "encrypted" in reason("a.pdf", pdf(secret, password=("owner", "user"), aes=True))
    assert "broken" in reason("a.docx", b"PK\x03\x04 and then nothing")
    assert "encrypted" in reason("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "not a SQLite database" in reason("a.db", b"something else")
    assert "broken" in reason("a.db", database[: len(database) // 2])
    assert "not valid JSON (line 2" in reason("a.json", b'{"a": 1,\n}')
    assert "nested" in reason("a.json", b'{"a":' * 60 + b"1" + b"}" * 60)
    assert "broken" in reason("a.json", b"[" * 100_000)
    assert "no rows" in reason("a.csv", b"Code,Meaning\n")


def test_oversized_and_unreadable_files_have_their_reason(tmp_path: Path) -> None:
    """A file above the limit is not even read."""
    (tmp_path / "large.txt").write_bytes(b"x" * 200_000)
    with pytest.raises(LoadError, match=r"too large: 0\.2 MB, and 1000 bytes are allowed"):
        read_file(tmp_path / "large.txt", 1000)
    with pytest.raises(LoadError, match="No such file"):
        read_file(tmp_path / "gone.txt", 1000)


def test_scan_skips_what_is_no_document(tmp_path: Path) -> None:
    """Hidden files, version control, unknown types and loops of links are left out; names are relative."""
    for name in ("b.md", "sub/a.TXT", ".hidden.md", ".git/c.md", "node_modules/d.md", "e.exe", "~$f.docx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / os.fsdecode(b"z\xff.md")).write_text("text")
    assert list(scan(tmp_path).files) == ["b.md", "sub/a.TXT", "z\ufffd.md"]
    assert list(scan(tmp_path / "e.exe").files) == ["e.exe"]
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "missing")


def test_documents_in_an_unreadable_folder_are_not_missing() -> None:
    """What could not be looked at may still be there."""
    found = Scan({}, unreadable=("sub",))
    assert found.may_hold("sub/a.md")
    assert not found.may_hold("subway/a.md")


def test_files_of_other_kinds_are_counted_and_named(tmp_path: Path) -> None:
    """By ending, the first of each by name; hidden ones are nobody's business."""
    for name in ("a.md", "LICENSE", "b.vsd", "old/c.VSD", ".d.vsd", *(f"p{number}.jpg" for number in range(7))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    told = of_kinds(scan(tmp_path).unsupported)
    assert sorted(told) == ["1 × no ending", "2 × .vsd", "7 × .jpg"]
    assert told["2 × .vsd"].endswith("b.vsd, old/c.VSD")
    assert told["7 × .jpg"].endswith("p4.jpg and 2 more")


@pytest.mark.parametrize("suffix", [".txt", ".db"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, suffix: str) -> None:
    """255 bytes; beside a database there is no room for its log then."""
    file = tmp_path / ("n" * (255 - len(suffix)) + suffix)
    file.write_bytes(b"Bolt N6: 16 Nm.")
    assert read_file(file, 1000)[0] == b"Bolt N6: 16 Nm."
    assert version_of(file) is None
    os.utime(file, (1, 1))
    assert list(scan(tmp_path).files) == [file.name]


def test_a_document_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much text, or too many passages, are refused with the number."""
    monkeypatch.setattr("retrieval.loading.blocks.MAX_CHARACTERS", 100)
    with pytest.raises(LoadError, match="100 characters"):
        load("a.txt", b"word " * 50)
    monkeypatch.setattr("retrieval.loading.blocks.MAX_CHARACTERS", 10_000)
    monkeypatch.setattr("retrieval.loading.blocks.MAX_BLOCKS", 3)
    with pytest.raises(LoadError, match="3 passages"):
        load("a.csv", b"a,b\n" + b"1,2\n" * 5)
