"""A statement laid beside the words of its passages: what holds which of its words, and which windows hold most.

By the letters of words and, where the embedder has them, by their vectors in context (MaxSim: Khattab and Zaharia,
ColBERT, SIGIR 2020).
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.basis import Basis
from retrieval.answering.groundedness.forms import FormIndex, names
from retrieval.answering.groundedness.negation import denies
from retrieval.answering.groundedness.readings import StatementReading
from retrieval.embedding import Vectors
from retrieval.text.words import COMMON

WINDOWS = 3
"""Windows of one or two sentences that together may bear out a statement."""
LEAST_GAIN = 0.06
"""Share of a statement's weight that a further window must add."""
SAME = 0.9
"""Likeness from which a word counts as held."""
NEAR, FAR = 0.9, 0.45
"""Cosines of two words in context that count as the same and as nothing."""
NEARLY = 0.1
"""Share of its weight by which a window that says the same may hold less of a statement than the best."""
CONTEXT = 0.9
"""What a word of the title or the headings counts."""

ASKED = 0.4
"""What a word counts that the question has: it is how somebody asked, and what a statement adds to it must be borne
out. So it is where a terse answer is judged together with its question, too.
"""

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Alignment:
    """One statement beside the words of its passages."""

    def __init__(self, statement: StatementReading, question: StatementReading | None, basis: Basis) -> None:
        self.statement, self.question, self.basis = statement, question, basis
        self.own = statement.words
        self.rarity = np.array(
            [0.0 if w.form in COMMON or denies(w.form) else r for w, r in zip(self.own, statement.rarity, strict=True)],
            dtype=np.float32,
        )
        self.rarity = np.where(self._is_repeated, ASKED * self.rarity, self.rarity).astype(np.float32)
        self.total = float(self.rarity.sum()) or 1.0
        self.letters = self._letters()  # (own words, words)
        self.cosines = (
            statement.vectors @ basis.vectors.T
            if statement.vectors is not None and basis.vectors is not None and len(self.own)
            else None
        )
        credit = self.letters
        if self.cosines is not None:
            soft = np.clip((self.cosines - FAR) / (NEAR - FAR), 0, 1) * 0.95
            soft[self.numbers] = 0
            credit = np.maximum(credit, soft)
        self.credit = credit
        self.context = self._context()  # (own words, passages)
        self.by_sentence = self._per_sentence(credit)
        self.letters_by_sentence = self._per_sentence(self.letters)

    @property
    def _is_repeated(self) -> npt.NDArray[np.bool_]:
        """Which words a statement repeats from its question, but for those that were put before a terse answer."""
        own = np.arange(len(self.own)) >= self.statement.question_words
        return np.asarray((self.in_question >= SAME) & own, dtype=bool)

    def _letters(self) -> Floats:
        likeness_of = np.zeros((len(self.own), len(self.basis.words)), dtype=np.float32)
        for i, word in enumerate(self.own):
            for place, likeness in self.basis.forms.like(word.form).items():
                likeness_of[i, self.basis.positions[place]] = likeness
        return likeness_of

    def _context(self) -> Floats:
        likeness = np.zeros((len(self.own), len(self.basis.readings)), dtype=np.float32)
        for p, forms in enumerate(self.basis.contexts):
            for i, word in enumerate(self.own):
                likeness[i, p] = CONTEXT * max(forms.like(word.form).values(), default=0.0)
        return likeness

    def _per_sentence(self, credit: Floats) -> Floats:
        """The best credit of each own word in each sentence with its headings, (own words, sentences)."""
        if not len(self.basis.sentences) or not len(self.own):
            return np.zeros((len(self.own), len(self.basis.sentences)), dtype=np.float32)
        best = np.maximum.reduceat(credit, self.basis.starts, axis=1)
        return np.maximum(best, self.context[:, self.basis.passage_of])

    @cached_property
    def cover_in_windows(self) -> Floats:
        """The best credit of each own word in each window, (own words, windows)."""
        return self.in_windows(self.by_sentence)

    @cached_property
    def sentences(self) -> list[int]:
        """The sentences of the chosen windows."""
        return sorted({int(k) for w in self.best_windows for k in self.basis.windows[w]})

    @cached_property
    def here(self) -> npt.NDArray[np.bool_]:
        """Says of each word of the passages whether it stands in the chosen windows."""
        return np.isin(self.basis.sentence_of, self.sentences)

    @cached_property
    def numbers(self) -> npt.NDArray[np.bool_]:
        """Says of each word of the statement whether it is a number."""
        return np.array([word.is_number for word in self.own], dtype=bool)

    def in_windows(self, by_sentence: Floats) -> Floats:
        """Turns credits by sentence, (own words, sentences), into the best ones by window, (own words, windows)."""
        first, last = self.basis.windows[:, 0], self.basis.windows[:, 1]
        return np.maximum(by_sentence[:, first], by_sentence[:, last])

    @cached_property
    def nearness(self) -> Floats:
        """The cosine of the statement with each window."""
        if self.basis.window_vectors is None or self.statement.vectors is None:
            return np.zeros(len(self.basis.windows), dtype=np.float32)
        return np.asarray(self.basis.window_vectors @ mean(self.statement.vectors))

    @cached_property
    def best_windows(self) -> list[int]:
        """Windows that together cover most, each the one that adds most to those before it."""
        windows: list[int] = []
        cover = np.zeros(len(self.own), dtype=np.float32)
        single = self.basis.windows[:, 0] == self.basis.windows[:, 1]
        while len(windows) < WINDOWS:
            gains = self.rarity @ np.maximum(self.cover_in_windows - cover[:, None], 0) / self.total
            scores = gains + 0.1 * self.nearness + 0.02 * single
            best = int(scores.argmax())
            if windows and gains[best] < LEAST_GAIN:
                break
            windows.append(best)
            cover = np.maximum(cover, self.cover_in_windows[:, best])
        return windows

    @cached_property
    def places_of(self) -> list[Numbers]:
        """The places of the passages that hold each own word, in order."""
        return [np.flatnonzero(of_word >= 0.75) for of_word in self.letters]

    @cached_property
    def names(self) -> set[int]:
        """The places of its names, where a capital makes one."""
        return names(self.statement.text, self.own) if self.statement.capitals else set()

    @cached_property
    def values(self) -> list[int]:
        """The places of its own numbers and names."""
        places = self.names | {i for i, word in enumerate(self.own) if word.is_number}
        return sorted(i for i in places if i >= self.statement.question_words)

    @cached_property
    def in_question(self) -> Floats:
        """How much each own word stands in the question."""
        if self.question is None:
            return np.zeros(len(self.own), dtype=np.float32)
        forms = FormIndex(word.form for word in self.question.words)
        return np.array([max(forms.like(w.form).values(), default=0.0) for w in self.own], dtype=np.float32)

    def nearly_best(self) -> set[int]:
        """The sentences of the windows that hold nearly as much of the statement as the best one."""
        cover = self.rarity @ self.cover_in_windows / self.total
        return {int(k) for w in np.flatnonzero(cover >= cover.max() - NEARLY) for k in self.basis.windows[w]}

    def together(self, i: int, j: int, most: int) -> bool:
        """Whether two own words stand at most so far from each other in the passages, or one of them above them."""
        one, other = self.places_of[i], self.places_of[j]
        if not len(one) or not len(other):
            above = self.context.max(axis=1)
            return bool((len(one) and above[j] >= SAME * CONTEXT) or (len(other) and above[i] >= SAME * CONTEXT))
        at = np.searchsorted(other, one)
        after = other[np.minimum(at, len(other) - 1)]
        before = other[np.maximum(at - 1, 0)]
        return bool(min(np.abs(after - one).min(), np.abs(before - one).min()) <= most)


def mean(vectors: Vectors) -> Vectors:
    """The unit vector of the mean."""
    total = vectors.sum(axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-6))
