"""The gate: an adapter goes live only if it has proved better, and has become worse at nothing that is guarded.

Two arms answer the same questions; what counts is the difference for each question. Its interval is a bootstrap over
clusters of like questions (Field and Welsh, JRSS B 69, 2007), because ten wordings of one question are one piece of
evidence. Where few clusters moved at all, that interval is too narrow; so it is also asked how often chance would give
such a gain, if each cluster might as well have moved the other way. It fails closed: too few questions, or a guard that
nothing tells about, is no pass. Where what it learnt from could stand in the prompt instead, as examples, it must have
proved better than that, too.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from finetune.significance import NO_GAIN, Interval, by_chance, paired_gain

Decision = Literal["promote", "refuse", "inconclusive"]

PRIMARY = "answer"
"""The score that an adapter must raise."""
LEAST_CLUSTERS = 30
"""Clusters of questions below which no gain is believed."""
_ROUNDING = 1e-9
CHANCE = 0.025
"""How often chance alone may give such a gain: what lies beyond the upper end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one arm made of one question: its scores by name, each in [0, 1], the more the better; but "seconds" and
    "tokens".

    `set` is the part of the evaluation that the question belongs to; questions of one `cluster` are alike, and one
    without is alone.
    """

    id: str
    scores: Mapping[str, float]
    set: str = "held out"
    cluster: str = ""

    @property
    def group(self) -> str:
        return self.cluster or self.id


@dataclass(frozen=True, slots=True)
class Guard:
    """A score that must not fall: on average over the questions of `set` (None: all that have it) it must be at least
    `least`, and at most `most_lost` below that of the active arm. `certain`: more may be lost on average if the lower
    end of the paired difference is no further below zero than this.
    """

    score: str
    set: str | None = None
    least: float = 0.0
    most_lost: float = math.inf
    certain: float | None = None

    @property
    def name(self) -> str:
        return f"{self.score} ({self.set})" if self.set else self.score


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """A guard that was looked at: the candidate's mean, the active arm's, and over how many questions."""

    guard: Guard
    candidate: float
    active: float
    n: int
    gain: Interval = NO_GAIN

    @property
    def holds(self) -> bool:
        certain = self.guard.certain is not None and self.gain.low >= -self.guard.certain
        near = certain or self.candidate >= self.active - self.guard.most_lost - _ROUNDING
        return self.n > 0 and self.candidate >= self.guard.least - _ROUNDING and near


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided, why in a sentence, and what it saw."""

    decision: Decision
    reason: str
    gain: Interval
    checks: Sequence[GuardCheck] = ()
    over_examples: Interval | None = None


def decide(
    candidate: Sequence[Outcome],
    active: Sequence[Outcome],
    guards: Sequence[Guard] = (),
    *,
    margin: float = 0.0,
    least: int = LEAST_CLUSTERS,
    sets: Collection[str] | None = None,
    examples: Sequence[Outcome] | None = None,
) -> Verdict:
    """Whether the candidate may take the place of the active arm.

    It is promoted if the lower end of the gain in the primary score is above `margin`, over at least `least` clusters
    of the questions of `sets` (None: of all), chance does not explain it, every guard holds, and, with `examples` (the
    model without an adapter, that is shown what could be learnt from), its gain over these is proved as well. Raises
    ValueError if the arms did not answer the same questions.
    """
    pairs = _paired(candidate, active)
    differences, groups = _primary(pairs, sets)
    gain = paired_gain(differences, groups)
    checks = [_check(guard, pairs) for guard in guards]
    clusters = len(set(groups))
    chance = by_chance(differences, groups) if groups else 1.0
    verdict = _without_examples(gain, chance, checks, clusters, margin, least)
    if examples is None:
        return verdict
    beside = paired_gain(*_primary(_paired(candidate, examples), sets))
    if verdict.decision == "promote" and beside.low <= margin:
        reason = (
            f"{verdict.reason} But it has not proved better than the same answers as examples in the prompt: {beside}."
        )
        return Verdict("refuse", reason, gain, checks, beside)
    return replace(verdict, over_examples=beside)


def _without_examples(
    gain: Interval, chance: float, checks: Sequence[GuardCheck], clusters: int, margin: float, least: int
) -> Verdict:
    if clusters < least:
        return Verdict("inconclusive", f"Too few questions: {clusters} of at least {least} clusters.", gain, checks)
    if unseen := [check.guard.name for check in checks if not check.n]:
        return Verdict("inconclusive", f"No question tells about {', '.join(unseen)}.", gain, checks)
    if failed := [check for check in checks if not check.holds]:
        return Verdict("refuse", f"Worse where it must not be: {'; '.join(map(_describe, failed))}.", gain, checks)
    if gain.low <= margin:
        reason = f"The gain {gain} is no proof that it is better by more than {margin:g}."
        return Verdict("refuse", reason, gain, checks)
    if chance > CHANCE:
        reason = f"The gain {gain} comes of so few questions that chance gives as much with probability {chance:.3f}."
        return Verdict("refuse", reason, gain, checks)
    return Verdict("promote", f"Better by {gain} over {gain.n} questions, and every guard holds.", gain, checks)


def _primary(pairs: Sequence[tuple[Outcome, Outcome]], sets: Collection[str] | None) -> tuple[list[float], list[str]]:
    """The differences in the primary score, and the group of each."""
    chosen = [pair for pair in pairs if PRIMARY in pair[0].scores and (sets is None or pair[0].set in sets)]
    differences = [candidate.scores[PRIMARY] - other.scores[PRIMARY] for candidate, other in chosen]
    return differences, [candidate.group for candidate, _ in chosen]


def _paired(candidate: Sequence[Outcome], active: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    tried = {(outcome.set, outcome.id): outcome for outcome in candidate}
    standard = {(outcome.set, outcome.id): outcome for outcome in active}
    if odd := sorted(tried.keys() ^ standard.keys()):
        raise ValueError(f"the two arms did not answer the same questions: {odd[0][1]} ({odd[0][0]}) is one's alone")
    return [(outcome, standard[key]) for key, outcome in tried.items()]


def _check(guard: Guard, pairs: Sequence[tuple[Outcome, Outcome]]) -> GuardCheck:
    scores = [
        (candidate.scores[guard.score], active.scores[guard.score], candidate.group)
        for candidate, active in pairs
        if guard.set in (None, candidate.set) and guard.score in candidate.scores and guard.score in active.scores
    ]
    if not scores:
        return GuardCheck(guard, 0.0, 0.0, 0)
    means = fmean(score for score, _, _ in scores), fmean(score for _, score, _ in scores)
    gain = paired_gain([candidate - active for candidate, active, _ in scores], [group for *_, group in scores])
    return GuardCheck(guard, means[0], means[1], len(scores), gain)


def _describe(check: GuardCheck) -> str:
    return f"{check.guard.name} {check.candidate:.3f}, before {check.active:.3f}"
