"""PDF: tables, columns, forms, notes, struck-out words, running headers, hyphens and right-to-left writing.

The papers are made here, each kind in several ways; nobody knows which program made a reader's.
"""

import io
import random
from collections.abc import Sequence
from typing import Any

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, FloatObject, NameObject, TextStringObject

from retrieval.loading import load
from retrieval.loading.pdf.bidi import as_read
from retrieval.loading.pdf.hyphens import unbroken

BORDERS = ["ALL", "INTERNAL", "HORIZONTAL_LINES", "MINIMAL", "NO_HORIZONTAL_LINES", "SINGLE_TOP_LINE", "NONE"]
LONG = "Coolant level low in the tank behind the north wall, or the float switch of the pump is stuck"
FAULTS = [["Code", "Meaning", "Halts", "Level"], ["E11", "Guard open", "yes", "2"], ["E12", LONG, "no", "1"]]
FAULTS += [["E13", "", "yes", ""], ["E14", "Belt worn", "", "3"]]
FAULT_ROWS = [
    "Code: E11\nMeaning: Guard open\nHalts: yes\nLevel: 2",
    f"Code: E12\nMeaning: {LONG}\nHalts: no\nLevel: 1",
    "Code: E13\nHalts: yes",
    "Code: E14\nMeaning: Belt worn\nLevel: 3",
]


def paper(size: int = 11) -> FPDF:
    """One empty page."""
    made = FPDF()
    made.add_page()
    made.set_font("helvetica", size=size)
    return made


def say(made: FPDF, *texts: str, style: str = "", size: int = 11) -> None:
    made.set_font("helvetica", style, size)
    for text in texts:
        made.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")


def draw(made: FPDF, rows: Sequence[Sequence[str]], **more: Any) -> None:
    with made.table(**more) as table:
        for row in rows:
            table.row(row)


def texts(made: FPDF | bytes) -> list[str]:
    data = made if isinstance(made, bytes) else bytes(made.output())
    return [block.text for block in load("a.pdf", data).blocks]


def flat(made: FPDF | bytes) -> str:
    return " ".join(" ".join(texts(made)).split())


@pytest.mark.parametrize("borders", BORDERS)
def test_a_table_keeps_its_cells_under_their_headers(borders: str) -> None:
    """Cells of two lines and empty ones, with all lines drawn and with none; what stands around it is text."""
    made = paper()
    say(made, "Faults of mill 8")
    made.ln(2)
    draw(made, FAULTS, borders_layout=borders, col_widths=(15, 60, 15, 15))
    made.ln(3)
    say(made, "Call the foreman after two of them.")
    assert texts(made) == ["Faults of mill 8", *FAULT_ROWS, "Call the foreman after two of them."]


@pytest.mark.parametrize("align", ["LEFT", "CENTER", "RIGHT"])
@pytest.mark.parametrize("borders", ["ALL", "NONE"])
def test_cells_may_stand_anywhere_in_their_column(align: str, borders: str) -> None:
    made = paper()
    draw(made, FAULTS, borders_layout=borders, text_align=align, col_widths=(15, 60, 15, 15))
    assert texts(made) == FAULT_ROWS


def test_a_table_whose_header_is_not_bold() -> None:
    """It is told by what stands below it."""
    made = paper()
    rows = [["Part", "Bin", "Stock"], ["Hose", "B-4", "7"], ["Ring", "B-9", "12"]]
    draw(made, rows, first_row_as_headings=False)
    assert texts(made) == ["Part: Hose\nBin: B-4\nStock: 7", "Part: Ring\nBin: B-9\nStock: 12"]


def test_cells_set_at_the_top_of_their_row() -> None:
    """Without rules the cells that go on stand below the first line of theirs."""
    made = paper()
    widths = (30, 80, 30)
    rows = [("Code", "Meaning", "Halts"), ("E1", "Guard open", "yes"), ("E2", "Coolant level low in the tank", "no")]
    rows += [("", "behind the north wall", ""), ("E3", "Belt worn", "yes")]
    for number, row in enumerate(rows):
        made.set_font("helvetica", "" if number else "B", 11)
        for width, text in zip(widths, row, strict=True):
            made.cell(width, 7, text=text)
        made.ln()
    assert texts(made) == [
        "Code: E1\nMeaning: Guard open\nHalts: yes",
        "Code: E2\nMeaning: Coolant level low in the tank behind the north wall\nHalts: no",
        "Code: E3\nMeaning: Belt worn\nHalts: yes",
    ]


def test_merged_cells_and_two_header_rows() -> None:
    """Names over several columns belong to each, and a cell over several rows is in each."""
    made = paper()
    with made.table(col_widths=(20, 30, 30, 30), num_heading_rows=2) as table:
        row = table.row()
        row.cell("Machine", rowspan=2)
        row.cell("Oil", colspan=2)
        row.cell("Hall", rowspan=2)
        table.row(["Kind", "Litres"])
        table.row(["Mill", "HV 46", "9", "2"])
        row = table.row()
        row.cell("Saw", rowspan=2)
        for text in ("VG 32", "4", "3"):
            row.cell(text)
        table.row(["VG 68", "6", "3"])
    assert texts(made) == [
        "Machine: Mill\nOil Kind: HV 46\nOil Litres: 9\nHall: 2",
        "Machine: Saw\nOil Kind: VG 32\nOil Litres: 4\nHall: 3",
        "Machine: Saw\nOil Kind: VG 68\nOil Litres: 6\nHall: 3",
    ]


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("borders", ["ALL", "NONE"])
def test_a_table_goes_on_over_the_page(repeated: bool, borders: str) -> None:
    """Whether its header is repeated there or not."""
    made = paper()
    rows = [["Screw", "Bin", "Stock"]] + [[f"M{number}", f"B-{number}", str(7 * number)] for number in range(1, 90)]
    draw(made, rows, borders_layout=borders, repeat_headings=1 if repeated else 0)
    found = texts(made)
    assert len(found) == 89
    assert found[70] == "Screw: M71\nBin: B-71\nStock: 497"


def test_a_list_of_names_and_values_has_no_header() -> None:
    made = paper()
    draw(made, [["Load", "5 t"], ["Height", "9 m"], ["Owner", "hall 2"]], first_row_as_headings=False)
    assert texts(made) == ["Load: 5 t\nHeight: 9 m\nOwner: hall 2"]


def test_a_box_around_text_is_no_table() -> None:
    made = paper()
    made.rect(8, 8, 100, 40)
    say(made, "Lock the ram before you reach in.", "Ask for key K-3.")
    assert flat(made) == "Lock the ram before you reach in. Ask for key K-3."


WORDS = (
    "the pump of hall two runs with oil that is changed when a valve opens at rest and seals are new by order".split()
)


def prose(seed: int, count: int) -> str:
    """Words that make no sense."""
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(count)).capitalize() + "."


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("align", ["JUSTIFY", "LEFT"])
def test_columns_are_read_one_after_the_other(columns: int, align: str) -> None:
    """Below a title over all of them."""
    made = paper()
    say(
        made, "How the plant is run from day to day by all who work in it, in short and without any words to spare here"
    )
    made.ln(4)
    told = [prose(seed, 220 // columns) for seed in range(columns)]
    with made.text_columns(ncols=columns, gutter=8, text_align=align) as area:
        for number, text in enumerate(told):
            with area.paragraph() as paragraph:
                paragraph.write(text)
            if number < columns - 1:
                area.new_column()
    assert all(text in flat(made) for text in told)


@pytest.mark.parametrize("lower", [0, 3, 7, 40, -25])
def test_the_lines_of_columns_need_not_be_level(lower: int) -> None:
    """The second column begins higher or lower than the first, by part of a line or by several."""
    made = FPDF(unit="pt")
    made.add_page()
    made.set_font("helvetica", size=10)
    told = []
    for left, top, seed in ((50, 100, 1), (310, 100 + lower, 2)):
        words, lines = prose(seed, 150).split(), [""]
        for word in words:
            longer = f"{lines[-1]} {word}".strip()
            lines = [*lines[:-1], longer] if made.get_string_width(longer) < 235 else [*lines, word]
        for number, line in enumerate(lines):
            made.text(left, top + 12.5 * number, line)
        told.append(" ".join(lines))
    assert all(text in flat(made) for text in told)


def test_names_with_their_values_stay_on_their_lines() -> None:
    """Where a wide gap is all that parts them."""
    made = labelled()
    for number, (name, value) in enumerate((("Load", "5 t"), ("Oil", "HV 46"), ("Owner", "hall 2"))):
        made.text(50, 100 + 20 * number, name)
        made.text(250, 100 + 20 * number, value)
    assert texts(made) == ["Load 5 t\nOil HV 46\nOwner hall 2"]


def test_a_table_that_is_set_with_blanks() -> None:
    """In type whose characters are all as wide."""
    made = FPDF()
    made.add_page()
    made.set_font("courier", size=10)
    for line in ("Part      Bin   Stock", "Hose      B-4       7", "Ring M6   B-9      12", "Bolt      C-1     400"):
        made.cell(0, 5, text=line, new_x="LMARGIN", new_y="NEXT")
    assert texts(made) == [
        f"Part: {a}\nBin: {b}\nStock: {c}"
        for a, b, c in (("Hose", "B-4", 7), ("Ring M6", "B-9", 12), ("Bolt", "C-1", 400))
    ]


def test_data_sheets_keep_what_is_alike_on_each_page() -> None:
    """Lines that differ in a figure, and such that do not, are data as long as they stand in the text."""
    made = FPDF()
    for number in range(1, 6):
        made.add_page()
        say(made, f"Pump {number}", f"Pressure: {40 + number} bar", "It stands in hall 2.", "Voltage: 400 V")
        say(made, f"Oil: {number + 3} litres")
    found = " ".join(texts(made))
    for number in range(1, 6):
        assert f"Pump {number}" in found
        assert f"Pressure: {40 + number} bar" in found
        assert f"Oil: {number + 3} litres" in found
    assert found.count("Voltage: 400 V") == 5


def test_alarm_pages_keep_their_numbers() -> None:
    """They count up with the pages, but no page number is part of a heading."""
    made = FPDF()
    for number in range(201, 206):
        made.add_page()
        say(made, f"Alarm {number}", style="B", size=14)
        say(made, prose(number, 30))
    headings = {block.heading for block in load("a.pdf", bytes(made.output())).blocks}
    assert {(f"Alarm {number}",) for number in range(201, 206)} <= headings


class Manual(FPDF):
    """With a running header and footer."""

    head, foot = "Manual of mill 8", "Page {0} of 9"

    def header(self) -> None:
        self.set_font("helvetica", size=11)
        self.cell(0, 8, text=self.head.format(self.page_no()))
        self.ln(18)

    def footer(self) -> None:
        self.set_y(-15)
        self.cell(0, 8, text=self.foot.format(self.page_no()), align="C")


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        ("Manual of mill 8", "Page {0} of 9"),
        ("Manual of mill 8 | {0}", "Issue 3 of May"),
        ("{0} | Manual of mill 8", "- {0} -"),
        ("Handbuch - Seite {0}", "{0}/9"),
    ],
)
def test_running_headers_are_dropped(head: str, foot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without the page's number."""
    monkeypatch.setattr(Manual, "head", head)
    monkeypatch.setattr(Manual, "foot", foot)
    made = Manual()
    for number in range(5):
        made.add_page()
        say(made, *(prose(10 * number + line, 25) for line in range(6)))
    found = flat(made)
    assert not any(part in found for part in ("Manual", "Handbuch", "Page", "Issue", "Seite", "/9", "|"))
    assert all(prose(10 * number + line, 25) in found for number in range(5) for line in range(6))


def with_pins(made: FPDF, *pins: DictionaryObject) -> bytes:
    """The paper with annotations on its first page."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(bytes(made.output()))))
    page = writer.pages[0]
    page[NameObject("/Annots")] = ArrayObject([writer._add_object(pin) for pin in pins])
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def pin(kind: str, area: tuple[float, float, float, float], **more: Any) -> DictionaryObject:
    entries = {f"/{name}": value for name, value in more.items()}
    base = {"/Type": NameObject("/Annot"), "/Subtype": NameObject(kind), "/Rect": ArrayObject(map(FloatObject, area))}
    return DictionaryObject({NameObject(name): value for name, value in (base | entries).items()})


def field(kind: str, height: float, **more: Any) -> DictionaryObject:
    """A form field right of a label at this height."""
    area = (200.0, height - 5, 400.0, height + 13)
    return pin("/Widget", area, FT=NameObject(kind), T=TextStringObject("field"), **more)


def labelled(*labels: str) -> FPDF:
    """Labels below one another, 30 points apart, the first one 100 points below the top."""
    made = FPDF(unit="pt")
    made.add_page()
    made.set_font("helvetica", size=11)
    for number, label in enumerate(labels):
        made.text(50, 100 + 30 * number, label)
    return made


def test_filled_form_fields_stand_behind_their_labels() -> None:
    """Texts, choices and crosses; passwords and buttons do not."""
    made = labelled("Machine:", "Oil:", "Guarded:", "Locked:", "Secret:")
    heights = [made.h - 100 - 30 * number for number in range(5)]
    data = with_pins(
        made,
        field("/Tx", heights[0], V=TextStringObject("Mill 8"), DA=TextStringObject("/Helv 12 Tf 0 g")),
        field("/Ch", heights[1], V=TextStringObject("HV 46")),
        field("/Btn", heights[2], AS=NameObject("/Yes")),
        field("/Btn", heights[3], AS=NameObject("/Off")),
        field("/Tx", heights[4], V=TextStringObject("hunter2"), Ff=FloatObject(1 << 13)),
    )
    assert flat(data) == "Machine: Mill 8 Oil: HV 46 Guarded: [x] Locked: [ ] Secret:"


@pytest.mark.parametrize("kind", ["/Text", "/FreeText", "/Highlight", "/Stamp"])
def test_notes_pinned_to_a_page_are_read(kind: str) -> None:
    """Below its text, and not those that are hidden."""
    note = pin(kind, (50, 600, 80, 620), Contents=TextStringObject("Since June: 58 Nm"))
    hidden = pin(kind, (50, 500, 80, 520), Contents=TextStringObject("draft"), F=FloatObject(2))
    data = with_pins(labelled("Tighten them to 44 Nm."), note, hidden)
    assert texts(data) == ["Tighten them to 44 Nm.", "Note: Since June: 58 Nm"]


@pytest.mark.parametrize("marked", [True, False], ids=["by a reader", "by the author"])
def test_struck_out_words_are_left_out(marked: bool) -> None:
    """With a pen that is pinned to the page, or with a line drawn through them; a line below words is none."""
    made = labelled("Tighten them to 44 58 Nm.")
    start, end = 50 + made.get_string_width("Tighten them to "), 50 + made.get_string_width("Tighten them to 44")
    if marked:
        low, high = made.h - 103, made.h - 90
        corners = ArrayObject(map(FloatObject, (start, high, end, high, start, low, end, low)))
        data = with_pins(made, pin("/StrikeOut", (start, low, end, high), QuadPoints=corners))
    else:
        made.line(start, 96.5, end, 96.5)
        made.line(50, 102, 180, 102)
        data = bytes(made.output())
    assert texts(data) == ["Tighten them to 58 Nm."]


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_turned_pages_and_words_are_read(turned: int) -> None:
    """A page that is shown turned, and a line along the edge of one that is not."""
    made = labelled("E4: chain slack", "E5: guard open")
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(bytes(made.output()))))
    writer.pages[0].rotate(turned)
    stream = io.BytesIO()
    writer.write(stream)
    assert flat(stream.getvalue()) == "E4: chain slack E5: guard open"
    made = labelled("E4: chain slack", "E5: guard open")
    with made.rotation(turned, 300, 400):
        made.text(300, 400, "Drawing D-7 of May")
    assert flat(made) == "E4: chain slack E5: guard open Drawing D-7 of May"


def test_raised_figures_stay_raised() -> None:
    made = paper()
    made.write(text="Count 4 x 10")
    made.char_vpos = "SUP"
    made.write(text="6")
    made.char_vpos = "LINE"
    made.write(text=" per m of CO")
    made.char_vpos = "SUB"
    made.write(text="2")
    made.char_vpos = "LINE"
    made.write(text=" gas")
    assert texts(made) == ["Count 4 x 10⁶ per m of CO₂ gas"]


def test_what_lies_off_the_page_is_not_read() -> None:
    """Nobody sees it."""
    made = labelled("Seen.")
    made.text(-400, 100, "Unseen.")
    assert texts(made) == ["Seen."]


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["order filter KX-", "310 now"], "order filter KX-310 now"),
        (["it is ex-", "changed weekly"], "it is exchanged weekly"),
        (["a high-", "temperature grease"], "a high-temperature grease"),
        (["the Öl-", "druck"], "the Öldruck"),
        (["Vor-", "und Nachteile"], "Vor- und Nachteile"),
        (["of the X-", "Ray tube"], "of the X-Ray tube"),
        (["a self-", "locking nut."], "a self-locking nut."),
        (["turn - ", "not pull"], "turn - not pull"),
    ],
)
def test_words_cut_at_a_lines_end(lines: list[str], whole: str) -> None:
    """The typesetter's hyphens go, those of codes and compounds stay."""
    assert " ".join(" ".join(unbroken(lines, set())).split()) == whole


def test_the_document_says_how_a_word_is_written() -> None:
    """It may hold it whole elsewhere."""
    assert unbroken(["an air-", "tight lid"], {"airtight"}) == ["an airtight", "lid"]
    assert unbroken(["a belt-", "driven saw"], {"belt-driven"}) == ["a belt-driven", "saw"]
    assert unbroken(["the crane-", "hook is"], {"crane", "hook"}) == ["the crane-hook", "is"]


@pytest.mark.parametrize(
    ("seen", "read"),
    [
        ("רב 45 אוה 7P הבאשמ לש ןמשה ץחל"[::1], None),
        ("םולש", "שלום"),
        (".רב 12 הווש P9 ץחל", "לחץ P9 שווה 12 בר."),
        ("(תוניקת) הקידב", "בדיקה (תקינות)"),
        ("see םולש לכל for more", "see לכל שלום for more"),
        ("Pump P7: 45 bar", "Pump P7: 45 bar"),
        ("לכל שלום", "לכל שלום"),
    ],
)
def test_right_to_left_lines_are_turned(seen: str, read: str | None) -> None:
    """Figures and codes keep their order; lines that a program wrote the wrong way round are left as they are."""
    if read is not None:
        assert as_read(seen) == read
