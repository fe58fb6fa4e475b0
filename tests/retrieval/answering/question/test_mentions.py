"""What a question names and no passage holds: a neighbour does not stand for it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from retrieval.answering.question.mentions import (
    missing_mentions,
    names_only_what_is_missing,
    nearest_mention,
    not_mentioned,
)
from retrieval.searching.passage import Passage
from tests.retrieval.samples import passage

ALARMS = passage(("A101 means that the door is open. A204 means that the oil is hot.", 0.6))
NUMBERED = passage(("Alarm 3: the bearing is hot. Alarm 4: the belt slips.", 0.6), chunk_id=2)
ROW = replace(passage(("Alarm code: 7\nMeaning: belt slips", 0.6), chunk_id=3, kind="row"), text="Alarm code: 7")
MODELS = passage(("The HP-400 press needs 40 litres. Its valve is called WP-1007.", 0.6), chunk_id=4, heading="HP-400")
SETTINGS = passage(("Set $110=500 and home with G28.", 0.6), chunk_id=5)
SEALS = passage(("The phone number of Varnau Seals is 23125 050.", 0.6), chunk_id=6)
GERMAN = passage(("Störung F11 heißt, dass die Tür offen ist.", 0.6), chunk_id=7)
HEBREW = passage(("תקלה 105: הדלת פתוחה. המשאבה HP-400 נעצרת.", 0.6), chunk_id=8)
ALL = (ALARMS, NUMBERED, ROW, MODELS, SETTINGS, SEALS, GERMAN, HEBREW)


@pytest.mark.parametrize(
    ("question", "absent", "nearest"),
    [
        ("What do I do about A106?", ["A106"], "A101"),
        ("what does alarm 5 mean?", ["alarm 5"], "Alarm 4"),
        ("How much oil does the HP-200 take?", ["HP-200"], "HP-400"),
        ("oil for the hp 200?", ["hp 200"], "HP-400"),
        ("HP200 oil", ["HP200"], "HP-400"),
        ("What does WP-1008 cost?", ["WP-1008"], "WP-1007"),
        ("What is $111 for?", ["$111"], "$110"),
        ("What is the phone number of Bosch?", ["Bosch"], None),
        ("Was bedeutet Störung F12?", ["F12"], "F11"),
        ("Wie ist die Telefonnummer von Bosch?", ["Bosch"], None),
        ("מה עושים בתקלה 106?", ["בתקלה 106"], "תקלה 105"),
        ("כמה שמן צריך ל-HP-200?", ["HP-200"], "HP-400"),
    ],
)
def test_what_no_passage_holds_is_missing(question: str, absent: list[str], nearest: str | None) -> None:
    """And what comes nearest is a thing of the same kind, however both are written."""
    assert missing_mentions(question, ALL) == absent
    assert nearest_mention(absent[0], ALL) == nearest


@pytest.mark.parametrize(
    "question",
    [
        "What does A101 mean?",
        "what is a101",
        "ALARM:3 on the screen?",
        "what does alarm 7 say?",
        "alarm code 7?",
        "How much oil for the HP 400?",
        "hp400 oil",
        "How long may the HP-400 run after 20 minutes at 30 °C with 12V and 30kHz?",
        "What is the 24-hour rule within the last 5 years?",
        "Who answers at Varnau?",
        "what does G28 do",
        "WHAT DOES ALARM 3 MEAN",
        "Wie oft wird das Öl der Presse gewechselt?",
        "מה זה תקלה 105?",
        "How many bolts are there?",
    ],
)
def test_what_a_passage_holds_in_any_way_of_writing_is_not(question: str) -> None:
    """Nor are amounts, and the nouns of a language that gives all of them capitals."""
    assert missing_mentions(question, ALL) == []


@pytest.mark.parametrize(
    ("question", "only"),
    [
        ("What do I do about A106?", True),
        ("Is A106 the same as A101?", False),
        ("What do I do about A101?", False),
        ("What is the phone number of Bosch?", False),  # a name may be paraphrased: it counts, and does not decide
    ],
)
def test_a_code_decides_where_nothing_else_that_is_named_is_held(question: str, only: bool) -> None:
    """A question about two codes may be answered for one."""
    assert names_only_what_is_missing(question, ALL) is only


@pytest.mark.parametrize(
    ("absent", "passages", "said"),
    [
        (["A106"], [ALARMS], "The documents don't mention A106; the nearest is A101."),
        (["Bosch"], [SEALS], "The documents don't mention Bosch."),
        (["A106", "Bosch"], [], "The documents don't mention A106 or Bosch."),
    ],
)
def test_what_an_abstention_says(absent: Sequence[str], passages: Sequence[Passage], said: str) -> None:
    """What is missing, and what stands beside it."""
    assert not_mentioned(absent, passages) == said
