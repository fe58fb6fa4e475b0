"""The gate: what proves an adapter better, what stops it, and what proves nothing."""

import random

import pytest

from finetune.evaluation.gate import Guard, Outcome, decide
from finetune.significance import Interval, by_chance, mcnemar, paired_gain

GUARDS = (Guard("abstention", "unanswerable", most_lost=0.05), Guard("stop", least=0.95))


def outcomes(score: float, n: int = 60, *, share: float = 1.0, **more: float) -> list[Outcome]:
    """`n` questions of which a share gets the score, each in a cluster of its own."""
    return [Outcome(f"q{i}", {"answer": score if i < share * n else 0.0, "stop": 1.0, **more}) for i in range(n)]


def unanswerable(refused: int, n: int = 20) -> list[Outcome]:
    return [Outcome(f"u{i}", {"abstention": float(i < refused), "stop": 1.0}, "unanswerable") for i in range(n)]


def test_a_gain_that_no_chance_explains_is_promoted() -> None:
    """Right twice as often, and refuses as much as before."""
    verdict = decide(outcomes(1, share=0.8) + unanswerable(18), outcomes(1, share=0.4) + unanswerable(18), GUARDS)
    assert verdict.decision == "promote"
    assert verdict.gain.value == pytest.approx(0.4)
    assert verdict.gain.low > 0
    assert "+0.400" in verdict.reason


def test_no_difference_is_refused() -> None:
    """Also if it is a hair better: the interval reaches below zero."""
    same = outcomes(1, share=0.5)
    verdict = decide(same, same)
    assert (verdict.decision, verdict.gain) == ("refuse", Interval(0, 0, 0, 60))
    hair = decide(outcomes(1, share=0.52), same)
    assert hair.decision == "refuse"
    assert "no proof" in hair.reason


def test_the_margin_must_be_passed_too() -> None:
    """An admin may ask for more than better."""
    candidate, active = outcomes(1, share=0.8), outcomes(1, share=0.6)
    assert decide(candidate, active, margin=0).decision == "promote"
    assert decide(candidate, active, margin=0.15).decision == "refuse"


def test_a_guard_below_its_floor_refuses_whatever_is_gained() -> None:
    """It answers what has no answer, or does not come to an end."""
    better, before = outcomes(1, share=0.9), outcomes(1, share=0.4) + unanswerable(18)
    verdict = decide(better + unanswerable(9), before, GUARDS)
    assert verdict.decision == "refuse"
    assert "abstention (unanswerable)" in verdict.reason
    assert [check.holds for check in verdict.checks] == [False, True]
    endless = [Outcome(o.id, {**o.scores, "stop": 0.5}, o.set) for o in better + unanswerable(18)]
    assert "stop" in decide(endless, before, GUARDS).reason


def test_a_guard_that_cannot_be_looked_at_refuses() -> None:
    """No unanswerable questions: nobody knows whether it still refuses."""
    verdict = decide(outcomes(1), outcomes(0), GUARDS, least=30)
    assert verdict.decision == "inconclusive"
    assert "abstention (unanswerable)" in verdict.reason


def test_few_questions_that_moved_prove_nothing() -> None:
    """Four better of 32 and none worse: the bootstrap's interval is above zero, but a coin says as much once in 16."""
    verdict = decide(outcomes(1, 32, share=4 / 32), outcomes(0, 32))
    assert verdict.gain.low > 0
    assert verdict.decision == "refuse"
    assert "probability 0.06" in verdict.reason
    assert decide(outcomes(1, 32, share=8 / 32), outcomes(0, 32)).decision == "promote"


@pytest.mark.parametrize(("better", "worse", "p"), [(4, 0, 1 / 16), (6, 0, 1 / 64), (3, 3, 0.656)])
def test_chance_is_that_of_a_coin(better: int, worse: int, p: float) -> None:
    """Of equal differences it is the sign test; what did not move says nothing; a cluster has one coin."""
    moved = [1.0] * better + [-1.0] * worse + [0.0] * 20
    assert by_chance(moved, [str(place) for place in range(len(moved))]) == pytest.approx(p, abs=0.015)
    assert by_chance([1.0] * 9, ["one"] * 9) == pytest.approx(0.5, abs=0.02)


def test_only_the_questions_of_the_deciding_sets_are_counted() -> None:
    """What is derived from them is guarded, and proves nothing more."""
    derived = [Outcome(f"d{n}", {"answer": 1.0, "stop": 1.0}, "distracted") for n in range(60)]
    worse = [Outcome(one.id, {"answer": 0.0, "stop": 1.0}, one.set) for one in derived]
    same = outcomes(1, share=0.5)
    assert decide([*same, *derived], [*same, *worse]).decision == "promote"
    assert decide([*same, *derived], [*same, *worse], sets=("held out",)).decision == "refuse"


@pytest.mark.parametrize(("golden", "n", "holds"), [(-1, 28, False), (0, 28, True), (1, 28, True), (-1, 2000, True)])
def test_a_guard_may_ask_that_nothing_is_lost(golden: int, n: int, holds: bool) -> None:
    """Not one question of people's own set on balance, unless what is lost is surely little."""
    before = [Outcome(f"g{i}", {"answer": float(i % 2)}, "golden") for i in range(n)]
    changed = {1: 0.0} if golden < 0 else {0: 1.0} if golden else {}
    after = [
        Outcome(one.id, {"answer": changed.get(i, one.scores["answer"])}, "golden") for i, one in enumerate(before)
    ]
    guard = Guard("answer", "golden", most_lost=0.0, certain=0.02)
    assert decide(after, before, [guard], least=1).checks[0].holds is holds


def test_too_few_questions_prove_nothing() -> None:
    """Not even if all of them are better; questions of one cluster count as one."""
    assert decide(outcomes(1, 29), outcomes(0, 29), least=30).decision == "inconclusive"
    assert "29 of at least 30" in decide(outcomes(1, 29), outcomes(0, 29), least=30).reason
    alike = [Outcome(o.id, o.scores, cluster="one") for o in outcomes(1, 100)]
    unlike = [Outcome(o.id, o.scores, cluster="one") for o in outcomes(0, 100)]
    assert decide(alike, unlike, least=30).decision == "inconclusive"


def test_only_the_same_questions_are_compared() -> None:
    """An answer that is missing on one side is a defect of the evaluation, not a point for the other."""
    with pytest.raises(ValueError, match="q59"):
        decide(outcomes(1, 60), outcomes(0, 59))


def test_questions_that_are_alike_widen_the_interval() -> None:
    """Ten clusters of ten say less than a hundred questions."""
    generator = random.Random(1)
    gains = [generator.choice((0.0, 1.0)) for _ in range(10) for _ in range(10)]
    by_cluster = [float(int(place / 10) % 2) for place in range(100)]
    alone = paired_gain(gains, [str(place) for place in range(100)])
    together = paired_gain(by_cluster, [str(place // 10) for place in range(100)])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_an_interval_covers_what_it_should() -> None:
    """Of 200 samples with a known mean about 95 % have it inside; and the same sample gives the same interval."""
    generator = random.Random(3)
    inside = 0
    for _ in range(200):
        sample = [generator.gauss(0.1, 0.4) for _ in range(50)]
        interval = paired_gain(sample, [str(place) for place in range(50)], resamples=1000)
        inside += interval.low <= 0.1 <= interval.high
    assert 180 <= inside <= 199
    assert paired_gain(sample, list("a" * 50)) == paired_gain(sample, list("a" * 50))


@pytest.mark.parametrize(("better", "worse", "p"), [(0, 0, 1.0), (10, 0, 0.00195), (8, 2, 0.109), (5, 5, 1.0)])
def test_mcnemar_is_exact(better: int, worse: int, p: float) -> None:
    """Against the binomial's table."""
    assert mcnemar(better, worse) == pytest.approx(p, abs=5e-4)


def test_an_adapter_must_beat_examples_in_the_prompt() -> None:
    """What it learnt from, shown to the model without it, may do as well: then it was not worth its training."""
    before = outcomes(1, share=0.2) + unanswerable(9)
    better = outcomes(1, share=0.8) + unanswerable(9)
    assert decide(better, before, GUARDS, examples=outcomes(1, share=0.3) + unanswerable(9)).decision == "promote"
    verdict = decide(better, before, GUARDS, examples=better)
    assert verdict.decision == "refuse"
    assert "examples in the prompt" in verdict.reason
    assert verdict.over_examples is not None
    assert (verdict.over_examples.value, verdict.over_examples.low) == (0, 0)


def test_examples_save_no_adapter_that_fails() -> None:
    """The gain over them is told beside the reason."""
    before = outcomes(1, share=0.8) + unanswerable(9)
    verdict = decide(before, before, GUARDS, examples=outcomes(1, share=0.3) + unanswerable(9))
    assert verdict.decision == "refuse"
    assert verdict.over_examples is not None
    assert verdict.over_examples.low > 0
