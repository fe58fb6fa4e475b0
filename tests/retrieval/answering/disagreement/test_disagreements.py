"""Two documents that state different values for the same thing, and those that only seem to."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.disagreement import Pair, pairs, short_pairs
from retrieval.answering.disagreement.disagreements import Disagreement, disagreements
from retrieval.answering.evidence.quotes import Quote
from retrieval.searching.passage import Passage
from tests.retrieval.samples import passage


def document(number: int, text: str, title: str, day: str | None = None, kind: str = "text") -> Passage:
    """A document of one passage."""
    one = passage((text, 0.0), chunk_id=number, document_id=number, kind=kind)
    modified = datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
    return replace(one, title=title, modified_at=modified)


def between(question: str, *documents: Passage) -> list[Disagreement]:
    """What is found where the first document is quoted."""
    return disagreements(question, documents, [Quote(documents[0], documents[0].text)])


QUESTION = "How often is the oil of the press changed?"
OLD = document(1, "Change the oil of the press every 500 hours.", "Old manual", "2024-05-02")
NEW = document(2, "The oil of the press is changed after 400 hours.", "Maintenance plan", "2026-03-01")


def test_the_newer_document_comes_first() -> None:
    """Whichever was quoted; both are named with their dates."""
    newer, older = "*Maintenance plan* (2026-03-01) says 400 hours", "*Old manual* (2024-05-02) says 500 hours"
    said = f"The documents disagree: {newer}, {older}."
    assert [str(one) for one in between(QUESTION, OLD, NEW)] == [said]
    assert [str(one) for one in between(QUESTION, NEW, OLD)] == [said]


def test_a_document_without_a_date_comes_last() -> None:
    """And is called so."""
    undated = replace(NEW, modified_at=None)
    (found,) = between(QUESTION, undated, OLD)
    assert str(found) == (
        "The documents disagree: *Old manual* (2024-05-02) says 500 hours, *Maintenance plan* (undated) says 400 hours."
    )


def test_only_what_the_answer_rests_on() -> None:
    """Of two documents that disagree on something else nothing is said; one document is not its own opponent."""
    other = document(3, "The canteen opens at 11:00.", "Canteen")
    assert disagreements(QUESTION, [OLD, NEW, other], [Quote(other, other.text)]) == []
    assert between(QUESTION, OLD, replace(NEW, document_id=1)) == []
    assert between("When does the canteen open?", OLD, NEW) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The tank of the press holds 0.5 l of oil.", "The oil tank of the press holds 500 ml."),
        ("Change the oil of the press every 400 hours.", "Change the oil of the press every 400 to 500 hours."),
        ("Change the oil of the press every 12 months.", "The oil of the press is changed yearly."),
        ("Change the oil of the press HP-200 every 400 hours.", "Change the oil of the press HP-400 every 500 hours."),
        ("Change the oil of the press every 400 hours.", "In summer, change the oil of the press every 300 hours."),
        ("Change the oil of the front press every 400 hours.", "Change the oil of the rear press every 300 hours."),
        ("The oil of the press: at least 40 °C.", "The oil of the press: at most 70 °C."),
        ("Change the oil of the press every 400 hours.", "The press takes 40 litres of oil."),
        ("Change the oil of the press every 400 hours.", "Check the oil of the press every 8 hours."),
    ],
)
def test_what_only_seems_to_disagree(one: str, other: str) -> None:
    """Another unit, a range around it, another model, condition, limit, act or measure."""
    assert between(QUESTION, document(1, one, "Manual"), document(2, other, "Notes")) == []


@pytest.mark.parametrize(
    ("question", "one", "other", "values"),
    [
        ("Who approves overtime?", "Overtime is approved by Ms Berger.", "Overtime is approved by Mr Kern.", "Kern"),
        ("Which form is needed?", "A loan needs form TR-12.", "For a loan, form TR-15 is needed.", "TR-15"),
        ("Is smoking allowed here?", "Smoking is allowed here.", "Smoking is not allowed here.", "not allowed"),
        ("Wann beginnt die Schicht?", "Die Frühschicht beginnt um 6:00.", "Beginn der Frühschicht ist 5:30.", "5:30"),
        ("מהו לחץ המשאבה?", "לחץ המשאבה הוא 8 בר.", "לחץ המשאבה: 10 בר", "10 בר"),
    ],
)
def test_names_codes_and_a_yes_against_a_no_are_values_too(question: str, one: str, other: str, values: str) -> None:
    """In other languages as well."""
    (found,) = between(question, document(1, one, "A", "2024-01-01"), document(2, other, "B", "2025-01-01"))
    assert values in found.newer.value


def test_rows_of_tables_disagree_in_the_same_column() -> None:
    """Of the same thing; with prose, too."""
    one = document(1, "Part: WP-3020\nShelf: C-01-2\nStock: 4", "Stock", "2024-01-01", "row")
    other = document(2, "Part: WP-3020\nShelf: C-01-2\nStock: 7", "Inventory", "2025-01-01", "row")
    prose = document(3, "Of WP-3020 the stock is 9.", "Notes", "2026-01-01")
    another = document(4, "Part: WP-3021\nShelf: C-01-2\nStock: 7", "Inventory", "2025-01-01", "row")
    question = "What is the stock of WP-3020?"
    assert [(found.newer.value, found.older.value) for found in between(question, one, other)] == [("7", "4")]
    assert [found.newer.value for found in between(question, one, prose)] == ["9"]
    assert between(question, one, another) == []


@pytest.mark.parametrize(
    ("judged", "least", "most"),
    [(list(pairs("development")), 0.95, 0.01), (list(pairs("kept")), 0.9, 0.06), (list(short_pairs()), 0.83, 0.03)],
    ids=["development", "kept", "short"],
)
def test_pairs_of_documents(judged: list[Pair], least: float, most: float) -> None:
    """Of those that disagree nearly all are told, and few of those that do not: no worse than on 2026-11-30."""
    disagreeing = [pair.is_flagged for pair in judged if pair.kind == "disagree"]
    others = [pair.is_flagged for pair in judged if pair.kind != "disagree"]
    assert sum(disagreeing) >= least * len(disagreeing)
    assert sum(others) <= most * len(others)
