"""What one answer is worth: facts by pattern, words and characters shared with a right answer."""

import pytest

from finetune.evaluation.scoring import answer_score, bare, chrf, facts, quoted, says_nothing, token_f1, worth
from retrieval.answering.draft import blockquote
from retrieval.answering.prompt import REFUSAL


@pytest.mark.parametrize(
    ("answer", "right", "f1"),
    [
        ("The oil is HV 46.", "HV 46", 2 * (2 / 4) * 1 / (2 / 4 + 1)),  # articles and marks do not count
        ("hv 46", "HV 46.", 1.0),
        ("Water", "HV 46", 0.0),
        ("", "HV 46", 0.0),
        ("Öl Öl Öl", "Öl", 0.5),
    ],
)
def test_token_f1(answer: str, right: str, f1: float) -> None:
    assert token_f1(answer, right) == pytest.approx(f1)


def test_facts_are_counted_by_pattern() -> None:
    """Half of what must be said is half."""
    assert facts("The pump stands in HALL 3.", [r"hall\s*3", r"46"]) == 0.5
    assert facts("anything", []) == 1.0


def test_chrf_forgives_an_ending_and_not_another_word() -> None:
    """Between 0 and 1."""
    assert chrf("the pump is blue", "the pump is blue") == pytest.approx(1)
    assert chrf("the pumps are blue", "the pump is blue") > 2 * chrf("ring the doctor", "the pump is blue")


def test_facts_decide_where_there_are_any_else_the_words_of_a_right_answer() -> None:
    """And an abstention answers nothing."""
    assert answer_score("It is 46.", expect=["46"], right="HV 46") == 1
    assert answer_score("hv 46", expect=[], right="HV 46") == 1
    assert answer_score("It is 46.", expect=["46"], right=None, abstained=True) == 0
    with pytest.raises(ValueError, match="neither"):
        answer_score("It is 46.", expect=[], right=None)


def test_words_of_ours_are_no_words_of_an_answer() -> None:
    """Nor are marks and citations; a fact may stand in quotes or beside them."""
    text = blockquote("The filter is cleaned\nevery 40 hours.", 1)
    assert quoted(text) == bare(text).strip() == "The filter is cleaned\nevery 40 hours."
    assert worth(text, expect=["40", "filter"], right=None) == 1
    assert worth(text, expect=[], right="The filter is cleaned every 40 hours.") == 1
    assert worth(text + "\nIt is blue. [1]\n", expect=[], right="It is blue.") == 1
    assert worth(text, expect=["1\\]"], right=None) == 0
    assert worth("It is blue. [1]", expect=[], right="It is blue.") == 1


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        (REFUSAL, True),
        ("The passages do not mention who won.", True),
        ("I don't know.", True),
        ("", True),
        ("The door does not open.", False),
        ("Do not open the door.", False),
    ],
)
def test_a_refusal_is_known_by_its_words(text: str, nothing: bool) -> None:
    assert says_nothing(text) is nothing
