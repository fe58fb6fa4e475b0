"""What speaks for a statement and what against it, as numbers: the features that its groundedness is fitted on.

The windows that together hold most of a statement are its evidence; what no window holds, what stands in other company,
and what they say otherwise speak against it.
"""

from dataclasses import dataclass

import numpy as np

from retrieval.answering.groundedness.alignment import SAME, Alignment, Floats, mean
from retrieval.answering.groundedness.basis import Basis
from retrieval.answering.groundedness.contradiction import contradiction
from retrieval.answering.groundedness.cooccurrence import cooccurrence
from retrieval.answering.groundedness.missing import missing
from retrieval.answering.groundedness.readings import StatementReading

FEATURES = (
    "nearness",
    "cover of all",
    "letters of all",
    "words in context",
    "worst word",
    "missing mass",
    "number missing",
    "number elsewhere",
    "unit differs",
    "count missing",
    "name missing",
    "name of the question missing",
    "code missing",
    "denial added",
    "denial dropped",
    "opposite",
    "value apart",
    "about the question",
    "cover of the new",
    "pairs",
    "name split",
    "value out of company",
    "number beside others",
    "name beside others",
)


@dataclass(frozen=True, slots=True)
class Features:
    """A statement's features, `values` in the order of FEATURES, and its evidence: windows as (passage, first sentence,
    last). `by_vectors`: whether words were compared by their vectors, too.
    """

    values: Floats
    windows: tuple[tuple[int, int, int], ...]
    by_vectors: bool


def extract_features(statement: StatementReading, question: StatementReading | None, basis: Basis) -> Features:
    """The features of a statement beside its passages; with none, everything is missing."""
    c = Alignment(statement, question, basis)
    if not len(basis.windows) or not c.own:
        return Features(_as_array(_nothing(c)), (), c.cosines is not None)
    by_name = _held(c) | missing(c) | contradiction(c) | cooccurrence(c)
    return Features(_as_array(by_name), tuple(_window(basis, w) for w in c.best_windows), c.cosines is not None)


def _as_array(values: dict[str, float]) -> Floats:
    return np.array([values[name] for name in FEATURES], dtype=np.float32)


def _nothing(c: Alignment) -> dict[str, float]:
    return dict.fromkeys(FEATURES, 0.0) | {"worst word": 1.0, "missing mass": c.total}


def _window(basis: Basis, w: int) -> tuple[int, int, int]:
    first, last = basis.windows[w]
    passage, start = basis.sentences[first]
    return passage, start, basis.sentences[last][1]


def _held(c: Alignment) -> dict[str, float]:
    """How near the windows are and how much of the statement they hold, by vectors and by letters."""
    covered = c.cover_in_windows[:, c.best_windows].max(axis=1)
    letters = c.in_windows(c.letters_by_sentence)[:, c.best_windows].max(axis=1)
    lack = c.rarity * (1 - covered)
    return {
        "nearness": float(c.nearness.max()),
        "cover of all": float(c.rarity @ covered / c.total),
        "letters of all": float(c.rarity @ letters / c.total),
        "cover of the new": _cover_of_the_new(c, covered),
        "words in context": _words_in_context(c),
        "worst word": float(lack.max()),
        "missing mass": float(lack.sum()),
        "about the question": _about_the_question(c),
    }


def _words_in_context(c: Alignment) -> float:
    if c.cosines is None or not c.cosines.size:
        return 0.0
    weight = c.rarity + 0.1
    return float(weight @ c.cosines.max(axis=1) / weight.sum())


def _about_the_question(c: Alignment) -> float:
    if c.question is None or c.question.vectors is None or c.statement.vectors is None:
        return 0.0
    return float(mean(c.question.vectors) @ mean(c.statement.vectors)) if len(c.question.words) else 0.0


def _cover_of_the_new(c: Alignment, covered: Floats) -> float:
    weight = c.rarity * (c.in_question < SAME)
    return float(weight @ covered / weight.sum()) if weight.sum() > 0 else 1.0
