"""How sure it is that the documents answer a question, and from when on that is enough.

A logistic regression over three marks of what search returned. Its weights and threshold are fitted on questions of
which it is known (`journeyman calibrate`); the defaults hold until then. Figures: docs/experiments.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from retrieval.answering.answer import Passage

READ = 5
"""Passages that the marks and the quotes are taken from: in further ones more was wrong than right."""
SUPPORTING = 3

_READ_CALIBRATION = """
SELECT weights, threshold FROM calibration WHERE taken_back_at IS NULL ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """`weights`: one a mark, and the last for none. `threshold`: least confidence at which a question is answered."""

    weights: tuple[float, ...]
    threshold: float

    def confidence(self, passages: Sequence[Passage]) -> float:
        """How likely the passages answer, between 0 and 1."""
        *weights, bias = self.weights
        logit = bias + sum(weight * mark for weight, mark in zip(weights, marks(passages), strict=True))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))


DEFAULT = Calibration((5.7, 2.3, 11.4, -8.3), 0.3)
"""Fitted on 172 questions of two companies, each also asked of the other's documents."""


def marks(passages: Sequence[Passage]) -> tuple[float, float, float]:
    """What tells an answer from its absence, each the more the better: the nearest passage; the best sentence, by its
    nearness and the words it shares; and how near the best sentences are together.
    """
    read = passages[:READ]
    sentences = [sentence for passage in read for sentence in passage.sentences]
    near = sorted((sentence.similarity for sentence in sentences), reverse=True)[:SUPPORTING]
    return (
        max((passage.similarity for passage in read), default=0.0),
        max((sentence.similarity + sentence.overlap for sentence in sentences), default=0.0),
        sum(near) / SUPPORTING,
    )


def calibration(conn: Connection[Any]) -> Calibration:
    """The one that holds."""
    row = conn.execute(_READ_CALIBRATION).fetchone()
    return Calibration(tuple(row[0]), row[1]) if row else DEFAULT
