"""What speaks for a statement and what against it, as numbers: the features that its groundedness is fitted on.

The windows that together hold most of a statement are its evidence; what no window holds, what stands in other company,
and what they say otherwise speak against it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.alignment import SAME, Alignment, Floats, mean
from retrieval.answering.groundedness.basis import Basis
from retrieval.answering.groundedness.contradiction import contradiction_features
from retrieval.answering.groundedness.cooccurrence import cooccurrence_features
from retrieval.answering.groundedness.missing import missing_features
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
    "cover of the common",
    "pairs",
    "name split",
    "value out of company",
    "number beside others",
    "name beside others",
)


LEAST_HELD, LEAST_NEAR = 0.55, 0.5
"""Share of its common words, and nearness to a window, one of which a statement has that is not made up."""


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
    alignment = Alignment(statement, question, basis)
    if not len(basis.windows) or not alignment.own:
        return Features(_as_array(_nothing(alignment)), (), alignment.cosines is not None)
    by_name = (
        _held(alignment)
        | missing_features(alignment)
        | contradiction_features(alignment)
        | cooccurrence_features(alignment)
    )
    return Features(
        _as_array(by_name), tuple(_window(basis, w) for w in alignment.best_windows), alignment.cosines is not None
    )


def is_made_up(features: Features) -> bool:
    """Whether the passages have a statement's names, numbers and codes at most: what it says of them is neither there
    in words nor near in sense. Without vectors nothing is known of its sense.
    """
    return features.by_vectors and bool(made_up(features.values[np.newaxis])[0])


def made_up(values: Floats) -> npt.NDArray[np.bool_]:
    """The same of several statements, by their features of shape (statements, features)."""
    held, near = (values[:, FEATURES.index(name)] for name in ("cover of the common", "nearness"))
    return np.asarray((held < LEAST_HELD) & (near < LEAST_NEAR), dtype=bool)


def _as_array(values: dict[str, float]) -> Floats:
    return np.array([values[name] for name in FEATURES], dtype=np.float32)


def _nothing(alignment: Alignment) -> dict[str, float]:
    return dict.fromkeys(FEATURES, 0.0) | {"worst word": 1.0, "missing mass": alignment.total}


def _window(basis: Basis, w: int) -> tuple[int, int, int]:
    first, last = basis.windows[w]
    passage, start = basis.sentences[first]
    return passage, start, basis.sentences[last][1]


def _held(alignment: Alignment) -> dict[str, float]:
    """How near the windows are and how much of the statement they hold, by vectors and by letters."""
    covered = alignment.cover_in_windows[:, alignment.best_windows].max(axis=1)
    letters = alignment.in_windows(alignment.letters_by_sentence)[:, alignment.best_windows].max(axis=1)
    lack = alignment.rarity * (1 - covered)
    return {
        "nearness": float(alignment.nearness.max()),
        "cover of all": float(alignment.rarity @ covered / alignment.total),
        "letters of all": float(alignment.rarity @ letters / alignment.total),
        "cover of the new": _cover_of_the_new(alignment, covered),
        "cover of the common": _cover_of_the_common(alignment, covered),
        "words in context": _words_in_context(alignment),
        "worst word": float(lack.max()),
        "missing mass": float(lack.sum()),
        "about the question": _about_the_question(alignment),
    }


def _words_in_context(alignment: Alignment) -> float:
    if alignment.cosines is None or not alignment.cosines.size:
        return 0.0
    weight = alignment.rarity + 0.1
    return float(weight @ alignment.cosines.max(axis=1) / weight.sum())


def _about_the_question(alignment: Alignment) -> float:
    if alignment.question is None or alignment.question.vectors is None or alignment.statement.vectors is None:
        return 0.0
    return (
        float(mean(alignment.question.vectors) @ mean(alignment.statement.vectors))
        if len(alignment.question.words)
        else 0.0
    )


def _cover_of_the_new(alignment: Alignment, covered: Floats) -> float:
    weight = alignment.rarity * (alignment.in_question < SAME)
    return float(weight @ covered / weight.sum()) if weight.sum() > 0 else 1.0


def _cover_of_the_common(alignment: Alignment, covered: Floats) -> float:
    """Of the words that are no name, number or code: that a thing is named well says nothing of what is said of it."""
    exact = alignment.numbers | np.array([word.written.isupper() for word in alignment.own], dtype=bool)
    exact[list(alignment.names)] = True
    weight = alignment.rarity * ~exact
    return float(weight @ covered / weight.sum()) if weight.sum() > 0 else 1.0
