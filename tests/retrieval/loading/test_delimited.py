"""Tables of files that name neither delimiter nor quoting nor header: all are found by what the rows have in common."""

import time

import pytest

from retrieval.loading import LoadError, ParsedDocument, load


def read(text: str) -> ParsedDocument:
    return load("a.csv", text.encode())


def rows(text: str) -> list[str]:
    return [" · ".join(block.text.split("\n")) for block in read(text).blocks if block.kind == "row"]


@pytest.mark.parametrize(
    "text",
    [
        "Machine;Weight, kg\nLathe;1200,5\nMill;980,0\n",
        "Machine|Weight, kg\nLathe|1200,5\nMill|980,0\n",
        "Machine\tWeight, kg\nLathe\t1200,5\nMill\t980,0\n",
        'Machine,"Weight, kg"\nLathe,"1200,5"\nMill,"980,0"\n',
        "sep=;\r\nMachine;Weight, kg\r\nLathe;1200,5\r\nMill;980,0\r\n",
        '"sep=|"\nMachine|Weight, kg\nLathe|1200,5\nMill|980,0\n',
        "Stock list of hall 4\n\nMachine;Weight, kg\nLathe;1200,5\nMill;980,0\n",
        "Exported by PartsPro;\nMachine;Weight, kg\nLathe;1200,5\nMill;980,0\n",
    ],
)
def test_the_delimiter_is_the_one_that_all_rows_agree_on(text: str) -> None:
    """Commas of numbers and prose are none; Excel's hint and lines above the header are no rows."""
    assert rows(text) == ["Machine: Lathe · Weight, kg: 1200,5", "Machine: Mill · Weight, kg: 980,0"]


def test_lines_above_the_header_are_text() -> None:
    """They say what the table is about."""
    blocks = read("Stock list of hall 4\n\nMachine;Weight;Place\nLathe;12;A\nMill;9;B\nPrinted on Monday\n").blocks
    assert [block.text for block in blocks if block.kind == "text"] == ["Stock list of hall 4", "Printed on Monday"]


def test_a_delimiter_that_another_one_rivals_is_told() -> None:
    """Where two split all rows alike, the report says which was taken."""
    assert "semicolons" in " ".join(read("Teil;Wert, kg\nWelle;1,50\nRad;2,90\n").notes)
    assert read("Part,Stock\nWelle,1\nRad,2\n").notes == ()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("E17,Belt torn\nE18,Door not shut\nE19,Fuse blown\n", "E17 · Belt torn"),
        ("12,Ada\n13,Ben\n14,Cem\n", "12 · Ada"),
        ("Ada;yes;no\nBen;no;no\nCem;yes;yes\n", "Ada · yes · no"),
        ("2026-01-05,Pump,4.5\n2026-01-06,Fan,3.0\n2026-01-07,Saw,1.5\n", "2026-01-05 · Pump · 4.5"),
    ],
)
def test_a_table_without_a_header_loses_no_row(text: str, first: str) -> None:
    """A first row like the others is one of them, and the report says that names are missing."""
    assert rows(text)[0] == first
    assert any("no header" in note for note in read(text).notes)


@pytest.mark.parametrize(
    "text",
    ["Code,Meaning\nE17,Belt torn\nE18,Fuse\n", "M1,M2\n12,14\n13,9\n", "Name;Since\nAda;2026-01-05\nBen;2026-02-05\n"],
)
def test_a_header_is_unlike_its_columns(text: str) -> None:
    """Words over codes, numbers or dates; nothing of it is a guess."""
    assert len(rows(text)) == 2
    assert read(text).notes == ()


def test_a_header_that_nothing_tells_is_told() -> None:
    """All cells are words: the first line is taken for the header, and the report says so."""
    document = read("Tool,Keeper\nhammer,Ada\nsaw,Ben\n")
    assert document.blocks[0].text == "Tool: hammer\nKeeper: Ada"
    assert any("first line" in note for note in document.notes)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            "Line,North,,South,\n,Early,Late,Early,Late\nSawing,Ada,Ben,Cem,Dot\nMilling,Eve,Fox,Gil,Hal\n",
            "Line: Milling · North Early: Eve · North Late: Fox · South Early: Gil · South Late: Hal",
        ),
        (
            "Pump,Pressure,Flow\n,bar,l/min\nP1,12,30\nP2,14,28\n",
            "Pump: P2 · Pressure bar: 14 · Flow l/min: 28",
        ),
        (
            ",2. Floor,,3. Floor,\nRoom,Desks,Lamps,Desks,Lamps\nA,4,8,3,6\nB,2,4,5,9\n",
            "Room: B · 2. Floor Desks: 2 · 2. Floor Lamps: 4 · 3. Floor Desks: 5 · 3. Floor Lamps: 9",
        ),
    ],
)
def test_columns_carry_all_rows_of_their_header(text: str, row: str) -> None:
    """An upper name holds for all columns that it spans; units go with their names."""
    assert rows(text)[-1] == row
    assert len(rows(text)) == 2


def test_empty_places_of_a_header_make_no_second_one() -> None:
    """A row of values that come again is a row."""
    assert len(rows("Name,Key,Badge,\nAda,yes,yes,old\nBen,no,yes,new\nCem,yes,no,\n")) == 3


@pytest.mark.parametrize(
    "text",
    [
        'Pipe,Size,Pieces\nP1,"3/8,5\nP2,1/2,6\nP3,5/8,7\n',
        'Pipe,Size,Pieces\nP1,"3/8,5\nP2,1/2",6\nP3,5/8,7\n',
        'Pipe;Size;Pieces\nP1;"3/8" pipe;5\nP2;1/2";6\nP3;5/8;7\n',
    ],
)
def test_a_sign_of_inches_swallows_no_rows(text: str) -> None:
    """A quotation mark that closes nowhere, or whose lines are rows by themselves, is none."""
    found = rows(text)
    assert len(found) == 3
    assert found[1].startswith("Pipe: P2 · Size: 1/2")
    assert found[2] == "Pipe: P3 · Size: 5/8 · Pieces: 7"


def test_quotes_hold_a_cell_together() -> None:
    """Over delimiters, doubled quotes and line ends."""
    assert rows('Pipe;Note;Pieces\nP1;"a; ""b""\nc";5\nP2; "d;e" ;6\n') == [
        'Pipe: P1 · Note: a; "b" · c · Pieces: 5',
        "Pipe: P2 · Note: d;e · Pieces: 6",
    ]


def test_rows_may_be_short_or_long() -> None:
    """What has a name keeps it, what has none stands without; a column of row names may lack one."""
    assert rows("A,B,A\n1,2,3\n4\n5,6,7,late\n") == ["A: 1 · B: 2 · A: 3", "A: 4", "A: 5 · B: 6 · A: 7 · late"]
    assert rows("weight,pieces\nlathe,1200,3\nmill,980,4\n") == [
        "lathe · weight: 1200 · pieces: 3",
        "mill · weight: 980 · pieces: 4",
    ]


def test_names_with_their_values_are_no_columns() -> None:
    """A sheet of one thing: each line is a fact of its own."""
    text = "Maker;Borg\nWeight;1200 kg\nYear;2019\nServiced;2026-01-05\n"
    assert rows(text) == ["Maker: Borg", "Weight: 1200 kg", "Year: 2019", "Serviced: 2026-01-05"]


def test_a_header_alone_is_no_table_and_a_row_alone_is_one() -> None:
    with pytest.raises(LoadError, match="no rows"):
        read("Code,Meaning\n")
    assert rows("E17,Belt torn\n") == ["E17 · Belt torn"]


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n"' + "x," * 50_000,
        'a,"1\n' * 20_000,
        'a,"b"c\n' * 20_000 + '"',
        'a,"1\n' * 20_000 + 'a,b",\n',
        '"' * 50_000,
    ],
)
def test_quotes_take_no_more_time_than_their_number(text: str) -> None:
    """However they are set."""
    begun = time.perf_counter()
    read("h,i\n" + text + "\nk,l\n")
    assert time.perf_counter() - begun < 4
