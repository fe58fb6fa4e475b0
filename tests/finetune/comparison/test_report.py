"""RAG, fine-tuning, both or neither: the table, the paired tests and the sentence of advice."""

from dataclasses import replace

import pytest

from finetune.comparison.outcomes import BOTH, EXAMPLES, Written
from finetune.comparison.report import Comparison, compare


def arm(right: int, of: int = 40, *, refused: int = 0, unanswerable: int = 0, seconds: float = 1.0) -> list[Written]:
    """The first `right` of the answerable questions are answered well, the first `refused` of the others refused."""
    answered = [Written(f"q{i}", f"Question {i}?", True, "…", False, float(i < right), seconds) for i in range(of)]
    others = [
        Written(f"u{i}", f"Unanswerable {i}?", False, "…", i < refused, float(i < refused), seconds)
        for i in range(unanswerable)
    ]
    return answered + others


def test_every_arm_has_its_figures_with_intervals() -> None:
    """Of what can be answered and of what cannot, and what an answer costs."""
    found = compare({"base": arm(4, refused=1, unanswerable=4), "rag": arm(30, refused=3, unanswerable=4, seconds=2)})
    base, rag = found.arms
    assert (base.name, base.answer.value, base.answer.n) == ("base", 0.1, 40)
    assert base.answer.low < 0.1 < base.answer.high
    assert (rag.refused.value, rag.refused.n) == (0.75, 4)
    assert rag.wrongly_refused.value == 0
    assert rag.seconds == 2
    assert "rag" in found.table(price_per_hour=3.6)
    assert "2.00" in found.table(price_per_hour=3.6)  # for a thousand answers: 2 s · 1,000 · 3.6 / 3,600


def test_wordings_of_one_question_are_one_piece_of_evidence() -> None:
    """Ten questions of four wordings each say less than forty."""
    alone = {"rag": arm(20), "rag+finetuned": arm(30)}
    alike = {
        name: [replace(one, cluster=str(place // 4)) for place, one in enumerate(answers)]
        for name, answers in alone.items()
    }
    wide, narrow = (compare(answers).gains[0].difference for answers in (alike, alone))
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)
    assert Comparison.from_dict(compare(alike).as_dict()) == compare(alike)


def test_arms_are_compared_question_by_question() -> None:
    """With documents alone as the standard; what changed is listed."""
    found = compare({"rag": arm(20), "rag+finetuned": arm(30)})
    (gain,) = found.gains
    assert (gain.arm, gain.over, gain.better, gain.worse) == ("rag+finetuned", "rag", 10, 0)
    assert gain.difference.value == pytest.approx(0.25)
    assert gain.p == pytest.approx(0.00195, abs=1e-5)
    assert [change.id for change in found.changes("rag+finetuned", "rag")] == [f"q{i}" for i in range(20, 30)]


@pytest.mark.parametrize(
    ("arms", "advice"),
    [
        ({"rag": arm(20), "rag+finetuned": arm(32)}, "Use both"),
        ({"rag": arm(20), "rag+finetuned": arm(20)}, "Your adapter does not help"),
        ({"rag": arm(32), "rag+finetuned": arm(20)}, "Your adapter does harm"),
        ({"base": arm(2), "rag": arm(30)}, "Use your documents"),
        ({"base": arm(10), "rag": arm(10)}, "Your documents do not help"),
        ({"base": arm(2), "rag": arm(20), "finetuned": arm(38), "rag+finetuned": arm(20)}, "without the documents"),
        ({"base": arm(2), "finetuned": arm(20)}, "Your adapter helps"),
    ],
)
def test_advice_is_what_the_figures_bear_out(arms: dict[str, list[Written]], advice: str) -> None:
    """And says how many questions it rests on."""
    said = compare(arms, examples=40).advice
    assert advice in said
    assert "40 questions" in said


def test_few_questions_and_few_examples_are_said() -> None:
    """No difference found is not the same as none: the smallest that could have been seen is told."""
    said = compare({"rag": arm(5, 10), "rag+finetuned": arm(6, 10)}, examples=40).advice
    assert "40 examples" in said
    assert "too few" in said


def test_arms_that_answered_other_questions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same questions"):
        compare({"rag": arm(5, 10), "base": arm(5, 9)})


def test_a_chart_shows_every_arm() -> None:
    """As a PNG."""
    found: Comparison = compare({"base": arm(4, refused=1, unanswerable=4), "rag": arm(30, refused=3, unanswerable=4)})
    drawn = found.chart()
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")


def test_it_is_kept_as_data() -> None:
    """And read again, for Slack."""
    found = compare({"base": arm(4), "rag": arm(30)}, examples=3)
    assert Comparison.from_dict(found.as_dict()) == found


def shown(right: int, *, tokens: int, seconds: float) -> list[Written]:
    return [replace(one, tokens=tokens) for one in arm(right, seconds=seconds)]


def test_an_adapter_is_measured_by_examples_in_the_prompt_too() -> None:
    """The gain over them is one of the comparison's, in its own terms."""
    found = compare({"rag": arm(20), "rag+examples": arm(24), "rag+finetuned": arm(36)})
    assert [(gain.arm, gain.over) for gain in found.gains] == [
        ("rag+examples", "rag"),
        ("rag+finetuned", "rag"),
        ("rag+finetuned", "rag+examples"),
    ]
    assert "worth its training" in found.advice
    assert "Use both" in found.advice
    assert "Examples in the prompt give more" in compare({"rag": arm(9), EXAMPLES: arm(36), BOTH: arm(12)}).advice
    assert compare({"rag": arm(9), EXAMPLES: arm(36)}).advice.startswith("Examples in the prompt help")
    assert "Examples in the prompt do not help" in compare({"rag": arm(9), EXAMPLES: arm(9)}).advice


def test_of_two_ways_to_the_same_quality_the_cheaper_is_named() -> None:
    """Examples cost tokens and time at each question, an adapter its training."""
    arms = {
        "rag": shown(20, tokens=600, seconds=2.0),
        EXAMPLES: shown(30, tokens=750, seconds=2.5),
        BOTH: shown(30, tokens=600, seconds=2.0),
    }
    found = compare(arms, 90, training_seconds=1800)
    assert "+150 tokens and +0.50 s a question" in found.advice
    assert "Use both" not in found.advice, "with one of the two it costs less"
    assert "up to 3,600 questions" in found.advice
    assert "750" in found.table()
    assert Comparison.from_dict(found.as_dict()) == found
    assert "nothing is known" in compare(arms).advice
    fast = compare({**arms, EXAMPLES: shown(30, tokens=750, seconds=1.9)}, training_seconds=1800)
    assert "cheaper way is examples" in fast.advice


def test_comparisons_of_before_are_read() -> None:
    """They have neither tokens nor the time of training."""
    data = compare({"base": arm(4), "rag": arm(30)}).as_dict()
    del data["training_seconds"]
    for one in [*data["answers"]["base"], *data["answers"]["rag"]]:
        del one["tokens"]
    assert Comparison.from_dict(data).arms[0].tokens == 0
