"""What an answer rests on: which sentences to quote.

All of it is arithmetic on what search returned and on the words themselves, so it holds for any model and costs
no time; a small model needs it, a large one's readers do. Figures in docs/experiments.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from retrieval.answering.evidence.marks import READ
from retrieval.answering.evidence.table_rows import Nearness, quoted_row
from retrieval.answering.question.answer_type import AnswerType, answer_type
from retrieval.answering.wording import repeats
from retrieval.searching.passage import Passage, Sentence
from retrieval.text.words import numerals

MAX_QUOTES = 2
MAX_QUOTED_WORDS = 59
"""Words of all quotes together."""
NUMBER_BONUS = 0.25
"""What a sentence gains that holds a number, where the question asks for one."""
AFTER_BONUS = 0.1
"""What the sentence after a quoted one gains: answers go on there more often than they begin before."""
SHOWN_BEFORE = 0.6
"""What a sentence loses that the conversation was shown already: enough for another one to lead that is near, too."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Neighbouring sentences of one passage, word for word; of a table row, some of its cells."""

    passage: Passage
    text: str


def relevance(passage: Passage, sentence: Sentence) -> float:
    """How likely a sentence answers: what it says, the words it shares in its context, and the company it keeps."""
    return sentence.similarity + sentence.overlap_in_context + passage.score


def choose_quotes(
    question: str, passages: Sequence[Passage], *, before: str = "", nearness: Nearness | None = None
) -> list[Quote]:
    """The best one or two sentences of the best passages, each grown by its neighbours as far as the words allow.

    `before` is what the conversation was shown already: of that, nothing leads that another sentence can say as well.
    `nearness` tells how near the cells of a table row are to the question.
    """
    answer = answer_type(question)
    spans = _Spans(passages[:READ], answer, before)
    spans.choose()
    spans.grow()
    return [_led_by_cells(question, quote, nearness) for quote in spans.quotes()]


class _Spans:
    """Quotes in the making: spans of sentence indices within passages, with a budget of words."""

    def __init__(self, passages: Sequence[Passage], answer: AnswerType, before: str) -> None:
        self._passages = passages
        self._shown = {
            (p, s)
            for p, passage in enumerate(passages)
            for s, sentence in enumerate(passage.sentences)
            if before and repeats(sentence.text, before)
        }
        self._scores = {
            (p, s): relevance(passage, sentence)
            + NUMBER_BONUS * (answer.is_number and answer.is_in(sentence.text))
            - SHOWN_BEFORE * ((p, s) in self._shown)
            for p, passage in enumerate(passages)
            for s, sentence in enumerate(passage.sentences)
        }
        self._leave_out_other_rows(answer.numerals)
        self._spans: list[tuple[int, int, int]] = []
        self._words_left = MAX_QUOTED_WORDS

    def _leave_out_other_rows(self, question_numerals: frozenset[str]) -> None:
        """Drops the rows of other names (alarm 4) where a table row holds what the question names (alarm 3)."""
        rows = {
            key: numerals(self._passages[key[0]].sentences[key[1]].text)
            for key in self._scores
            if self._passages[key[0]].kind == "row"
        }
        matches = {key for key, numerals in rows.items() if numerals & question_numerals}
        if matches:
            for key in rows.keys() - matches:
                del self._scores[key]

    def choose(self) -> None:
        texts: set[str] = set()
        for (p, s), _ in sorted(self._scores.items(), key=lambda item: -item[1]):
            text = self._passages[p].sentences[s].text
            if len(self._spans) == MAX_QUOTES:
                break
            if self._spans and (p, s) in self._shown:
                continue
            if text not in texts and self._fits(p, s):
                texts.add(text)
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
        sentences = {(q, s) for q, first, last in self._spans for s in range(first, last)}
        return [
            (self._scores[p, s] + bonus, i, s)
            for s, bonus in ((end, AFTER_BONUS), (start - 1, 0.0))
            if (p, s) in self._scores and (p, s) not in sentences | self._shown and self._fits(p, s)
        ]

    def _fits(self, p: int, s: int) -> bool:
        return self._words(p, s) <= self._words_left

    def _take(self, p: int, s: int) -> None:
        self._words_left -= self._words(p, s)

    def _words(self, p: int, s: int) -> int:
        """What a sentence costs; the mark before a list item is one more."""
        return len(self._passages[p].sentences[s].text.split()) + (s > 0)

    def _text(self, p: int, start: int, end: int) -> str:
        """The words as they stand in the passage, from the first sentence of a span to its last."""
        texts = [sentence.text for sentence in self._passages[p].sentences[start:end]]
        whole = self._passages[p].text
        first = whole.find(texts[0])
        at = first
        for text in texts:  # one after the other, for the same words may stand in several places
            at = whole.find(text, at) + len(text)
        return whole[first:at]


def _led_by_cells(question: str, quote: Quote, nearness: Nearness | None) -> Quote:
    """Shortens the quote of a table row to the cells that answer and those that say which row it is."""
    is_row = quote.passage.kind == "row" and ": " in quote.text
    return replace(quote, text=quoted_row(question, quote.text, nearness)) if is_row else quote
