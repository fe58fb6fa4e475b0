"""The figures of an evaluation: the mean of each score on each set, by arm, and how well each arm abstains."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from finetune.evaluation.gate import Outcome

ABSTAINING = "abstaining"
Means = dict[str, dict[str, dict[str, float]]]
"""Means by set, by score, and by arm; beside the arms stands "n", the number of questions."""


def figures(arms: Mapping[str, Sequence[Outcome]]) -> Means:
    """The mean of each score on each set, by arm, with the number of questions; and how well each arm abstains."""
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    for arm, outcomes in arms.items():
        for outcome in outcomes:
            for score, value in outcome.scores.items():
                values.setdefault(outcome.set, {}).setdefault(score, {}).setdefault(arm, []).append(value)
    means = {name: {score: _means(by_arm) for score, by_arm in scores.items()} for name, scores in values.items()}
    abstaining = _abstaining(arms)
    return means | ({ABSTAINING: abstaining} if abstaining else {})


def _means(by_arm: Mapping[str, Sequence[float]]) -> dict[str, float]:
    means = {arm: round(fmean(values), 4) for arm, values in by_arm.items()}
    return means | {"n": max(map(len, by_arm.values()))}


def _abstaining(arms: Mapping[str, Sequence[Outcome]]) -> dict[str, dict[str, float]]:
    """By arm, the share of refusals that were right, and of questions without an answer the share that were refused."""
    rates = {arm: _abstention_rates(outcomes) for arm, outcomes in arms.items()}
    n = max((rate["n"] for rate in rates.values()), default=0)
    by_name = {
        name: {arm: rate[name] for arm, rate in rates.items() if name in rate} for name in ("precision", "recall")
    }
    return {name: {**by_arm, "n": n} for name, by_arm in by_name.items() if by_arm}


def _abstention_rates(outcomes: Sequence[Outcome]) -> dict[str, float]:
    right = [outcome.scores["refused"] for outcome in outcomes if "refused" in outcome.scores]
    wrong = [1 - outcome.scores["kept"] for outcome in outcomes if "kept" in outcome.scores]
    rates = {"recall": round(sum(right) / len(right), 4)} if right else {}
    if refusals := sum(right) + sum(wrong):
        rates["precision"] = round(sum(right) / refusals, 4)
    return rates | {"n": len(right) + len(wrong)}
