"""The example company agrees with itself: its questions can be answered and its numbers exist."""

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest
from bs4 import BeautifulSoup

EXAMPLES = Path(__file__).parent.parent / "examples"
COMPANY = EXAMPLES / "company"
DOCUMENTS = sorted(path.relative_to(COMPANY).as_posix() for path in COMPANY.rglob("*") if path.is_file())
KINDS = {"fact", "howto", "table", "compare", "followup", "unanswerable"}


def read(document: str) -> str:
    """The words of a document, on one line, without its layout."""
    path = COMPANY / document
    match path.suffix:
        case ".pdf":
            text = " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
        case ".docx":
            content = docx.Document(str(path))
            cells = [cell.text for table in content.tables for row in table.rows for cell in row.cells]
            text = " ".join([paragraph.text for paragraph in content.paragraphs] + cells)
        case ".sqlite":
            text = " ".join(str(row) for table in ("spare_part", "supplier") for row in rows(table))
        case ".html":
            text = BeautifulSoup(path.read_text(), "lxml").get_text(" ")
        case _:
            text = path.read_text()
    return " ".join(text.split())


def rows(table: str) -> list[tuple[Any, ...]]:
    """All rows of a table of the store's database."""
    with closing(sqlite3.connect(COMPANY / "tables" / "spare-parts.sqlite")) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def questions() -> list[dict[str, Any]]:
    """The example question set."""
    lines = (EXAMPLES / "questions" / "company.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["id"])
def test_question_is_answered_by_its_sources(question: dict[str, Any]) -> None:
    """What a question expects stands in the documents that it cites, and in its own answer."""
    assert question["kind"] in KINDS
    text = " ".join(read(source) for source in question["sources"])
    assert bool(question["expect"]) == bool(text) == (question["kind"] != "unanswerable")
    assert ("history" in question) == (question["kind"] == "followup")
    for pattern in question["expect"]:
        assert re.search(pattern, text, re.IGNORECASE), pattern
        assert re.search(pattern, question["answer"], re.IGNORECASE), pattern


def test_every_kind_of_question_is_there() -> None:
    """The set has every kind, and every document is asked about."""
    assert {question["kind"] for question in questions()} == KINDS
    assert {source for question in questions() for source in question["sources"]} == set(DOCUMENTS)
    assert len({question["id"] for question in questions()}) == len(questions())


def test_first_questions_are_three() -> None:
    """`make run` asks three questions."""
    assert len((EXAMPLES / "questions" / "first.txt").read_text().splitlines()) == 3


@pytest.mark.parametrize("document", DOCUMENTS)
def test_part_numbers_and_alarms_exist(document: str) -> None:
    """A part number or an alarm code that a document names stands in the tables."""
    parts = {str(row[0]) for row in rows("spare_part")}
    with (COMPANY / "tables" / "alarms.csv").open() as file:
        alarms = {row["code"] for row in csv.DictReader(file)}
    text = read(document)
    assert set(re.findall(r"WP-\d{4}", text)) <= parts
    assert set(re.findall(r"\bA\d{3}\b", text)) <= alarms


def test_every_part_has_a_known_supplier() -> None:
    """The spare-parts table names suppliers of the supplier table only."""
    assert {row[6] for row in rows("spare_part")} == {row[0] for row in rows("supplier")}
