"""How likely it is that passages bear out a statement: what a model writes is shown only where they do.

A statement is aligned with the sentences of the passages; what speaks for it and against it (`extract_features`) is
added up to a calibrated probability with fitted weights (`benchmarks/groundedness.py`). No model is asked; a model as
judge may add what it thinks.
"""

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from retrieval.answering.groundedness.alignment import Floats
from retrieval.answering.groundedness.basis import Basis
from retrieval.answering.groundedness.features import FEATURES, Features, extract_features
from retrieval.answering.groundedness.forms import signed
from retrieval.answering.groundedness.readings import PassageReading, Reader, StatementReading
from retrieval.answering.statements import statements, without_citations
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage
from retrieval.text.words import content

TERSE = 3
"""Words of its own, below which a statement is judged together with its question."""
ASKED = 0.4
"""What a word of its question counts where a terse answer is judged together with it."""
KEPT = 8
"""Sets of passages whose comparison is kept ready; a statement that follows another has the same passages."""


OTHERWISE_TYPED = 0.02
"""How likely a statement is borne out at most that types a code which what it rests on does not hold."""

_EMPHASIS = re.compile(r"\*\*|__(?=\w)|(?<=\w)__|^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_NUMBERED = re.compile(r"(?:^|(?<=\s))(\d{1,2})[.)]\s+(?=\S)")
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


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """An additive model: each feature adds what its curve, straight between its points, has at the feature's value.

    `threshold` is the probability from which a statement is shown; `judge` weighs the log odds of a model's yes.
    """

    bias: float
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    threshold: float
    judge: float = 0.0

    def probability(self, features: Floats, judged: float | None = None) -> float:
        """From the features in the order of FEATURES and, where a model judged, its probability of yes."""
        total = self.bias
        for name, (at, adds) in self.curves.items():
            total += float(np.interp(features[FEATURES.index(name)], at, adds))
        if judged is not None:
            sure = min(max(judged, 1e-4), 1 - 1e-4)
            total += self.judge * float(np.log(sure / (1 - sure)))
        return float(1 / (1 + np.exp(-total)))


@cache
def fitted_models() -> Mapping[str, AdditiveModel]:
    """The weights in the package: "vectors" for a model that knows the words, "letters" for words alone."""
    kept = json.loads(
        (files("retrieval") / "answering" / "groundedness" / "groundedness_weights.json").read_text(encoding="utf-8")
    )
    return {name: read_model(kept[name]) for name in ("vectors", "letters")}


def read_model(kept: Mapping[str, Any]) -> AdditiveModel:
    """Weights from JSON."""
    curves = {name: (tuple(curve["at"]), tuple(curve["adds"])) for name, curve in kept["curves"].items()}
    return AdditiveModel(kept["bias"], curves, kept["threshold"], kept.get("judge", 0.0))


def statements_of(answer: str) -> list[str]:
    """The statements of a whole text, without citations, bullets and marks of emphasis and headings."""
    found = statements([_enumerated(_EMPHASIS.sub("", answer))])
    return [text for text in (without_citations(statement)[0].strip() for statement in found) if text]


def _enumerated(text: str) -> str:
    """A list that was written in one line (first: 1. Stop it. 2. Wait.), with an item a line."""
    expected, cuts = 1, []
    for number in _NUMBERED.finditer(text):
        if int(number[1]) in (expected, 1):  # the next one, or another list
            expected = int(number[1]) + 1
            cuts.append(number.start(1))
    if len(cuts) < 2:
        return text
    return "".join(text[start:end] + "\n" for start, end in pairwise([0, *cuts, len(text)])).strip()


class Groundedness:
    """Judges statements by passages. What was read of passages is kept, so that the statements of one answer cost
    little each. Safe from several threads.
    """

    def __init__(self, embedder: Embedder, weights: Mapping[str, AdditiveModel] | None = None) -> None:
        self._reader = Reader(embedder)
        self._weights = weights
        self._known: OrderedDict[tuple[int, ...], tuple[Sequence[PassageReading], Basis]] = OrderedDict()
        self._looking = threading.Lock()

    def judge(
        self,
        question: str,
        statements: Sequence[str],
        passages: Sequence[Passage],
        judge_probability: Sequence[float | None] | None = None,
    ) -> list[Judgement]:
        """One judgement a statement, in their order. `judge_probability` is what a model as judge said of each.

        Raises EmbedderMissing if the embedding model is not installed.
        """
        if not statements:
            return []
        basis = self._basis(self._reader.passages(passages))
        judged = judge_probability or [None] * len(statements)
        asked = self._reader.question(question)
        read = self._reader.statements([as_judged(text, question) for text in statements])
        read = [_of_its_own(statement, text) for statement, text in zip(read, statements, strict=True)]
        return [
            self._judgement(text, statement, asked, basis, passages, by_model)
            for text, statement, by_model in zip(statements, read, judged, strict=True)
        ]

    def _judgement(
        self,
        text: str,
        statement: StatementReading,
        question: StatementReading,
        basis: Basis,
        passages: Sequence[Passage],
        judged: float | None,
    ) -> Judgement:
        found = extract_features(statement, question, basis)
        weights = (self._weights or fitted_models())["vectors" if found.by_vectors else "letters"]
        probability = weights.probability(found.features, judged) if found.windows else 0.0
        rests_on = tuple(dict.fromkeys(window[0] for window in found.windows))
        evidence = _evidence(found, basis, passages)
        if not signed(text) <= signed(" ".join([*(one.text for one in evidence), *_above(passages, rests_on)])):
            probability = min(probability, OTHERWISE_TYPED)
        return Judgement(
            text=text,
            probability=round(probability, 4),
            shown=probability >= weights.threshold,
            passages=rests_on,
            evidence=evidence,
        )

    def _basis(self, readings: Sequence[PassageReading]) -> Basis:
        """The readings put together, from memory where they were before."""
        key = tuple(map(id, readings))
        with self._looking:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key][1]
        basis = Basis(readings)
        with self._looking:
            self._known[key] = (readings, basis)  # the readings are held, so that their ids stay theirs
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return basis


def as_judged(text: str, question: str) -> str:
    """A terse answer together with its question; a statement that says something by itself as it stands.

    What the number of the next item left at its end is no part of it.
    """
    text = _NEXT_NUMBER.sub(":", _EMPHASIS.sub("", text))
    return text if len(content(text)) >= TERSE else f"{question.strip()} {text}".strip()


def _of_its_own(statement: StatementReading, text: str) -> StatementReading:
    """A terse answer's own words count in full, those of its question, which may be anybody's, less."""
    words = sum(word.start < len(statement.text) - len(text) for word in statement.words)
    rarity = np.append(statement.rarity[:words] * ASKED, statement.rarity[words:])
    return replace(statement, rarity=rarity, asked=words)


def _above(passages: Sequence[Passage], places: Sequence[int]) -> list[str]:
    return [f"{passages[place].title} {passages[place].heading}" for place in places]


def _evidence(found: Features, basis: Basis, passages: Sequence[Passage]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(p, _span(passages[p], basis.readings[p].sentences[first : last + 1]))
        for p, first, last in found.windows
    )


def _span(passage: Passage, sentences: Sequence[str]) -> str:
    """Neighbouring sentences as they stand in the passage, with what stands between them."""
    for text in (passage.text, passage.before, passage.after):
        start = text.find(sentences[0])
        end = text.find(sentences[-1], start + 1 if len(sentences) > 1 else start) if start >= 0 else -1
        if end >= 0:
            return text[start : end + len(sentences[-1])]
    return "\n".join(sentences)
