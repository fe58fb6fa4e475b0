"""What speaks for a statement and what against it, as numbers: the features that its groundedness is fitted on.

A statement is laid beside the sentences of its passages word by word: by the letters of words and, where the embedder
has them, by their vectors in context (MaxSim: Khattab and Zaharia, ColBERT, SIGIR 2020). The windows that together hold
most of it are its evidence; what no window holds, or what they say otherwise, speaks against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retrieval.answering.denial import denies, opposites
from retrieval.answering.forms import COUNTS, UNITS, Forms, Word, holds, names, typed
from retrieval.answering.readings import Reading, Statement
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
REACH = 12
"""Words before and after a denial that it may speak of."""
TOGETHER = 4
"""Words that may stand between two of a statement in the passage that has them together."""
CONTEXT = 0.9
"""What a word of the title or the headings counts."""

FEATURES = (
    "nearness",
    "nearness of all",
    "cover of one",
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
    "length",
    "cover of the new",
    "pairs",
    "name split",
    "value out of company",
)

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grounds:
    """A statement's features in the order of FEATURES, and its evidence: windows as (passage, first sentence, last)."""

    features: Floats
    windows: tuple[tuple[int, int, int], ...]
    by_vectors: bool


class Basis:
    """Several passages as one list of words, sentences and windows, to compare statements with."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.readings = readings
        self.words: list[Word] = [word for reading in readings for word in reading.words]
        # Every word belongs to a sentence, and a sentence without words says nothing.
        counts = [np.bincount(reading.sentence_of, minlength=len(reading.sentences)) for reading in readings]
        self.sentences = [(p, s) for p, of_passage in enumerate(counts) for s, count in enumerate(of_passage) if count]
        lengths = [int(counts[p][s]) for p, s in self.sentences]
        self.passage_of = np.array([p for p, _ in self.sentences], dtype=np.int64)
        self.starts = np.cumsum([0, *lengths], dtype=np.int64)[:-1]
        self.sentence_of = np.repeat(np.arange(len(self.sentences)), lengths)
        self.forms = Forms(word.form for word in self.words)
        self.positions: list[Numbers] = [np.zeros(0, dtype=np.int64)] * len(self.forms.order)
        places: dict[int, list[int]] = {}
        for i, word in enumerate(self.words):
            places.setdefault(self.forms.place[word.form], []).append(i)
        for place, at in places.items():
            self.positions[place] = np.array(at)
        self.contexts = [Forms(word.form for word in reading.context) for reading in readings]
        self.vectors = _joined(readings)
        self.is_row = np.array([_is_row(readings[p].sentences[s]) for p, s in self.sentences], dtype=bool)
        singles = [(k, k) for k in range(len(self.sentences))]
        pairs = [(k, k + 1) for k in range(len(self.sentences) - 1) if self.passage_of[k] == self.passage_of[k + 1]]
        self.windows = np.array([*singles, *pairs], dtype=np.int64).reshape(-1, 2)
        self.window_vectors = self._window_vectors()
        self.denied = _Denied.of([word.form for word in self.words], self._breaks())
        self.plain = "\n".join(reading.plain for reading in readings)

    def _breaks(self) -> list[bool]:
        """Whether a clause ends before each word."""
        found = []
        for p, s in self.sentences:
            reading = self.readings[p]
            text = reading.sentences[s]
            of_sentence = [w for w, at in zip(reading.words, reading.sentence_of, strict=True) if at == s]
            found += _clause_breaks(text, of_sentence)
        return found

    def _window_vectors(self) -> Vectors | None:
        if self.vectors is None or not len(self.windows):
            return None
        sums = np.add.reduceat(self.vectors, self.starts, axis=0)
        of_windows = sums[self.windows[:, 0]] + np.where(
            (self.windows[:, 1] > self.windows[:, 0])[:, None], sums[self.windows[:, 1]], 0
        )
        return np.asarray(of_windows / np.maximum(np.linalg.norm(of_windows, axis=1, keepdims=True), 1e-6))


def _joined(readings: Sequence[Reading]) -> Vectors | None:
    parts = [reading.vectors for reading in readings if reading.vectors is not None]
    return np.concatenate(parts) if parts and len(parts) == len(readings) else None


def _is_row(sentence: str) -> bool:
    return sentence.count("|") >= 2


def _clause_breaks(text: str, of_text: Sequence[Word]) -> list[bool]:
    if not of_text:
        return []
    breaks = [True]
    for one, other in pairwise(of_text):
        between = text[one.end : other.start]
        breaks.append(any(mark in between for mark in ".;,:!?\n|("))
    return breaks


def _near(forms: Sequence[str], breaks: Sequence[bool]) -> npt.NDArray[np.bool_]:
    """Whether each word is denied: one of three after a denial in its clause, or before one that ends it."""
    found = np.zeros(len(forms), dtype=bool)
    for i, form in enumerate(forms):
        if denies(form):
            after = _in_clause(breaks, i, 3)
            found[after or _before_in_clause(breaks, i, 3)] = True
    return found


def _wide(forms: Sequence[str], breaks: Sequence[bool]) -> npt.NDArray[np.bool_]:
    """Whether a denial may still speak of each word: one not far from it in its clause."""
    found = np.zeros(len(forms), dtype=bool)
    for i, form in enumerate(forms):
        if denies(form):
            found[_in_clause(breaks, i, REACH) + _before_in_clause(breaks, i, REACH)] = True
    return found


def _in_clause(breaks: Sequence[bool], i: int, most: int) -> list[int]:
    """The places of up to so many words after one, to the end of its clause."""
    found: list[int] = []
    for j in range(i + 1, min(i + 1 + most, len(breaks))):
        if breaks[j]:
            break
        found.append(j)
    return found


def _before_in_clause(breaks: Sequence[bool], i: int, most: int) -> list[int]:
    found: list[int] = []
    while i > 0 and not breaks[i] and len(found) < most:
        i -= 1
        found.append(i)
    return found


@dataclass(frozen=True, slots=True)
class _Denied:
    """Which words a denial is near to, and which it may still speak of."""

    near: npt.NDArray[np.bool_]
    wide: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, forms: Sequence[str], breaks: Sequence[bool]) -> "_Denied":
        return cls(_near(forms, breaks), _wide(forms, breaks))


def grounds(statement: Statement, question: Statement | None, basis: Basis) -> Grounds:
    """The features of a statement beside its passages; with none, everything is missing."""
    return _Comparison(statement, question, basis).grounds()


class _Comparison:
    """One statement beside the words of its passages."""

    def __init__(self, statement: Statement, question: Statement | None, basis: Basis) -> None:
        self.statement, self.question, self.basis = statement, question, basis
        self.own = statement.words
        self.rarity = np.array(
            [0.0 if w.form in COMMON or denies(w.form) else r for w, r in zip(self.own, statement.rarity, strict=True)],
            dtype=np.float32,
        )
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
            numbers = np.array([w.is_number for w in self.own], dtype=bool)
            soft[numbers] = 0
            credit = np.maximum(credit, soft)
        self.credit = credit
        self.context = self._context()  # (own words, passages)
        self.by_sentence = self._per_sentence(credit)
        self.letters_by_sentence = self._per_sentence(self.letters)

    def _letters(self) -> Floats:
        found = np.zeros((len(self.own), len(self.basis.words)), dtype=np.float32)
        for i, word in enumerate(self.own):
            for place, likeness in self.basis.forms.like(word.form).items():
                found[i, self.basis.positions[place]] = likeness
        return found

    def _context(self) -> Floats:
        found = np.zeros((len(self.own), len(self.basis.readings)), dtype=np.float32)
        for p, forms in enumerate(self.basis.contexts):
            for i, word in enumerate(self.own):
                found[i, p] = CONTEXT * max(forms.like(word.form).values(), default=0.0)
        return found

    def _per_sentence(self, credit: Floats) -> Floats:
        """The best credit of each own word in each sentence with its headings, (own words, sentences)."""
        if not len(self.basis.sentences) or not len(self.own):
            return np.zeros((len(self.own), len(self.basis.sentences)), dtype=np.float32)
        best = np.maximum.reduceat(credit, self.basis.starts, axis=1)
        return np.maximum(best, self.context[:, self.basis.passage_of])

    def _in_windows(self, by_sentence: Floats) -> Floats:
        first, last = self.basis.windows[:, 0], self.basis.windows[:, 1]
        return np.maximum(by_sentence[:, first], by_sentence[:, last])

    def grounds(self) -> Grounds:
        if not len(self.basis.windows) or not self.own:
            return Grounds(self._empty(), (), self.cosines is not None)
        in_windows = self._in_windows(self.by_sentence)
        nearness = self._nearness()
        chosen = self._choose(in_windows, nearness)
        covered = in_windows[:, chosen].max(axis=1)
        sentences = sorted({int(k) for w in chosen for k in self.basis.windows[w]})
        values = self._values(in_windows, nearness, chosen, covered, sentences)
        windows = tuple(self._window(w) for w in chosen)
        return Grounds(
            np.array([values[name] for name in FEATURES], dtype=np.float32), windows, self.cosines is not None
        )

    def _empty(self) -> Floats:
        values = dict.fromkeys(FEATURES, 0.0) | {"worst word": 1.0, "missing mass": self.total}
        return np.array([values[name] for name in FEATURES], dtype=np.float32)

    def _window(self, w: int) -> tuple[int, int, int]:
        first, last = self.basis.windows[w]
        passage, start = self.basis.sentences[first]
        return passage, start, self.basis.sentences[last][1]

    def _nearness(self) -> Floats:
        if self.basis.window_vectors is None or self.statement.vectors is None:
            return np.zeros(len(self.basis.windows), dtype=np.float32)
        return np.asarray(self.basis.window_vectors @ _mean(self.statement.vectors))

    def _choose(self, in_windows: Floats, nearness: Floats) -> list[int]:
        """Windows that together cover most, each the one that adds most to those before it."""
        chosen: list[int] = []
        held = np.zeros(len(self.own), dtype=np.float32)
        single = self.basis.windows[:, 0] == self.basis.windows[:, 1]
        while len(chosen) < WINDOWS:
            gains = self.rarity @ np.maximum(in_windows - held[:, None], 0) / self.total
            scores = gains + 0.1 * nearness + 0.02 * single
            best = int(scores.argmax())
            if chosen and gains[best] < LEAST_GAIN:
                break
            chosen.append(best)
            held = np.maximum(held, in_windows[:, best])
        return chosen

    def _values(
        self, in_windows: Floats, nearness: Floats, chosen: list[int], covered: Floats, sentences: list[int]
    ) -> dict[str, float]:
        lack = self.rarity * (1 - covered)
        values = {
            "nearness": float(nearness.max()),
            "nearness of all": self._nearness_of_all(chosen),
            "cover of one": float((self.rarity @ in_windows).max() / self.total),
            "cover of all": float(self.rarity @ covered / self.total),
            "letters of all": float(
                self.rarity @ self._in_windows(self.letters_by_sentence)[:, chosen].max(axis=1) / self.total
            ),
            "words in context": self._words_in_context(),
            "worst word": float(lack.max()),
            "missing mass": float(lack.sum()),
            "about the question": self._about_the_question(),
            "length": float(np.log1p(self.total)),
        }
        values |= self._exact(sentences)
        values |= self._contradiction(sentences)
        values["value apart"] = self._value_apart(in_windows)
        values["cover of the new"] = self._cover_of_the_new(covered)
        values["pairs"] = self._pairs()
        values["name split"] = self._name_split()
        values["value out of company"] = self._value_out_of_company()
        return values

    def _nearness_of_all(self, chosen: list[int]) -> float:
        if self.basis.window_vectors is None or self.statement.vectors is None:
            return 0.0
        return float(_mean(self.basis.window_vectors[chosen]) @ _mean(self.statement.vectors))

    def _words_in_context(self) -> float:
        if self.cosines is None or not self.cosines.size:
            return 0.0
        weight = self.rarity + 0.1
        return float(weight @ self.cosines.max(axis=1) / weight.sum())

    def _about_the_question(self) -> float:
        if self.question is None or self.question.vectors is None or self.statement.vectors is None:
            return 0.0
        return float(_mean(self.question.vectors) @ _mean(self.statement.vectors)) if len(self.question.words) else 0.0

    @cached_property
    def _held_at(self) -> list[Numbers]:
        """The places of the passages that hold each own word, in order."""
        return [np.flatnonzero(of_word >= 0.75) for of_word in self.letters]

    @cached_property
    def _named(self) -> set[int]:
        """The places of its names, where a capital makes one."""
        return names(self.statement.text, self.own) if self.statement.capitals else set()

    @cached_property
    def _values_in_it(self) -> list[int]:
        """The places of its numbers and names."""
        return sorted(self._named | {i for i, w in enumerate(self.own) if w.is_number})

    @cached_property
    def _asked(self) -> Floats:
        """How much each own word stands in the question."""
        if self.question is None:
            return np.zeros(len(self.own), dtype=np.float32)
        forms = Forms(word.form for word in self.question.words)
        return np.array([max(forms.like(w.form).values(), default=0.0) for w in self.own], dtype=np.float32)

    def _cover_of_the_new(self, covered: Floats) -> float:
        weight = self.rarity * (self._asked < SAME)
        return float(weight @ covered / weight.sum()) if weight.sum() > 0 else 1.0

    def _exact(self, sentences: list[int]) -> dict[str, float]:
        held_anywhere = np.maximum(self.letters.max(axis=1), self.context.max(axis=1) / CONTEXT)
        held_here = np.maximum(self.letters_by_sentence[:, sentences].max(axis=1), self.context.max(axis=1) / CONTEXT)
        number = np.array([w.is_number for w in self.own], dtype=bool)
        count = np.array([w.form in COUNTS for w in self.own], dtype=bool)
        named = np.zeros(len(self.own), dtype=bool)
        named[list(self._named)] = True
        named &= ~number & ~count & (self.rarity > 0.3)
        asked = self._asked
        soft = np.maximum(held_anywhere, self.credit.max(axis=1) * 0.8)
        missing_name = named * (1 - soft) * self.rarity
        return {
            "number missing": float((number & (held_anywhere < SAME) & (asked < SAME)).sum()),
            "number elsewhere": float((number & (held_anywhere >= SAME) & (held_here < SAME)).sum()),
            "unit differs": self._unit_differs(),
            "count missing": float((count & (held_anywhere < SAME)).sum()),
            "name missing": float((missing_name * (asked < SAME)).max(initial=0)),
            "name of the question missing": float((missing_name * (asked >= SAME)).max(initial=0)),
            "code missing": float(sum(not holds(self.basis.plain, code) for code in typed(self.statement.text))),
        }

    def _unit_differs(self) -> float:
        worst = 0.0
        for i, (word, following) in enumerate(pairwise(self.own)):
            gap = self.statement.text[word.end : following.start]
            if not word.is_number or following.is_number or following.form in COMMON or len(gap) > 1 or gap == ".":
                continue
            if i and self.own[i - 1].end == word.start and not self.own[i - 1].is_number:  # A204 counts nothing
                continue
            worst = max(worst, self._mismatch(i))
        return worst

    def _mismatch(self, i: int) -> float:
        """How much the words after a number differ from those after the same number in the passages, at the best place.

        The second word counts where the first is the same (500 operating hours, 500 operating days).
        """
        best = None
        for at in map(int, np.flatnonzero(self.letters[i] >= SAME)):
            if at + 1 >= len(self.basis.words) or self.basis.words[at + 1].is_number:
                return 0.0
            like = self._like_near(i + 1, at)
            if self.own[i + 1].form not in UNITS and self.letters[i + 1, at + 1] >= SAME and self._goes_on(i + 1):
                like = min(like, self._like_near(i + 2, at + 1))
            best = max(best or 0.0, like)
        return 0.0 if best is None else 1 - best

    def _like_near(self, i: int, at: int) -> float:
        """How like an own word is to one of the three after a place, or the one before; a unit to one of its kind."""
        near = [k for k in (at + 1, at + 2, at + 3, at - 1) if 0 <= k < len(self.basis.words)]
        if not near:
            return 0.0
        kind = UNITS.get(self.own[i].form)
        if kind is None:
            return float(self.credit[i, near].max())
        return float(any(UNITS.get(self.basis.words[k].form) == kind for k in near))

    def _goes_on(self, i: int) -> bool:
        """Whether a word that says something follows in the same clause."""
        if i + 1 >= len(self.own) or self.own[i + 1].form in COMMON or self.own[i + 1].is_number:
            return False
        return self.statement.text[self.own[i].end : self.own[i + 1].start].strip("- ") == ""

    def _contradiction(self, sentences: list[int]) -> dict[str, float]:
        """Whether a word is denied in the statement and nowhere near its best counterparts, or the other way round."""
        forms = [word.form for word in self.own]
        denied = _Denied.of(forms, _clause_breaks(self.statement.text, self.own))
        here = np.isin(self.basis.sentence_of, sentences)
        credit = self.credit + (0.3 * self.cosines if self.cosines is not None else 0.0) + 0.05 * here
        there = self.basis.denied
        added = dropped = 0.0
        for i, form in enumerate(forms):
            best = float(credit[i].max(initial=0))
            if denies(form) or self.own[i].is_number or self.rarity[i] < 0.1 or best < 0.7:
                continue
            alike = credit[i] >= best - 0.1
            if denied.near[i] and not there.wide[alike].any():
                added = max(added, min(best, 1.0) * (0.3 + float(self.rarity[i])))
            elif not denied.wide[i] and there.near[alike & here].any() and there.wide[alike].all():
                dropped = max(dropped, min(best, 1.0) * (0.3 + float(self.rarity[i])))
        any_here = bool(there.wide[here].any())
        if any(map(denies, forms)) and not any_here:
            added += 0.5
        return {"denial added": added, "denial dropped": dropped, "opposite": self._opposites(here)}

    def _opposites(self, here: npt.NDArray[np.bool_]) -> float:
        """How many words the evidence does not have, but has an opposite of."""
        held = self.letters[:, here].max(axis=1, initial=0)
        forms = {self.basis.words[k].form for k in np.flatnonzero(here)}
        missing = [word.form for i, word in enumerate(self.own) if held[i] < SAME and self.rarity[i] > 0]
        return float(sum(bool(opposites(form) & forms) for form in missing))

    def _pairs(self) -> float:
        """Of its neighbouring words, the share that stand near each other somewhere in the passages."""
        kept = [i for i in range(len(self.own)) if self.rarity[i] >= 0.2]
        total = held = 0.0
        for i, j in pairwise(kept):
            weight = float(self.rarity[i] + self.rarity[j])
            total += weight
            held += weight * self._together(i, j, TOGETHER + (j - i))
        return held / total if total else 1.0

    def _together(self, i: int, j: int, most: int) -> bool:
        """Whether two own words stand at most so far from each other in the passages, or one of them above them."""
        one, other = self._held_at[i], self._held_at[j]
        if not len(one) or not len(other):
            above = self.context.max(axis=1)
            return bool((len(one) and above[j] >= SAME * CONTEXT) or (len(other) and above[i] >= SAME * CONTEXT))
        at = np.searchsorted(other, one)
        after = other[np.minimum(at, len(other) - 1)]
        before = other[np.maximum(at - 1, 0)]
        return bool(min(np.abs(after - one).min(), np.abs(before - one).min()) <= most)

    def _name_split(self) -> float:
        """How many names of several words (Castle Street) stand nowhere as a whole, with at most one word between."""
        named = self._named
        asked = self._asked
        split = 0
        for i in sorted(named):
            j = i + 1
            if j not in named or self.own[i].is_number or self.own[j].is_number:
                continue
            if self.statement.text[self.own[i].end : self.own[j].start] not in (" ", "-", "® "):
                continue
            if asked[i] >= SAME and asked[j] >= SAME:
                continue
            split += not self._together(i, j, 2)
        return float(split)

    def _value_out_of_company(self) -> float:
        """Of a value's neighbours in the statement, the share that none of its places in the passages has near; the
        largest over its values.
        """
        worst = 0.0
        for i in self._values_in_it:
            near = [j for j in range(max(0, i - 5), min(len(self.own), i + 6)) if j != i and self.rarity[j] >= 0.2]
            if not near or not len(self._held_at[i]):
                continue
            weight = self.rarity[near]
            best = 0.0
            for at in self._held_at[i]:
                window = slice(max(0, at - 12), at + 13)
                company = self.credit[near, window].max(axis=1)
                passage = self.basis.passage_of[self.basis.sentence_of[at]]
                company = np.maximum(company, self.context[near, passage])
                best = max(best, float(weight @ company / weight.sum()))
            worst = max(worst, 1 - best)
        return worst

    def _value_apart(self, in_windows: Floats) -> float:
        """How much better the rest of the statement is covered away from one of its values than beside it."""
        gap = 0.0
        rows = self.basis.is_row[self.basis.windows[:, 0]] & (self.basis.windows[:, 0] != self.basis.windows[:, 1])
        usable = ~rows
        letters = self._in_windows(self.letters_by_sentence)
        for i in self._values_in_it:
            beside = usable & (letters[i] >= SAME)
            if not beside.any():
                continue
            rest = self.rarity.copy()
            rest[i] = 0
            if rest.sum() <= 0:
                continue
            cover = rest @ in_windows / rest.sum()
            gap = max(gap, float(cover[usable].max() - cover[beside].max()))
        return gap


def _mean(vectors: Vectors) -> Vectors:
    total = vectors.sum(axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-6))
