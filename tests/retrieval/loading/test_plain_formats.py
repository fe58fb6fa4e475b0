"""Markdown, text, JSON and SQLite: facts in odd places are found, marks keep their meaning, nothing is swallowed."""

import sqlite3
from pathlib import Path

import pytest

from retrieval.loading import LoadError, ParsedDocument, load


def texts(name: str, text: str) -> list[str]:
    return [block.text for block in load(name, text.encode()).blocks]


@pytest.mark.parametrize(
    "matter",
    [
        "---\ntitle: Saw S4\nkeeper: Ada, extension 88\nchecked: 2026-02-01\nlayout: page\n---\n",
        "+++\ntitle = 'Saw S4'\nkeeper = 'Ada, extension 88'\nchecked = 2026-02-01\n+++\n",
    ],
)
def test_facts_above_a_document_are_a_passage(matter: str) -> None:
    """As they are written; how the page is shown is none."""
    document = load("a.md", f"{matter}It cuts.\n".encode())
    assert document.title == "Saw S4"
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("row", "keeper: Ada, extension 88\nchecked: 2026-02-01"),
        ("text", "It cuts."),
    ]


def test_nested_facts_have_dotted_names_and_aliases_end() -> None:
    """A few lines of YAML can be endless."""
    assert texts("a.md", "---\nsite:\n  hall: 4\ntags: [a, b]\n---\nx")[0] == "site.hall: 4\ntags: a, b"
    bomb = "a: &a [x, x]\n" + "".join(
        f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in zip("abcdef", "bcdefg", strict=True)
    )
    assert len(texts("a.md", f"---\n{bomb}---\nend")) == 2


def test_prose_between_two_rules_is_prose() -> None:
    assert texts("a.md", "---\n\nOnly the guard opens gate 7.\n\n---\n\nEnd.") == [
        "Only the guard opens gate 7.",
        "End.",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Set ~~20~~ 30 bar.", "Set 30 bar."),
        ("Set <del>20</del> <s>25</s> 30 bar.", "Set 30 bar."),
        ('Set <span style="display: none">20</span> 30 bar.', "Set 30 bar."),
        ("2·10<sup>-6</sup> m<sup>2</sup>, CO<sub>2</sub>", "2·10⁻⁶ m², CO₂"),
        ("Type <name> and <key>x</key>", "Type <name> and <key>x</key>"),
    ],
)
def test_marks_keep_their_meaning(written: str, meant: str) -> None:
    """What is struck out or hidden goes, what is raised stays raised, what only looks like a mark stays."""
    assert texts("a.md", written) == [meant]


def test_a_text_in_capitals_has_no_headings() -> None:
    """Where others are not, a line in capitals is one."""
    shouted = load("a.txt", b"OVEN 3 IS LOCKED AT NIGHT\n\nASK EXTENSION 88 FOR THE KEY\n")
    assert [block.heading for block in shouted.blocks] == [(), ()]
    mixed = load("a.txt", b"OVEN 3\n\nIt is locked at night.\n\nAsk the guard.\n")
    assert [block.heading for block in mixed.blocks] == [("OVEN 3",), ("OVEN 3",)]


def test_pages_and_lines_end_where_the_printer_ends_them() -> None:
    """A form feed is the end of a paragraph, a vertical tab that of a line."""
    assert texts("a.txt", "Oven 3 has 180 degrees\fSaw S4 has 900 rpm\vFan F3 is off\n") == [
        "Oven 3 has 180 degrees",
        "Saw S4 has 900 rpm\nFan F3 is off",
    ]


TABLE = "| Nut | Torque |\n| N4 | 3 Nm |\n| N6 | 9 Nm dry |"


@pytest.mark.parametrize(
    "drawn",
    [
        "Nut   Torque\n----  --------\nN4    3 Nm\nN6    9 Nm dry\n",
        "+-----+--------+\n| Nut | Torque |\n+-----+--------+\n| N4 | 3 Nm |\n| N6 | 9 Nm dry |\n+-----+--------+\n",
        "┌───┬──────┐\n│Nut│Torque│\n├───┼──────┤\n│N4 │3 Nm  │\n├───┼──────┤\n"
        "│N6 │9 Nm  │\n│   │dry   │\n└───┴──────┘\n",
    ],
)
def test_a_drawn_table_is_a_table(drawn: str) -> None:
    """Under rules or in a box, whose cells may take several lines."""
    assert texts("a.txt", drawn) == [TABLE]


def test_a_broken_line_of_json_costs_itself() -> None:
    """And is reported by its number; all of them broken are no JSON."""
    document = load("a.jsonl", '{"a": 1}\n{"a": \n\n{"a": "x\u2028y\x85z"}\n'.encode())
    assert [block.text for block in document.blocks] == ["a: 1", "a: x y z"]
    assert "line 2" in document.notes[0]
    with pytest.raises(LoadError, match="line 1"):
        load("a.jsonl", b"nothing\nof it\n")


def test_json_lines_may_have_another_ending() -> None:
    """Many programs call them JSON."""
    assert texts("a.json", '{"a": 1}\n{"a": 2}\n') == ["a: 1", "a: 2"]
    with pytest.raises(LoadError, match="line 2"):
        load("a.json", b'{"a": 1,\n}')


def test_numbers_and_repeated_keys_stay_as_written() -> None:
    """A price keeps its zero, a serial number its digits, and neither of two values is dropped."""
    text = '[{"price": 1.50, "serial": 98765432109876543210, "e": 1e400, "phone": "1", "phone": "2"}]'
    assert texts("a.json", text) == ["price: 1.50\nserial: 98765432109876543210\ne: 1e400\nphone: 1, 2"]


def database(folder: Path, *statements: str) -> ParsedDocument:
    file = folder / "a.db"
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return load("a.db", file.read_bytes())


def test_views_are_read(tmp_path: Path) -> None:
    """They join what people ask for; rows that a table has are not read twice, endless ones are reported."""
    document = database(
        tmp_path,
        "CREATE TABLE hall (id int, name text)",
        "CREATE TABLE saw (name text, hall int)",
        "INSERT INTO hall VALUES (1, 'North')",
        "INSERT INTO saw VALUES ('S4', 1)",
        "CREATE VIEW place AS SELECT saw.name AS saw, hall.name AS hall FROM saw JOIN hall ON hall.id = saw.hall",
        "CREATE VIEW halls AS SELECT * FROM hall",
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
    )
    found = [(block.heading, block.text) for block in document.blocks]
    assert (("place",), "saw: S4\nhall: North") in found
    assert not any(heading == ("halls",) for heading, _ in found)
    assert any("endless" in note for note in document.notes)


def test_odd_values_of_a_database(tmp_path: Path) -> None:
    """Text of another encoding, text kept as bytes, large and small numbers."""
    document = database(
        tmp_path,
        "CREATE TABLE t (a, b)",
        "INSERT INTO t VALUES (CAST(X'5365' || X'E4' || X'6765' AS TEXT), 12345678.0)",
        "INSERT INTO t VALUES (X'" + "Fräse".encode("cp1252").hex() + "', 0.00001)",
        "INSERT INTO t VALUES (X'00ff10', 1e20)",
    )
    assert [block.text for block in document.blocks] == [
        "a: Seäge\nb: 12345678",
        "a: Fräse\nb: 0.00001",
        "b: 100000000000000000000",
    ]
