"""An answer in the making: numbers, evidence, sentences."""

import time

import pytest

from retrieval.answering.answer import Question
from retrieval.answering.draft import MAX_EVIDENCE_WORDS, Draft, as_sentence, blockquote, is_whole, written_by_model
from retrieval.answering.evidence.confidence import DEFAULT
from tests.retrieval.samples import passage


def draft() -> Draft:
    passages = [passage((f"Sentence {n}.", 0.5), chunk_id=n) for n in range(1, 5)]
    return Draft(Question("?"), "?", passages, DEFAULT, time.monotonic(), citable=passages)


def test_passages_are_numbered_as_they_are_cited() -> None:
    """From 1 without gaps, whatever their place among those that were found."""
    answer = draft()
    answer.state("One thing.", [2], is_step=False)
    answer.state("Two things.", [0, 2], is_step=False)
    assert answer.text == "One thing. [1] Two things. [2][1]"
    assert [(source.number, source.chunk_id) for source in answer.sources()] == [(1, 3), (2, 1)]


def test_steps_stand_on_lines_of_their_own() -> None:
    """A sentence behind them begins a paragraph."""
    answer = draft()
    answer.state("Close it.", [0], is_step=True)
    answer.state("Open it.", [1], is_step=True)
    answer.state("Then wait.", [1], is_step=False)
    assert answer.text == "1. Close it. [1]\n2. Open it. [2]\n\nThen wait. [2]"


def test_a_quote_and_a_statement_are_paragraphs() -> None:
    """Else Markdown takes the statement for a part of the quote."""
    answer = draft()
    answer.quote("Sentence 1.", 0)
    answer.state("It is so.", [0], is_step=False)
    assert answer.text == "> Sentence 1. [1]\n\nIt is so. [1]"


def test_evidence_is_short_and_says_nothing_twice() -> None:
    """Of what the statements rest on, what they do not say word for word, as far as there is room."""
    answer = draft()
    answer.state("The pump runs for 12 hours.", [0, 1, 2], is_step=False)
    answer.rest_on(0, "the pump runs for 12 hours")
    answer.rest_on(1, "It works half a day.")
    answer.rest_on(2, "word " * MAX_EVIDENCE_WORDS)
    assert answer.evidence() == [(1, "It works half a day.")]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("115200", "115200."),
        ("every 400 hours", "Every 400 hours."),
        ("5 to 25 ms", "5 to 25 ms."),
        ("It is red!", "It is red!"),
        ("$13=1", "$13=1."),
        ("pH 7", "pH 7."),
        ("Use `$X`.", "Use `$X`."),
    ],
)
def test_a_bare_value_is_shown_as_a_sentence(said: str, shown: str) -> None:
    """With a capital and an end; a name with capitals of its own stays as it is written."""
    assert as_sentence(said) == shown


def test_what_was_cut_off_has_no_end() -> None:
    """A sentence has one."""
    assert is_whole("It is so.")
    assert not is_whole("It is so becau")


def test_the_model_s_own_words_are_told_from_quotes() -> None:
    """Without citations and numbers of steps."""
    text = "Close it. [1] Open it. [2][1]\n\n" + blockquote("Close\nthe valve.", 1) + "\n1. Wait. [2]\n"
    assert written_by_model(text) == "Close it. Open it. Wait."
