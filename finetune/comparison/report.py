"""RAG, fine-tuning, or both? The same questions answered by several arms, and what may be concluded from it.

The arms are called base (the model alone), rag (with the documents), rag+examples (with verified answers as examples
beside them), finetuned (the model with its adapter) and rag+finetuned. Differences are paired by question, because
questions differ more from each other than arms do.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

from finetune.evaluation.gate import Interval, mcnemar, paired_gain

EXAMPLES, BOTH = "rag+examples", "rag+finetuned"
ARMS = ("base", "rag", EXAMPLES, "finetuned", BOTH)
FEW = 50
"""Questions below which a difference of a tenth can hardly be seen."""
CHANGED = 0.5
"""A score that moved by at least so much is told as a change."""

_COLOURS = {"base": "#9aa5ad", "rag": "#1f6f9f", EXAMPLES: "#7a6bb0", "finetuned": "#c98a3a", BOTH: "#3f8f5a"}


@dataclass(frozen=True, slots=True)
class Written:
    """What an arm wrote to one question. `score` is in [0, 1]: of an answer, how right it is; of a question that has
    no answer, 1 if it was refused. `seconds` from the question to the end of the answer, `tokens` that were read and
    written for it. Questions of one `cluster` are alike, and one without is alone.
    """

    id: str
    question: str
    answerable: bool
    answer: str
    abstained: bool
    score: float
    seconds: float
    cluster: str = ""
    tokens: int = 0

    @property
    def group(self) -> str:
        return self.cluster or self.id


@dataclass(frozen=True, slots=True)
class Arm:
    """The figures of one arm: how right its answers are, the share of unanswerable questions that it refused and of
    answerable ones that it refused wrongly, and the median of seconds, words and tokens an answer.
    """

    name: str
    answer: Interval
    refused: Interval
    wrongly_refused: Interval
    seconds: float
    words: float
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better `arm` is than `over`, over all questions; so many questions became `better` and `worse`, which
    would come about by chance with probability `p` (exact McNemar test).
    """

    arm: str
    over: str
    difference: Interval
    better: int
    worse: int
    p: float


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """A question to which two arms gave answers of different worth."""

    id: str
    question: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out. `examples`: how many the adapter was trained on, and `training_seconds`: how long, if that is
    known.
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
        """What to do, in a few sentences."""
        return f"{_advice(self)}{_of_examples(self)} This rests on {self.questions} questions{_hedge(self)}."

    def changes(self, arm: str, over: str) -> list[ScoreChange]:
        """The questions whose answers became better or worse, the greatest changes first."""
        pairs = zip(self.answers[over], self.answers[arm], strict=True)
        changed = [
            ScoreChange(after.id, after.question, before.score, after.score)
            for before, after in pairs
            if abs(after.score - before.score) >= CHANGED
        ]
        return sorted(changed, key=lambda change: -abs(change.after - change.before))

    def table(self, price_per_hour: float | None = None) -> str:
        """For people: the arms, then the paired differences. The price is that of the machine that answers."""
        head = f"{'':<15}{'answers':<25}{'refused rightly':<25}{'wrongly':<9}{'s':>6}{'words':>7}{'tokens':>8}"
        lines = [head + ("" if price_per_hour is None else f"{'per 1,000':>11}")]
        for arm in self.arms:
            row = f"{arm.name:<15}{_rate(arm.answer):<25}{_rate(arm.refused):<25}{arm.wrongly_refused.value:<9.3f}"
            row += f"{arm.seconds:>6.1f}{arm.words:>7.0f}{arm.tokens:>8.0f}"
            lines.append(row + ("" if price_per_hour is None else f"{arm.seconds / 3.6 * price_per_hour:>11.2f}"))
        lines += ["", f"{'':<15}{'over':<15}{'difference':<27}{'better':>7}{'worse':>7}{'p':>8}"] if self.gains else []
        lines += [
            f"{gain.arm:<15}{gain.over:<15}{gain.difference!s:<27}{gain.better:>7}{gain.worse:>7}{gain.p:>8.3f}"
            for gain in self.gains
        ]
        return "\n".join(lines)

    def chart(self) -> bytes | None:
        """The arms with their intervals as a PNG; None without matplotlib (`journeyman[charts]`)."""
        return _chart(self.arms) if find_spec("matplotlib") else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "advice": self.advice}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Comparison":
        """What `as_dict` wrote."""
        answers = {name: [Written(**written) for written in arm] for name, arm in data["answers"].items()}
        return compare(answers, data["examples"], data.get("training_seconds"))


def compare(
    answers: Mapping[str, Sequence[Written]], examples: int | None = None, training_seconds: float | None = None
) -> Comparison:
    """Figures of each arm, and the gain of each over the one that it is to be measured by: the documents alone, else
    the model alone; that of the adapter over examples in the prompt, too. Raises ValueError if the arms did not answer
    the same questions in the same order.
    """
    asked = [[written.id for written in arm] for arm in answers.values()]
    if any(ids != asked[0] for ids in asked):
        raise ValueError("the arms did not answer the same questions")
    standard = next((name for name in ("rag", "base") if name in answers), next(iter(answers)))
    arms = [_arm(name, written) for name, written in answers.items()]
    gains = [_gain(name, standard, answers) for name in answers if name != standard]
    if EXAMPLES in answers and BOTH in answers and standard != EXAMPLES:
        gains.append(_gain(BOTH, EXAMPLES, answers))
    return Comparison(arms, gains, answers, examples, training_seconds)


def cheaper(tokens: float, seconds: float, training_seconds: float | None) -> str:
    """Which of two ways to the same quality costs less: examples in each prompt, so many tokens and seconds a question
    more than the adapter's, or an adapter that was trained for so long.
    """
    if seconds <= 0:
        return "The cheaper way is examples in the prompt: they cost no more a question, and no training."
    more = f"Examples in the prompt cost {tokens:+.0f} tokens and {seconds:+.2f} s a question"
    if training_seconds is None:
        return f"{more}; the adapter costs its training, of which nothing is known here."
    even = math.ceil(training_seconds / seconds)
    return (
        f"{more}, the adapter {training_seconds:.0f} s of training: examples are the cheaper way up to {even:,} "
        "questions for each training, the adapter from then on."
    )


def _arm(name: str, written: Sequence[Written]) -> Arm:
    answerable = [one for one in written if one.answerable]
    return Arm(
        name=name,
        answer=_mean([one.score for one in answerable]),
        refused=_mean([float(one.abstained) for one in written if not one.answerable]),
        wrongly_refused=_mean([float(one.abstained) for one in answerable]),
        seconds=median(one.seconds for one in written),
        words=median(len(one.answer.split()) for one in written),
        tokens=median(one.tokens for one in written),
    )


def _gain(arm: str, over: str, answers: Mapping[str, Sequence[Written]]) -> Gain:
    moved = [ours.score - theirs.score for ours, theirs in zip(answers[arm], answers[over], strict=True)]
    better, worse = (sum(sign * change >= CHANGED for change in moved) for sign in (1, -1))
    difference = paired_gain(moved, [written.group for written in answers[arm]])
    return Gain(arm, over, difference, better, worse, mcnemar(better, worse))


def _mean(values: Sequence[float]) -> Interval:
    """With Wilson's interval (JASA 22, 1927) where all are 0 or 1: the bootstrap takes 5 of 5 for certain."""
    n = len(values)
    if not n or not set(values) <= {0.0, 1.0}:
        return paired_gain(values, [str(place) for place in range(n)])
    p, z = sum(values) / n, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half), n)


def _advice(found: Comparison) -> str:
    differences = {(gain.arm, gain.over): gain.difference for gain in found.gains}
    both, tuned, base = (differences.get((arm, "rag")) for arm in ("rag+finetuned", "finetuned", "base"))
    if tuned and tuned.low > 0 and not (both and both.low > 0):
        return f"Use the adapter without the documents: {tuned} over the documents alone."
    if both:
        if both.low > 0:
            return f"Use both: the adapter adds {both} to the documents."
        if both.high < 0:
            return f"Your adapter does harm: {both} to what the documents give. Do not use it."
        return f"Your adapter does not help: {both} to what the documents give."
    if base:
        if base.high < 0:
            return f"Use your documents: without them {base}."
        return f"Your documents do not help: without them {base}. Are the right ones indexed?"
    alone = differences.get(("finetuned", "base"))
    if alone is None:
        return "There is nothing to compare."
    return f"Your adapter {'helps' if alone.low > 0 else 'does not help'}: {alone} over the model alone."


def _of_examples(found: Comparison) -> str:
    """What examples in the prompt give beside an adapter, and which is the cheaper way; '' where there are none."""
    arms = {arm.name: arm for arm in found.arms}
    differences = {(gain.arm, gain.over): gain.difference for gain in found.gains}
    if (ours := differences.get((BOTH, EXAMPLES))) is None:
        gain = differences.get((EXAMPLES, "rag"))
        if gain is None:
            return ""
        helps = "help" if gain.low > 0 else "do harm" if gain.high < 0 else "do not help"
        return f" Examples in the prompt {helps}: {gain} to what the documents give."
    if ours.low > 0:
        return f" It adds {ours} to what examples in the prompt give, so it is worth its training."
    if ours.high < 0:
        return (
            f" Examples in the prompt give more: the adapter's answers are {ours} beside theirs (JOURNEYMAN_EXAMPLES)."
        )
    same = f" Examples in the prompt give as much as the adapter, as far as can be seen ({ours})."
    examples, tuned = arms[EXAMPLES], arms[BOTH]
    return f"{same} {cheaper(examples.tokens - tuned.tokens, examples.seconds - tuned.seconds, found.training_seconds)}"


def _hedge(found: Comparison) -> str:
    told = "" if found.examples is None else f", and the adapter on {found.examples} examples"
    if found.questions >= FEW:
        return told
    widest = max(((gain.difference.high - gain.difference.low) / 2 for gain in found.gains), default=0.0)
    return f"{told}; that is too few to see a difference below about {widest:.2f}" if widest else told


def _rate(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval.n else "-"


def _chart(arms: Sequence[Arm]) -> bytes:
    from matplotlib.figure import Figure  # without pyplot: no state, safe in any thread

    shown = [("answers", [arm.answer for arm in arms]), ("refuses rightly", [arm.refused for arm in arms])]
    shown = [(label, rates) for label, rates in shown if any(rate.n for rate in rates)]
    figure = Figure(figsize=(7, 0.9 + 0.42 * len(arms) * len(shown)), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    rows = [(label, arm.name, rate) for label, rates in shown for arm, rate in zip(arms, rates, strict=True)]
    for place, (_, name, rate) in enumerate(rows):
        axes.barh(place, rate.value, height=0.7, color=_COLOURS.get(name, "#777777"))
        axes.plot([rate.low, rate.high], [place, place], color="#22303a", linewidth=1.2)
        axes.annotate(
            f"{rate.value:.2f}", (max(rate.high, rate.value), place), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(rows)), [f"{name}: {label}" for label, name, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.1), xlabel="Share of questions, with 95 % intervals")
    axes.grid(axis="x", color="#e6eaed")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()
