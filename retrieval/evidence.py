"""What an answer rests on: which sentences to quote, whether they are enough, and which passage supports a statement.

All of it is arithmetic on what search returned and on the words themselves, so it holds for any model and costs
no time; a small model needs it, a large one's readers do. Figures in docs/experiments.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from retrieval.answer import Passage, Sentence

READ = 5
"""Passages that quotes are taken from: in further ones more was wrong than right."""
MAX_QUOTES = 2
MAX_QUOTED_WORDS = 60
"""Of all quotes together."""

MIN_SUPPORT = 0.75
"""Least share of a statement's words that the supporting lines must hold."""

_WORD = re.compile(r"[^\W_]+(?:[.'’:/*=-][^\W_]+)*|[$#][^\W_]*", re.UNICODE)
_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty "
    "hundred thousand half once twice".split()
)
# Words without a subject of their own: they support nothing and ask for nothing.
_COMMON = frozenset(
    "a an and any are as at be been but by can could did do does for from had has have how i if in into is it its just "
    "me mine my no not of off on one only or our out over should so some such than that the their them then there "
    "these they this those to too up us use used using was we were what when where which who why will with would you "
    "your".split()
)
_NEGATION = frozenset("no not never none cannot can't don't doesn't isn't won't without nor".split())


@dataclass(frozen=True, slots=True)
class Quote:
    """Neighbouring sentences of one passage, word for word."""

    passage: Passage
    text: str


def relevance(passage: Passage, sentence: Sentence) -> float:
    """How likely a sentence answers: what it says, the words it shares in its context, and the company it keeps."""
    return sentence.similarity + sentence.overlap_in_context + passage.score


def choose_quotes(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """The best one or two sentences of the best passages, each grown by its neighbours as far as the words allow."""
    wanted = asks_for(question)
    spans = _Spans(passages[:READ], wanted)
    spans.choose()
    spans.grow()
    return spans.quotes()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of answer a question asks for.

    `of` is the noun that is counted or identified, if it is named; `given` are the numbers and identifiers that the
    question holds itself.
    """

    number: bool
    of: str | None
    given: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether the text holds a number that the question did not give itself, near the noun if one is named."""
        words = [word.lower() for word in _WORD.findall(_COLUMN.sub("", text))]
        at = [i for i, word in enumerate(words) if self._is_new(word)]
        if self.of is None:
            return bool(at)
        stem = self.of[:4] if len(self.of) > 4 else self.of[:3]
        return any(stem in word for i in at for word in words[max(0, i - 6) : i + 5])

    def _is_new(self, word: str) -> bool:
        in_words = word in _NUMBER_WORDS and self.of not in _NAMED
        return in_words or bool(_numerals(word) - self.given)


_COLUMN = re.compile(r"^[^:\n|]{1,60}:[ \t]", re.MULTILINE)
"""What stands before a table row's values: a number in a column's name answers nothing."""

_HOW = re.compile(
    r"\bhow\s+(?:(many)\s+(\w+)|much|long|far|fast|often|high|low|deep|big|large|wide|thick|heavy|hot|cold|old|tall|hard"
    r"|tight|soon|late|early)\b",
    re.IGNORECASE,
)
_MEASURE = (
    r"number|percent(?:age)?|speed|rate|voltage|current|pressure|temperature|torque|distance|length|width|depth|weight|size"
    r"|frequency|duration|price|cost|date|year|code|pin|port|byte|limit|maximum|minimum|interval|quantity|amount"
)
_WHICH = re.compile(
    rf"\b(?:what|which)(?:'s|\s+is|\s+are)?\s+(?:the\s+)?(?:\w+\s+){{0,2}}?({_MEASURE})\b", re.IGNORECASE
)
_NAMED = frozenset("pin port percent percentage".split())


def asks_for(question: str) -> Wanted:
    """Whether the question can only be answered with a number, judged by its interrogative (English only)."""
    given = _numerals(question)
    if found := _HOW.search(question):
        noun = (found[2] or "").lower()
        return Wanted(True, noun if noun and noun not in _COMMON else None, given)
    if found := _WHICH.search(question):
        noun = found[1].lower()
        return Wanted(True, noun if noun in _NAMED else None, given)
    return Wanted(False, None, given)


class _Spans:
    """Quotes in the making: spans of sentence indices within passages, with a budget of words."""

    def __init__(self, passages: Sequence[Passage], wanted: Wanted) -> None:
        self._passages = passages
        self._scores = {
            (p, s): relevance(passage, sentence) + NUMBER_BONUS * (wanted.number and wanted.is_in(sentence.text))
            for p, passage in enumerate(passages)
            for s, sentence in enumerate(passage.sentences)
        }
        self._leave_out_other_rows(wanted.given)
        self._spans: list[tuple[int, int, int]] = []
        self._words_left = MAX_QUOTED_WORDS

    def _leave_out_other_rows(self, given: frozenset[str]) -> None:
        """Where a table row holds what the question names (alarm 3), rows of other names (alarm 4) say nothing."""
        rows = {
            key: _numerals(self._passages[key[0]].sentences[key[1]].text)
            for key in self._scores
            if self._passages[key[0]].kind == "row"
        }
        named = {key for key, numerals in rows.items() if numerals & given}
        if named:
            for key in rows.keys() - named:
                del self._scores[key]

    def choose(self) -> None:
        shown: set[str] = set()
        for (p, s), _ in sorted(self._scores.items(), key=lambda item: -item[1]):
            text = self._passages[p].sentences[s].text
            if len(self._spans) == MAX_QUOTES:
                break
            if text not in shown and self._fits(p, s):
                shown.add(text)
                self._take(p, s)
                self._spans.append((p, s, s + 1))

    def grow(self) -> None:
        """Adds the best neighbour again and again; the sentence after counts a little more than the one before."""
        while options := [option for i, span in enumerate(self._spans) for option in self._neighbours(i, span)]:
            _, i, s = max(options)
            p, start, end = self._spans[i]
            self._take(p, s)
            self._spans[i] = (p, min(start, s), max(end, s + 1))

    def quotes(self) -> list[Quote]:
        return [Quote(self._passages[p], self._text(p, start, end)) for p, start, end in self._merged()]

    def _merged(self) -> list[tuple[int, int, int]]:
        """Spans that grew together are one."""
        merged: list[tuple[int, int, int]] = []
        for p, start, end in self._spans:
            if merged and merged[-1][0] == p and start <= merged[-1][2] and merged[-1][1] <= end:
                merged[-1] = (p, min(merged[-1][1], start), max(merged[-1][2], end))
            else:
                merged.append((p, start, end))
        return merged

    def _neighbours(self, i: int, span: tuple[int, int, int]) -> list[tuple[float, int, int]]:
        p, start, end = span
        taken = {(q, s) for q, first, last in self._spans for s in range(first, last)}
        return [
            (self._scores[p, s] + bonus, i, s)
            for s, bonus in ((end, AFTER_BONUS), (start - 1, 0.0))
            if (p, s) in self._scores and (p, s) not in taken and self._fits(p, s)
        ]

    def _fits(self, p: int, s: int) -> bool:
        return len(self._passages[p].sentences[s].text.split()) <= self._words_left

    def _take(self, p: int, s: int) -> None:
        self._words_left -= len(self._passages[p].sentences[s].text.split())

    def _text(self, p: int, start: int, end: int) -> str:
        """As it stands in the passage, from the first sentence to the last."""
        texts = [sentence.text for sentence in self._passages[p].sentences[start:end]]
        whole = self._passages[p].text
        first, last = whole.find(texts[0]), whole.find(texts[-1])
        between = whole[first : last + len(texts[-1])]
        return between if 0 <= first <= last and len(between.split()) <= MAX_QUOTED_WORDS else " ".join(texts)


NUMBER_BONUS = 0.25
AFTER_BONUS = 0.1

MIN_SCORE = 0.21
"""Least score of the best passage. Fitted on questions of two companies, each also asked in the other's documents."""


def is_enough(question: str, passages: Sequence[Passage], quotes: Sequence[Quote]) -> bool:
    """Whether the quotes can hold the answer: passages near enough to the question, and what kind of answer it asks."""
    if not quotes or max(passage.score for passage in passages) < MIN_SCORE:
        return False
    wanted = asks_for(question)
    return not wanted.number or any(wanted.is_in(quote.text) for quote in quotes)


def supporting_passage(statement: str, passages: Sequence[Passage]) -> int | None:
    """The index of the passage that supports a statement, None if no single one does.

    Every number, identifier and name of the statement must stand in two neighbouring sentences of it, most of its other
    words too, and they must deny as much as it does.
    """
    words = _content(statement)
    if len(words) < 2:
        return None
    exact = {word for word in words if _is_number(word)} | _names(statement)
    denies = _denies(statement)
    best: tuple[float, int] | None = None
    for i, passage in enumerate(passages):
        context = _content(f"{passage.title} {passage.heading}")
        for lines in _windows(passage):
            held = _content(lines) | context
            share = sum(_covered(word, held) for word in words) / len(words)
            holds = share >= MIN_SUPPORT and all(_covered(word, held) for word in exact)
            if holds and _denies(lines) == denies and (best is None or share > best[0]):
                best = (share, i)
    return best[1] if best else None


def repeats(statement: str, shown: str) -> bool:
    """Whether a statement says nothing in words that were not shown already."""
    words = _content(statement)
    return not words or all(_covered(word, _content(shown)) for word in words)


def _windows(passage: Passage) -> list[str]:
    texts = [sentence.text for sentence in passage.sentences] or [passage.text]
    return texts + [f"{one} {other}" for one, other in pairwise(texts)]


def _content(text: str) -> set[str]:
    return {word for word in (match.lower() for match in _WORD.findall(text)) if word not in _COMMON}


def _names(statement: str) -> set[str]:
    """Words with a capital that does not come from standing first."""
    words = [found[0] for found in _WORD.finditer(statement)]
    return {word.lower() for word in words[1:] if word[0].isupper() and word.lower() not in _COMMON}


def _covered(word: str, held: set[str]) -> bool:
    """Whether the words hold this one or, for a word of letters, another form of it (oil, oiled; press, presses)."""
    if word in held:
        return True
    if _is_number(word) or len(word) < 4:
        return False
    stem = word[: max(4, len(word) - 3)]
    return any(other.startswith(stem) or (len(other) >= 3 and word.startswith(other)) for other in held)


def _numerals(text: str) -> frozenset[str]:
    return frozenset(_NUMERAL.findall(text))


def _is_number(word: str) -> bool:
    return any(map(str.isdigit, word)) or word in _NUMBER_WORDS


def _denies(text: str) -> bool:
    return any(word.lower() in _NEGATION for word in _WORD.findall(text))
