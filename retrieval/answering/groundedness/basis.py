"""Several passages put together as statements are compared with them: one list of words, sentences and windows.

Made once for the passages of an answer, from their readings; windows are one sentence or two neighbouring ones.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.forms import FormIndex, WordForm
from retrieval.answering.groundedness.negation import NegationScope, clause_breaks, denying
from retrieval.answering.groundedness.readings import PassageReading
from retrieval.embedding import Vectors

Numbers = npt.NDArray[np.int64]


class Basis:
    """Several passages as one list of words, sentences and windows, to compare statements with."""

    def __init__(self, readings: Sequence[PassageReading]) -> None:
        self.readings = readings
        self.words: list[WordForm] = [word for reading in readings for word in reading.words]
        # Every word belongs to a sentence, and a sentence without words says nothing.
        counts = [np.bincount(reading.sentence_of, minlength=len(reading.sentences)) for reading in readings]
        self.sentences = [(p, s) for p, of_passage in enumerate(counts) for s, count in enumerate(of_passage) if count]
        lengths = [int(counts[p][s]) for p, s in self.sentences]
        self.passage_of = np.array([p for p, _ in self.sentences], dtype=np.int64)
        self.starts = np.cumsum([0, *lengths], dtype=np.int64)[:-1]
        self.sentence_of = np.repeat(np.arange(len(self.sentences)), lengths)
        self.forms = FormIndex(word.form for word in self.words)
        self.positions: list[Numbers] = [np.zeros(0, dtype=np.int64)] * len(self.forms.order)
        places: dict[int, list[int]] = {}
        for i, word in enumerate(self.words):
            places.setdefault(self.forms.place[word.form], []).append(i)
        for place, at in places.items():
            self.positions[place] = np.array(at)
        self.contexts = [FormIndex(word.form for word in reading.context) for reading in readings]
        self.vectors = _joined(readings)
        self.is_row = np.array([_is_row(readings[p].sentences[s]) for p, s in self.sentences], dtype=bool)
        singles = [(k, k) for k in range(len(self.sentences))]
        pairs = [(k, k + 1) for k in range(len(self.sentences) - 1) if self.passage_of[k] == self.passage_of[k + 1]]
        self.windows = np.array([*singles, *pairs], dtype=np.int64).reshape(-1, 2)
        self.window_vectors = self._window_vectors()
        self.denied = NegationScope.of([word.form for word in self.words], self._breaks())
        self.denying = denying([word.form for word in self.words])
        self.plain = "\n".join(reading.plain for reading in readings)

    def _breaks(self) -> list[bool]:
        """Whether a clause ends before each word."""
        breaks = []
        for p, s in self.sentences:
            reading = self.readings[p]
            text = reading.sentences[s]
            of_sentence = [w for w, at in zip(reading.words, reading.sentence_of, strict=True) if at == s]
            breaks += clause_breaks(text, of_sentence)
        return breaks

    def _window_vectors(self) -> Vectors | None:
        if self.vectors is None or not len(self.windows):
            return None
        sums = np.add.reduceat(self.vectors, self.starts, axis=0)
        of_windows = sums[self.windows[:, 0]] + np.where(
            (self.windows[:, 1] > self.windows[:, 0])[:, None], sums[self.windows[:, 1]], 0
        )
        return np.asarray(of_windows / np.maximum(np.linalg.norm(of_windows, axis=1, keepdims=True), 1e-6))


def _joined(readings: Sequence[PassageReading]) -> Vectors | None:
    parts = [reading.vectors for reading in readings if reading.vectors is not None]
    return np.concatenate(parts) if parts and len(parts) == len(readings) else None


def _is_row(sentence: str) -> bool:
    return sentence.count("|") >= 2
