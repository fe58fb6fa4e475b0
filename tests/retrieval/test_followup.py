"""When a question leans on the one before."""

import pytest

from retrieval.answer import Question, Turn
from retrieval.followup import standalone

HISTORY = (Turn("user", "What does alarm A204 mean?"), Turn("assistant", "Low oil pressure."))


@pytest.mark.parametrize(
    "text", ["and what should I do?", "Which of those has to be replaced first after the weekend shift?"]
)
def test_a_follow_up_brings_its_question_along(text: str) -> None:
    """Short ones and those with a word that points back are searched with the question before."""
    assert standalone(Question(text, HISTORY)) == f"What does alarm A204 mean? {text}"


def test_a_question_of_its_own_stays_alone() -> None:
    """Another subject in the same thread is not mixed with the first."""
    text = "How many litres of coolant does the conveyor line need after a complete change of the tank?"
    assert standalone(Question(text, HISTORY)) == text


def test_a_first_question_stays_alone() -> None:
    """Without history there is nothing to lean on."""
    assert standalone(Question("and that?")) == "and that?"


def test_a_very_long_post_is_shortened() -> None:
    """Its beginning and its end stay, so that the prompt keeps room for the passages."""
    text = " ".join(f"word{i}" for i in range(5000))
    short = standalone(Question(text)).split()
    assert len(short) <= 151
    assert (short[0], short[-1]) == ("word0", "word4999")
