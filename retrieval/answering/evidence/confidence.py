"""How sure it is that the documents answer a question, and from when on that is enough.

A logistic regression over marks of what search returned (marks.py), to which two more are added
where they are known: how far what was written is grounded, and the model's own yes or no. Weights and threshold are
fitted on questions of which it is known (`journeyman calibrate`); the defaults hold until then. Figures:
docs/experiments.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection

from retrieval.answering.evidence.marks import Marks, logit, marks
from retrieval.answering.question.mentions import missing_mentions, names_only_what_is_missing
from retrieval.searching.passage import Passage

COMPARED = ("score", "words", "mentioned", "number")
"""Marks that are gone by where the words of question and passages were compared, by late interaction."""
NOT_COMPARED = ("score", "sentence", "mentioned", "number")
"""Marks that are gone by where these words were not compared."""

_READ_CALIBRATION = """
SELECT weights, threshold, marks FROM calibration WHERE taken_back_at IS NULL ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """`weights`: one for each of the `marks`, and the last for none. `threshold`: least confidence at which a question
    is answered.
    """

    weights: tuple[float, ...]
    threshold: float
    marks: tuple[str, ...] = COMPARED

    def confidence(
        self, measured_marks: Marks, *, grounded: float | None = None, says_yes: float | None = None
    ) -> float:
        """How likely the passages answer, between 0 and 1. `grounded`, `says_yes`: as in `assess`."""
        *weights, bias = self.weights
        measured = measured_marks.values(self.marks)
        total = bias + sum(weight * mark for weight, mark in zip(weights, measured, strict=True))
        for weight, middle, value in ((*GROUNDED, grounded), (*SAYS_YES, says_yes)):
            if value is not None:
                total += weight * (logit(value) - middle)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))

    def for_marks(self, measured_marks: Marks) -> "Calibration":
        """This one; where words were not compared and it goes by them, or the reverse, the default weights of that case
        with its threshold, which says how sure one wants to be.
        """
        expected = NOT_COMPARED if measured_marks.words is None else COMPARED
        if self.marks == expected:
            return self
        default = DEFAULTS[expected]
        return default if self in DEFAULTS.values() else replace(default, threshold=self.threshold)


DEFAULT = Calibration((3.212, 3.339, 1.244, 1.626, -7.473), 0.247)
DEFAULTS = {COMPARED: DEFAULT, NOT_COMPARED: Calibration((3.342, 1.332, 1.208, 1.593, -6.463), 0.21, NOT_COMPARED)}
"""Fitted by benchmarks/abstention.py on 1,777 questions of seven domains, of which none loses more than 8 % of its
answers (5 of grbl's 56); with a domain left out, its figures are in docs/experiments.md of 2026-11-30.
"""
GROUNDED = (0.5, 0.0)
SAYS_YES = (1.0, 0.0)
"""Weight of the logit of each, and the logit that says nothing either way."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Whether passages answer a question: how likely, whether that is enough, and what the question names that they do
    not hold.
    """

    confidence: float
    enough: bool
    missing: tuple[str, ...] = ()


def assess(
    question: str,
    passages: Sequence[Passage],
    *,
    calibration: Calibration = DEFAULT,
    grounded: float | None = None,
    says_yes: float | None = None,
) -> Assessment:
    """Whether the passages that were found answer what is asked now, of a follow-up the last message.

    `grounded`: how likely what was written is borne out, None before anything is; `says_yes`: how likely the model says
    that they answer, None where it was not asked. Where all codes that the question names are missing it is never
    enough, for a neighbour's answer would be wrong.
    """
    measured_marks = marks(question, passages)
    fitted = calibration.for_marks(measured_marks)
    confidence = fitted.confidence(measured_marks, grounded=grounded, says_yes=says_yes)
    enough = bool(passages) and confidence >= fitted.threshold and not names_only_what_is_missing(question, passages)
    return Assessment(confidence, enough, tuple(missing_mentions(question, passages)))


def calibration(conn: Connection[Any]) -> Calibration:
    """The one that holds: the default, too, where the newest one goes by marks that are not known any more."""
    row = conn.execute(_READ_CALIBRATION).fetchone()
    if row is None or tuple(row[2]) not in DEFAULTS:
        return DEFAULT
    return Calibration(tuple(row[0]), row[1], tuple(row[2]))
