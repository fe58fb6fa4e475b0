"""Quotes, whether they are enough, and which statements a passage supports."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from retrieval.answering.evidence.confidence import assess
from retrieval.answering.evidence.quotes import MAX_QUOTED_WORDS, MAX_QUOTES, choose_quotes
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.question.answer_type import answer_type
from retrieval.answering.wording import holds, repeats, says_something
from retrieval.embedding import MiniLM
from retrieval.searching.passage import Passage
from tests.retrieval.samples import passage

GROUNDS = Groundedness(MiniLM())


def bearing_out(statement: str, passages: Sequence[Passage]) -> int | None:
    """The passage that bears a statement out best; None if it would not be shown."""
    if not says_something(statement, passages):
        return None
    (judged,) = GROUNDS.judge("", [statement], passages)
    return judged.passages[0] if judged.shown else None


OIL = passage(
    ("The pump runs at 1450 rpm.", 0.3),
    ("Oil the pump every 400 hours with HV 46.", 0.8),
    ("Do not mix oils.", 0.2),
)
FILTER = passage(("The filter FX-9 is changed every 800 hours.", 0.7), chunk_id=2)
PRESS = passage(("The press must not be opened while it holds pressure.", 0.4), chunk_id=3)


def test_the_best_sentence_is_quoted_first() -> None:
    """And what stands beside it is quoted with it, word for word."""
    quotes = choose_quotes("How often is the pump oiled?", [OIL, FILTER])
    assert "Oil the pump every 400 hours with HV 46." in quotes[0].text
    assert all(quote.text in quote.passage.text for quote in quotes)


def test_quotes_are_few_and_short() -> None:
    """At most two, together under the limit of words, whatever there is."""
    long = [
        passage(*((f"Sentence {i} about oil and {'word ' * 20}ends.", 0.5) for i in range(9)), chunk_id=n)
        for n in range(6)
    ]
    quotes = choose_quotes("What about oil?", long)
    assert 1 <= len(quotes) <= MAX_QUOTES
    assert sum(len(quote.text.split()) for quote in quotes) <= MAX_QUOTED_WORDS


def test_a_question_for_a_number_prefers_a_sentence_that_holds_one() -> None:
    """Of two sentences that are about as near, the one with a number answers "how many"."""
    near = passage(("The pump needs oil at every interval that is due.", 0.6), chunk_id=5)
    number = passage(("The pump needs 12 litres of oil.", 0.5), chunk_id=6)
    assert choose_quotes("How much oil does the pump need?", [near, number])[0].passage is number


def test_rows_of_another_code_are_not_quoted() -> None:
    """Where the alarm that is asked for is in the table, its neighbours say nothing."""
    rows = [passage((f"Alarm: {n}\nMeaning: Too hot {n}", 0.5 + n / 100), chunk_id=n, kind="row") for n in (3, 4, 5)]
    assert [quote.passage.chunk_id for quote in choose_quotes("What is alarm 3?", rows)] == [3]


@pytest.mark.parametrize(
    ("question", "number", "of"),
    [
        ("How many litres does it hold?", True, "litres"),
        ("how long must it rest", True, None),
        ("On which shelf is it, and how many are in stock?", True, None),
        ("Which pin is the sensor on?", True, "pin"),
        ("what's the maximum pressure?", True, None),
        ("How do I open it?", False, None),
        ("What does E7 mean?", False, None),
        ("Wie oft wird geölt?", False, None),
    ],
)
def test_what_kind_of_answer_is_asked_for(question: str, number: bool, of: str | None) -> None:
    """The interrogative says it; other languages than English ask for nothing in particular."""
    wanted = answer_type(question)
    assert (wanted.is_number, wanted.of) == (number, of)


def test_a_number_that_the_question_gave_is_no_answer() -> None:
    """The 38 of "error 38" is not the maximum that is asked for, nor is a number in a column's name."""
    wanted = answer_type("error 38: what is the highest tool number?")
    assert not wanted.is_in("Code in v1.1: 38\nMeaning: tool number above the maximum")
    assert wanted.is_in("The highest tool number is 255.")


def test_weak_evidence_is_not_enough() -> None:
    """Nothing, something far away, or no number where one is asked for: then the documents don't say."""
    far = replace(passage(("The canteen opens at noon.", -0.2), chunk_id=9), score=0.1)
    assert not assess("How do I oil it?", []).enough
    assert not assess("How do I oil it?", [far]).enough
    assert not assess("How many bar?", [PRESS]).enough
    assert assess("How often do I oil it?", [OIL]).enough


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("Oil the pump every 400 hours.", 0),
        ("The pump is oiled every 400 hours with HV 46.", 0),
        ("Change the FX-9 filter every 800 hours.", 1),
        ("Oil the pump with HV 46 at 400-hour intervals.", 0),
        ("Oil the pump with HV 46 at 500-hour intervals.", None),
        ("The FX-9 filter is a warning light.", None),
        ("Oil the pump every 500 hours.", None),
        ("Change the FX-8 filter every 800 hours.", None),
        ("The press may be opened while it holds pressure.", None),
        ("The pump is painted red and blue by the night shift.", None),
        ("Yes.", None),
        ("Pump", None),
        ("The pump is the pump of the pump that is oiled with the pump every 400 hours.", None),
        ("Oil the Siemens pump every 400 hours with HV 46.", None),
    ],
)
def test_what_supports_a_statement(statement: str, index: int | None) -> None:
    """Every number must stand in the passage, most words too, and a denial must be one there."""
    assert bearing_out(statement, [OIL, FILTER, PRESS]) == index


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("Send `$RST=#` to erase the offsets.", 0),
        ("Send $RST=#, and the offsets are erased.", 0),
        ("The offsets are erased by **$RST=#**.", 0),
        ("Send `$RST=*` to erase the offsets.", None),
        ("Send `$RST=$` to erase the offsets.", None),
        ("Send `$$` to erase the offsets.", None),
        ("Send `$RST=*` to erase all data.", 1),
    ],
)
def test_a_code_counts_sign_by_sign(statement: str, index: int | None) -> None:
    """Those that differ in a sign alone do different things."""
    offsets = passage(("Send `$RST=#`: this erases the offsets.", 0.8))
    everything = passage(("Send `$RST=*`: this erases all of the data.", 0.8), chunk_id=2)
    assert bearing_out(statement, [offsets, everything]) == index


def test_a_heading_that_is_written_off_is_no_statement() -> None:
    """It shares its words with its passage, and says nothing; a sentence that has more in it does."""
    lubrication = passage(("The pump needs lubrication every 400 hours.", 0.5), heading="Care > Lubrication plan 7.")
    assert bearing_out("Pump > Care > Lubrication plan 7.", [lubrication]) is None
    assert bearing_out("The pump needs lubrication every 400 hours.", [lubrication]) == 0


def test_a_statement_that_repeats_what_was_shown() -> None:
    """A copy says nothing new; the same in other words may be clearer."""
    shown = "> Oil the pump every 400 hours with HV 46. [1]"
    assert repeats("Oil the pump every 400 hours with HV 46.", shown)
    assert repeats("oil the pump every 400 hours", shown)
    assert not repeats("The pump is oiled every 400 hours.", shown)


@pytest.mark.parametrize(
    ("statement", "held"),
    [
        ("Oil the pump every 400 hours.", True),
        ("The pump is oiled with HV 46 every 400 hours.", True),
        ("Oil the pump with HV 46 at 400-hour intervals.", True),
        ("Oil the pump with HV 46 at 500-hour intervals.", False),
        ("The FX-9 filter is a warning light.", False),
        ("Change the FX-8 filter every 800 hours.", False),
        ("The press may be opened while it holds pressure.", False),
        ("The filter is changed first.", False),
        ("Oil the Siemens pump every 400 hours with HV 46.", False),
        ("Yes.", False),
    ],
)
def test_what_a_weak_model_adds_stands_in_the_passages(statement: str, held: bool) -> None:
    """Nearly word by word: it makes up what shares some words with them."""
    assert holds([OIL, FILTER, PRESS], statement) is held
