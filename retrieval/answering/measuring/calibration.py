"""Fitting abstention to an index: from labelled questions to the calibration that the chain goes by.

A question counts as answerable if one of its documents is among the passages that search returns for it: no answer can
be better than that. What is reported is cross-validated: weights that were fitted without a question judge it.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection
from psycopg.rows import class_row

from retrieval.answering.evidence.confidence import COMPARED, DEFAULTS, NOT_COMPARED, Calibration
from retrieval.answering.evidence.marks import Marks, marks
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.searching.passage import Passage

Array = npt.NDArray[np.float64]

LEAST_OF_EACH = 3
"""Answerable and unanswerable questions without which nothing can be fitted."""
FOLDS = 10
STIFFNESS = 20.0
"""How many questions' worth the default weights are, which many more were fitted to: few questions move them little,
hundreds as far as they must.
"""
STEPS, STEP = 3000, 0.5

_STORE = """
INSERT INTO calibration (marks, weights, threshold, target_risk, answerable, unanswerable, coverage, risk, curve, chart)
VALUES (%(marks)s, %(weights)s, %(threshold)s, %(target_risk)s, %(answerable)s, %(unanswerable)s, %(coverage)s,
        %(risk)s, %(curve)s, %(chart)s)
"""
_LATEST = """
SELECT marks, weights, threshold, target_risk, answerable, unanswerable, coverage, risk, curve, chart, calibrated_at
FROM calibration WHERE taken_back_at IS NULL ORDER BY id DESC LIMIT 1
"""
_TAKE_BACK = """
UPDATE calibration SET taken_back_at = now()
WHERE id = (SELECT id FROM calibration WHERE taken_back_at IS NULL ORDER BY id DESC LIMIT 1)
"""


class TooFewQuestions(ValueError):
    """The question set cannot be fitted to; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """A calibration with what it promises: of questions like those it was fitted on, `coverage` is the share that is
    answered and `risk` the share of those that should not have been. `curve` is the risk at each coverage, and `marks`
    are what the weights are of.
    """

    weights: Sequence[float]
    threshold: float
    target_risk: float | None
    answerable: int
    unanswerable: int
    coverage: float
    risk: float
    curve: Sequence[float]
    chart: bytes | None
    calibrated_at: datetime | None = None
    marks: Sequence[str] = COMPARED

    @property
    def area(self) -> float:
        """The area under the risk-coverage curve (El-Yaniv and Wiener, JMLR 11, 2010): less is better."""
        return sum(self.curve) / len(self.curve)


def calibrate(
    find: Callable[[LabelledQuestion], Sequence[Passage]],
    questions: Sequence[LabelledQuestion],
    target_risk: float | None = None,
    progress: Callable[[], None] = lambda: None,
) -> FittedCalibration:
    """Fits weights and threshold to the questions; `find` searches for one.

    With `target_risk` as many questions are answered as keep the share of answers that should not have been given at or
    below it; without, the threshold makes as few errors of both kinds as possible. Raises TooFewQuestions.
    """
    all_marks, labels = _measured(find, questions, progress)
    names = COMPARED if all(marks_of_question.words is not None for marks_of_question in all_marks) else NOT_COMPARED
    features = np.array([marks_of_question.values(names) for marks_of_question in all_marks], dtype=np.float64)
    answerable, prior = np.array(labels, dtype=np.float64), DEFAULTS[names]
    _require_both_kinds(answerable)
    confidences = cross_validated(features, answerable, prior)
    threshold = _threshold(confidences, answerable, target_risk)
    answered = confidences >= threshold
    curve = risk_coverage(confidences, answerable)
    coverage, risk = float(answered.mean()), float((1 - answerable[answered]).mean()) if answered.any() else 0.0
    return FittedCalibration(
        marks=names,
        weights=fit(features, answerable, prior),
        threshold=threshold,
        target_risk=target_risk,
        answerable=int(answerable.sum()),
        unanswerable=int((1 - answerable).sum()),
        coverage=coverage,
        risk=risk,
        curve=tuple(map(float, curve)),
        chart=chart(curve, coverage, risk),
    )


def _measured(
    find: Callable[[LabelledQuestion], Sequence[Passage]],
    questions: Sequence[LabelledQuestion],
    progress: Callable[[], None],
) -> tuple[list[Marks], list[bool]]:
    """The marks of each question, and whether the passages that are found for it hold one that answers."""
    all_marks, labels = [], []
    for question in questions:
        passages = find(question)
        all_marks.append(marks(question.question, passages))
        labels.append(any(passage.document in question.sources for passage in passages))
        progress()
    return all_marks, labels


def _require_both_kinds(answerable: Array) -> None:
    """Raises TooFewQuestions where questions with an answer, or without one, are too few."""
    for kind, count in (("have an answer that is found", answerable.sum()), ("have none", (1 - answerable).sum())):
        if count < LEAST_OF_EACH:
            raise TooFewQuestions(
                f"{int(count)} of the questions {kind} in the documents; it takes at least {LEAST_OF_EACH}."
            )


def fit(features: Array, answerable: Array, prior: Calibration) -> tuple[float, ...]:
    """Weights of a logistic regression, one a feature and the last for none. Features have the shape (n, marks), labels
    are 0 or 1.

    No weight is negative, because each mark is the more the better, and all are held near those of `prior`.
    """
    spread = features.std(axis=0) + 1e-9
    expected = np.array(prior.weights[:-1]) * spread
    scaled = (features - features.mean(axis=0)) / spread
    weights, bias = expected.copy(), 0.0
    for _ in range(STEPS):
        error = _logistic(scaled @ weights + bias) - answerable
        pull = STIFFNESS * (weights - expected) / len(answerable)
        weights = np.maximum(weights - STEP * (scaled.T @ error / len(answerable) + pull), 0)
        bias -= STEP * float(error.mean())
    # A mark that is the same for all questions is known by its default weight alone.
    unscaled = np.where(spread > 1e-6, weights / spread, np.array(prior.weights[:-1]))
    return (*map(float, unscaled), bias - float(unscaled @ features.mean(axis=0)))


def cross_validated(features: Array, answerable: Array, prior: Calibration, folds: int = FOLDS) -> Array:
    """The confidence in each question, of shape (n,), by weights that were fitted without its fold."""
    confidences = np.zeros(len(answerable))
    # Dealt out within each kind, so that no fold is left without one.
    fold = np.zeros(len(answerable), dtype=np.int64)
    for kind in (0, 1):
        members = np.flatnonzero(answerable == kind)
        fold[members] = np.arange(len(members)) % folds
    for number in range(folds):
        left_out = fold == number
        if left_out.any():
            *weights, bias = fit(features[~left_out], answerable[~left_out], prior)
            confidences[left_out] = _logistic(features[left_out] @ np.array(weights) + bias)
    return confidences


def risk_coverage(confidences: Array, answerable: Array) -> Array:
    """The share of wrong answers among the 1, 2, … n questions of most confidence, of shape (n,)."""
    order = np.argsort(-confidences, kind="stable")
    return np.asarray(np.cumsum(1 - answerable[order]) / np.arange(1, len(order) + 1))


def separation(confidences: Array, answerable: Array) -> float:
    """The area under the ROC curve: how often an answerable question is given more confidence than another one."""
    positive, negative = confidences[answerable == 1], confidences[answerable == 0]
    wins = (positive[:, None] > negative[None]).mean() + (positive[:, None] == negative[None]).mean() / 2
    return float(wins)


def chart(curve: Array, coverage: float, risk: float) -> bytes | None:
    """The curve as a PNG with the point that was chosen; None without matplotlib (`journeyman[charts]`)."""
    if find_spec("matplotlib") is None:
        return None
    # An extra, and heavy; without pyplot there is no state, so it is safe in any thread.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.arange(1, len(curve) + 1) / len(curve), curve, color="#1f6f9f")
    axes.plot([coverage], [risk], "o", color="#c94f4f")
    label = f"answers {coverage:.0%},\n{risk:.0%} of them wrongly"
    axes.annotate(label, (coverage, risk), (8, -4), textcoords="offset points")
    axes.set(xlabel="Share of questions that are answered", ylabel="Share of those that should not be", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.grid(color="#e6eaed")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def store(conn: Connection[Any], fitted: FittedCalibration) -> None:
    """From the next question on this calibration holds, in every process."""
    with conn.transaction():
        conn.execute(
            _STORE,
            {
                "marks": list(fitted.marks),
                "weights": list(fitted.weights),
                "threshold": fitted.threshold,
                "target_risk": fitted.target_risk,
                "answerable": fitted.answerable,
                "unanswerable": fitted.unanswerable,
                "coverage": fitted.coverage,
                "risk": fitted.risk,
                "curve": list(fitted.curve),
                "chart": fitted.chart,
            },
        )


def latest(conn: Connection[Any]) -> FittedCalibration | None:
    """The calibration that holds; None while it is the default."""
    with conn.cursor(row_factory=class_row(FittedCalibration)) as cursor:
        return cursor.execute(_LATEST).fetchone()


def take_back(conn: Connection[Any]) -> bool:
    """The one before holds again, at last the default; False if that is so already."""
    with conn.transaction():
        return conn.execute(_TAKE_BACK).rowcount > 0


def _threshold(confidences: Array, answerable: Array, target_risk: float | None) -> float:
    """Chooses the threshold among the confidences themselves and one above all of them."""
    candidates = np.append(np.unique(confidences), min(1.0, float(confidences.max()) + 1e-6))
    answered = confidences[None] >= candidates[:, None]
    if target_risk is None:
        right = answered[:, answerable == 1].mean(axis=1) + (~answered[:, answerable == 0]).mean(axis=1)
        return float(candidates[int(np.argmax(right))])
    wrong = (answered * (1 - answerable)).sum(axis=1) / np.maximum(answered.sum(axis=1), 1)
    return float(candidates[int(np.argmax(wrong <= target_risk))])


def _logistic(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -50, 50))))
