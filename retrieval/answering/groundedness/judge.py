"""How likely it is that passages bear out a statement: what a model writes is shown only where they do.

A statement is aligned with the sentences of the passages; what speaks for it and against it (`extract_features`) is
added up to a calibrated probability with fitted weights (`benchmarks/groundedness.py`). No model is asked; a model as
judge may add what it thinks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.answering.groundedness.additive_model import AdditiveModel, fitted_models
from retrieval.answering.groundedness.alignment import ASKED
from retrieval.answering.groundedness.basis import Basis
from retrieval.answering.groundedness.features import Features, extract_features, is_made_up
from retrieval.answering.groundedness.forms import signed
from retrieval.answering.groundedness.readings import PassageReading, Reader, StatementReading
from retrieval.answering.statements import without_emphasis
from retrieval.embedding import Embedder
from retrieval.recent import RecentValues
from retrieval.searching.passage import Passage
from retrieval.text.words import content

TERSE = 3
"""Words of its own, below which a statement is judged together with its question."""
KEPT = 8
"""Sets of passages whose comparison is kept ready; a statement that follows another has the same passages."""
MADE_UP = 0.1
"""How likely a statement is borne out at most that is made up but for names, numbers and codes."""
OTHERWISE_TYPED = 0.02
"""How likely a statement is borne out at most that types a code which what it rests on does not hold."""

_NEXT_NUMBER = re.compile(r":\s*1[.)]?$")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What bears a statement out: the index of a passage, and sentences or a table row of it, word for word."""

    passage: int
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """How likely the passages bear out a statement, and whether that is enough to show it. `passages` are the indices,
    from 0, of those that it rests on, best first, several where one does not hold all; `evidence` is theirs.
    """

    text: str
    probability: float
    shown: bool
    passages: tuple[int, ...]
    evidence: tuple[Evidence, ...]


class Groundedness:
    """Judges statements by passages. What was read of passages is kept, so that the statements of one answer cost
    little each. Safe from several threads.
    """

    def __init__(self, embedder: Embedder, models: Mapping[str, AdditiveModel] | None = None) -> None:
        self._reader = Reader(embedder)
        self._models = models or fitted_models()
        self._bases = RecentValues[tuple[int, ...], tuple[Sequence[PassageReading], Basis]](KEPT)

    def judge(
        self,
        question: str,
        statements: Sequence[str],
        passages: Sequence[Passage],
        judge_probability: Sequence[float | None] | None = None,
    ) -> list[Judgement]:
        """One judgement a statement, in their order. `judge_probability` is what a model as judge says of each.

        Raises EmbedderMissing if the embedding model is not installed.
        """
        if not statements:
            return []
        basis = self._basis(self._reader.passages(passages))
        probabilities = judge_probability or [None] * len(statements)
        about = self._reader.question(question)
        readings = self._reader.statements([as_judged(text, question) for text in statements])
        return [
            self._judgement(text, _of_its_own(reading, text), about, basis, passages, by_model)
            for text, reading, by_model in zip(statements, readings, probabilities, strict=True)
        ]

    def _judgement(
        self,
        text: str,
        statement: StatementReading,
        question: StatementReading,
        basis: Basis,
        passages: Sequence[Passage],
        by_model: float | None,
    ) -> Judgement:
        features = extract_features(statement, question, basis)
        model = self._models["vectors" if features.by_vectors else "letters"]
        probability = model.probability(features.values, by_model) if features.windows else 0.0
        rests_on = tuple(dict.fromkeys(window[0] for window in features.windows))
        if statement.text == text and is_made_up(features):  # not where the question stands before a terse answer
            probability = min(probability, MADE_UP)
        evidence = _evidence(features, basis, passages)
        texts = [*(piece.text for piece in evidence), *_above(passages, rests_on)]
        if not signed(text) <= signed(" ".join(texts)):
            probability = min(probability, OTHERWISE_TYPED)
        return Judgement(
            text=text,
            probability=round(probability, 4),
            shown=probability >= model.threshold,
            passages=rests_on,
            evidence=evidence,
        )

    def _basis(self, readings: Sequence[PassageReading]) -> Basis:
        """The readings put together, from memory where they were before."""
        key = tuple(map(id, readings))
        # The readings are kept beside their basis, so that their ids stay theirs.
        entry = self._bases.among([key]).get(key) or (readings, Basis(readings))
        self._bases.keep({key: entry})
        return entry[1]


def as_judged(text: str, question: str) -> str:
    """A terse answer together with its question; a statement that says something by itself as it stands.

    What the number of the next item left at its end is no part of it.
    """
    text = _NEXT_NUMBER.sub(":", without_emphasis(text))
    return text if len(content(text)) >= TERSE else f"{question.strip()} {text}".strip()


def _of_its_own(statement: StatementReading, text: str) -> StatementReading:
    """A terse answer's own words count in full, those of its question, which may be anybody's, less."""
    words = sum(word.start < len(statement.text) - len(text) for word in statement.words)
    rarity = np.append(statement.rarity[:words] * ASKED, statement.rarity[words:])
    return replace(statement, rarity=rarity, question_words=words)


def _above(passages: Sequence[Passage], places: Sequence[int]) -> list[str]:
    return [f"{passages[place].title} {passages[place].heading}" for place in places]


def _evidence(features: Features, basis: Basis, passages: Sequence[Passage]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(p, _span(passages[p], basis.readings[p].sentences[first : last + 1]))
        for p, first, last in features.windows
    )


def _span(passage: Passage, sentences: Sequence[str]) -> str:
    """Neighbouring sentences as they stand in the passage, with what stands between them."""
    for text in (passage.text, passage.before, passage.after):
        start = text.find(sentences[0])
        end = text.find(sentences[-1], start + 1 if len(sentences) > 1 else start) if start >= 0 else -1
        if end >= 0:
            return text[start : end + len(sentences[-1])]
    return "\n".join(sentences)
