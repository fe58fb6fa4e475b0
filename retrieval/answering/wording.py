"""What the words of a statement show by themselves: a repetition, a circle, a heading written off, a near copy."""

from collections.abc import Sequence
from itertools import pairwise

from retrieval.answering.statements import without_citations
from retrieval.searching.passage import Passage
from retrieval.text.sentences import split
from retrieval.text.words import WORD, codes, content, denies, exact, is_covered

MIN_SHARE = 0.8
"""Least share of a statement's words that two neighbouring sentences must hold."""
MIN_WORDS = 3
"""Words of its own, below which a statement says nothing that could be told by its words."""
MAX_REPETITION = 1.5
"""How often each of a statement's words may stand in it, on average."""


def repeats(statement: str, text: str) -> bool:
    """Whether a statement stands word for word in what was shown already; in other words it may say it more clearly."""
    return _plain(statement) in _plain(text)


def says_something(statement: str, passages: Sequence[Passage]) -> bool:
    """Whether it is more than a heading of the passages, and goes round in no circle (the press is operated by the
    press, which is a press).
    """
    is_heading = any(repeats(statement, f"{passage.title} {passage.heading}") for passage in passages)
    return not is_heading and not _goes_round(statement)


def holds(passages: Sequence[Passage], statement: str) -> bool:
    """Whether a passage holds a statement nearly word by word: every number, name and code (sign by sign) in two
    neighbouring sentences, most of the other words too, and as much denial.

    This is asked besides of a weak model, which makes up what shares words with the passages; the probability that
    passages bear a statement out is fitted to what people and large models write.
    """
    words, certain, typed, denial = content(statement), exact(statement), codes(statement), denies(statement)
    for passage in passages:
        above = f"{passage.title} {passage.heading}"
        for lines in _windows(passage):
            line_words = content(f"{lines} {above}")
            share = sum(is_covered(word, line_words) for word in words) / max(1, len(words))
            exactly = all(is_covered(word, line_words) for word in certain) and typed <= codes(f"{lines} {above}")
            if share >= MIN_SHARE and exactly and denies(lines) == denial:
                return len(words) >= MIN_WORDS
    return False


def _windows(passage: Passage) -> list[str]:
    """Each sentence of a passage and what was read around it, and each two that follow each other."""
    texts = [sentence.text for sentence in passage.sentences] or [passage.text]
    texts = [*split(passage.before, "text"), *texts, *split(passage.after, "text")]
    return texts + [f"{one} {other}" for one, other in pairwise(texts)]


def _goes_round(statement: str) -> bool:
    words = content(statement)
    carrying = [word for word in map(str.lower, WORD.findall(statement)) if word in words]
    return len(carrying) >= MAX_REPETITION * len(set(carrying)) if carrying else False


def _plain(text: str) -> str:
    """The words alone, without the numbers of sources."""
    return " " + " ".join(word.lower() for word in WORD.findall(without_citations(text)[0])) + " "
