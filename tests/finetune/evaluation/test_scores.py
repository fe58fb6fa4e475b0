"""What one answer is worth: facts by pattern, words and characters shared with a right answer."""

import pytest

from finetune.evaluation.scores import answer_score, chrf, facts, token_f1


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
