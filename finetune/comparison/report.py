"""RAG, fine-tuning, or both? The same questions answered by several arms, and what may be concluded from it.

Differences are paired by question, because questions differ more from each other than arms do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from finetune.comparison.advice import advise
from finetune.comparison.chart import chart
from finetune.comparison.outcomes import BASE, BOTH, EXAMPLES, RAG, Arm, Gain, ScoreChange, Written
from finetune.significance import Interval, mcnemar, paired_gain, wilson

CHANGED = 0.5
"""A score that moved by at least so much is told as a change."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms, their gains over each other, and the answers that both rest on. `examples` is how many the adapter was
    trained on, and `training_seconds` how long, where that is known.
    """

    arms: Sequence[Arm]
    gains: Sequence[Gain]
    answers: Mapping[str, Sequence[Written]]
    examples: int | None = None
    training_seconds: float | None = None

    @property
    def questions(self) -> int:
        return len(next(iter(self.answers.values())))

    @property
    def advice(self) -> str:
        """What to do after this comparison, in a few sentences."""
        return advise(self)

    def changes(self, arm: str, over: str) -> list[ScoreChange]:
        """The questions whose answers became better or worse, the greatest changes first."""
        pairs = zip(self.answers[over], self.answers[arm], strict=True)
        changes = [
            ScoreChange(after.id, after.question, before.score, after.score)
            for before, after in pairs
            if abs(after.score - before.score) >= CHANGED
        ]
        return sorted(changes, key=lambda change: -abs(change.after - change.before))

    def table(self, price_per_hour: float | None = None) -> str:
        """The arms and then the paired differences as lines of text; `price_per_hour` is that of the machine that
        answers.
        """
        return "\n".join([*_arm_lines(self.arms, price_per_hour), *_gain_lines(self.gains)])

    def chart(self) -> bytes | None:
        """The arms with their intervals as a PNG; None without matplotlib (`journeyman[charts]`)."""
        return chart(self.arms)

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON can hold."""
        return {**asdict(self), "advice": self.advice}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Comparison":
        """The comparison that `as_dict` gave these values of."""
        answers = {name: [Written(**values) for values in arm] for name, arm in data["answers"].items()}
        return compare(answers, data["examples"], data.get("training_seconds"))


def compare(
    answers: Mapping[str, Sequence[Written]], examples: int | None = None, training_seconds: float | None = None
) -> Comparison:
    """Figures of each arm, and the gain of each over the one that it is to be measured by: the documents alone, else
    the model alone; that of the adapter over examples in the prompt, too. Raises ValueError if the arms did not answer
    the same questions in the same order.
    """
    ids_by_arm = [[answer.id for answer in arm] for arm in answers.values()]
    if any(ids != ids_by_arm[0] for ids in ids_by_arm):
        raise ValueError("the arms did not answer the same questions")
    standard = next((name for name in (RAG, BASE) if name in answers), next(iter(answers)))
    arms = [_arm(name, of_arm) for name, of_arm in answers.items()]
    gains = [_gain(name, standard, answers) for name in answers if name != standard]
    if EXAMPLES in answers and BOTH in answers and standard != EXAMPLES:
        gains.append(_gain(BOTH, EXAMPLES, answers))
    return Comparison(arms, gains, answers, examples, training_seconds)


def _arm(name: str, answers: Sequence[Written]) -> Arm:
    answerable = [answer for answer in answers if answer.answerable]
    return Arm(
        name=name,
        answer=_mean([answer.score for answer in answerable]),
        refused=_mean([float(answer.abstained) for answer in answers if not answer.answerable]),
        wrongly_refused=_mean([float(answer.abstained) for answer in answerable]),
        seconds=median(answer.seconds for answer in answers),
        words=median(len(answer.answer.split()) for answer in answers),
        tokens=median(answer.tokens for answer in answers),
    )


def _gain(arm: str, over: str, answers: Mapping[str, Sequence[Written]]) -> Gain:
    pairs = zip(answers[arm], answers[over], strict=True)
    differences = [answer.score - standard.score for answer, standard in pairs]
    better, worse = (sum(sign * difference >= CHANGED for difference in differences) for sign in (1, -1))
    difference = paired_gain(differences, [answer.group for answer in answers[arm]])
    return Gain(arm, over, difference, better, worse, mcnemar(better, worse))


def _mean(values: Sequence[float]) -> Interval:
    """The mean with its interval: Wilson's where all are 0 or 1, for the bootstrap takes 5 of 5 for certain."""
    n = len(values)
    if not n or not set(values) <= {0.0, 1.0}:
        return paired_gain(values, [str(place) for place in range(n)])
    low, high = wilson(sum(values), n)
    return Interval(sum(values) / n, low, high, n)


def _rate(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval.n else "-"


def _arm_lines(arms: Sequence[Arm], price_per_hour: float | None) -> list[str]:
    head = f"{'':<15}{'answers':<25}{'refused rightly':<25}{'wrongly':<9}{'s':>6}{'words':>7}{'tokens':>8}"
    lines = [head + ("" if price_per_hour is None else f"{'per 1,000':>11}")]
    for arm in arms:
        row = f"{arm.name:<15}{_rate(arm.answer):<25}{_rate(arm.refused):<25}{arm.wrongly_refused.value:<9.3f}"
        row += f"{arm.seconds:>6.1f}{arm.words:>7.0f}{arm.tokens:>8.0f}"
        lines.append(row + ("" if price_per_hour is None else f"{arm.seconds / 3.6 * price_per_hour:>11.2f}"))
    return lines


def _gain_lines(gains: Sequence[Gain]) -> list[str]:
    """An empty line, a head and a line each; nothing where there are no gains."""
    head = f"{'':<15}{'over':<15}{'difference':<27}{'better':>7}{'worse':>7}{'p':>8}"
    lines = [
        f"{gain.arm:<15}{gain.over:<15}{gain.difference!s:<27}{gain.better:>7}{gain.worse:>7}{gain.p:>8.3f}"
        for gain in gains
    ]
    return ["", head, *lines] if lines else []
