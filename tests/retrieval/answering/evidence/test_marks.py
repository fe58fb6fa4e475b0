"""Marks that tell an answer from its absence, and what is made of them."""

from dataclasses import replace

import pytest

from retrieval.answering.evidence.confidence import DEFAULT, DEFAULTS, NOT_COMPARED, Calibration, assess
from retrieval.answering.evidence.marks import Marks, marks, rareness
from retrieval.searching.passage import Passage, WordMatch
from tests.retrieval.samples import passage

OIL = passage(("The pump gets 40 litres of oil.", 0.6))


def compared(one: Passage, **nearness: float) -> Passage:
    """With how near its words come to those of the question."""
    return replace(one, matches=[WordMatch(word, near) for word, near in nearness.items()])


def test_nothing_found_leaves_no_mark() -> None:
    """Nothing is missing, either, for nothing was asked of it."""
    assert marks("How?", []) == Marks(0.0, None, 0.0, 1.0, 1.0)


def test_the_words_that_count_are_the_nearest_four() -> None:
    """Fillers of a long question, and words that say nothing in any language, count for nothing."""
    held = replace(OIL, holds={"oil": 2.0, "pump": 2.0, "litr": 2.0, "tank": 2.0}, lacks={"bos": 2.0})
    near = compared(held, wie=1.0, oil=0.9, pump=0.8, litres=0.7, tank=0.6, boss=0.1)
    assert marks("wie oil pump litres tank boss", [near]).words == pytest.approx(0.75)


def test_a_rare_word_counts_for_more() -> None:
    """By the index; a match of what stands everywhere says little."""
    held = replace(OIL, holds={"pump": 1.0}, lacks={"forklift": 3.0})
    near = compared(held, pump=0.9, forklift=0.1)
    assert marks("pump forklift", [near]).words == pytest.approx((0.9 + 3 * 0.1) / 4)


def test_of_a_follow_up_its_own_words_count() -> None:
    """That the passages hold those of the question before does not answer it."""
    near = compared(replace(OIL, holds={"pump": 2.0}, lacks={"price": 2.0}), pump=0.9, price=0.2)
    assert marks("and its price?", [near]).words == pytest.approx(0.2)
    assert marks("the price of the pump", [near]).words == pytest.approx(0.55)


def test_one_passage_has_to_match_them() -> None:
    """Two that hold a half each are no better than one of them."""
    holds = {"pump": 1.0, "price": 1.0}
    one, other = (compared(replace(OIL, holds=holds), pump=near, price=1 - near) for near in (0.9, 0.1))
    assert marks("pump price", [one, other]).words == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("word", "rarity"),
    [("carries", 2.0), ("overide", 3.0), ("the", 0.0), ("car", 0.0), ("pumpen", 1.0), ("משאבה", 4.0)],
)
def test_how_rare_a_word_is(word: str, rarity: float) -> None:
    """By the stem that it has or was corrected to; a word without one says nothing."""
    assert rareness(word, {"carri": 2.0, "overrid": 3.0, "pump": 1.0, "משאבה": 4.0}) == rarity


def test_a_number_that_is_asked_for_has_to_be_there() -> None:
    """In the passages that come first."""
    assert marks("How many litres does the pump get?", [OIL]).number == 1.0
    assert marks("How many bolts does the pump have?", [OIL]).number == 0.0


def test_a_code_that_no_passage_holds_is_not_answered_with_its_neighbour() -> None:
    """However near the passages are; what is missing is told."""
    near = replace(passage(("A101 means that the door is open.", 0.9)), score=0.95)
    assert assess("What does A101 mean?", [near]).enough
    refused = assess("What does A106 mean?", [near])
    assert not refused.enough
    assert refused.missing == ("A106",)


def test_more_evidence_more_confidence() -> None:
    """With the words compared, and without."""
    far, near = replace(OIL, score=0.3), replace(OIL, score=0.9)
    assert assess("oil of the pump?", [far]).confidence < assess("oil of the pump?", [near]).confidence
    poor, good = compared(near, oil=0.2, pump=0.2), compared(near, oil=0.9, pump=0.9)
    assert assess("oil of the pump?", [poor]).confidence < assess("oil of the pump?", [good]).confidence
    assert not assess("oil of the pump?", []).enough


def test_what_was_fitted_to_other_marks_keeps_how_sure_one_wants_to_be() -> None:
    """Where words were not compared, weights for that case hold with the fitted threshold."""
    never = Calibration(DEFAULT.weights, 1.0)
    assert never.for_marks(Marks(0.5, 0.5, 0.5, 1, 1)) == never
    assert never.for_marks(Marks(0.5, None, 0.5, 1, 1)) == replace(DEFAULTS[NOT_COMPARED], threshold=1.0)
    assert DEFAULT.for_marks(Marks(0.5, None, 0.5, 1, 1)) == DEFAULTS[NOT_COMPARED]


def test_a_mark_that_was_not_measured_is_not_used() -> None:
    """It has no value."""
    with pytest.raises(ValueError, match="words"):
        DEFAULT.confidence(Marks(0.5, None, 0.5, 1, 1))
