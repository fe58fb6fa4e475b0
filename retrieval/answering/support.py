"""Which passage supports a statement of the model: what no passage supports is not shown."""

import re
from collections.abc import Sequence
from itertools import pairwise

from retrieval.answering.answer import Passage
from retrieval.text.sentences import split
from retrieval.text.words import WORD, codes, content, denies, exact, is_covered

MIN_SUPPORT = 0.8
"""Least share of a statement's words that two neighbouring sentences of the passage must hold."""
MIN_WORDS = 3
"""Words of its own, below which a statement says nothing that could be checked."""

MAX_REPETITION = 1.5
"""How often each of a statement's words may stand in it, on average."""

_WHOLE = re.compile(r"[.!…][\"'”’)\]]*$")


def supporting_passage(statement: str, passages: Sequence[Passage]) -> int | None:
    """The index of the passage that supports a statement, None if no single one does or it is no whole sentence.

    Every number, name and code (sign by sign) of the statement must stand in two neighbouring sentences of it, most of
    its other words too, and they must deny as much as it does. A heading that is written off says nothing.
    """
    words = content(statement)
    if len(words) < MIN_WORDS or not _WHOLE.search(statement) or _babbles(statement):
        return None
    certain = exact(statement)
    typed = codes(statement)
    denied = denies(statement)
    best: tuple[float, int] | None = None
    for i, passage in enumerate(passages):
        above = f"{passage.title} {passage.heading}"
        if _plain(statement) in _plain(above):  # its heading, written off
            continue
        context = content(above)
        for lines in _windows(passage):
            held = content(lines) | context
            share = sum(is_covered(word, held) for word in words) / len(words)
            holds = share >= MIN_SUPPORT and all(is_covered(word, held) for word in certain)
            holds = holds and typed <= codes(f"{lines} {above}")
            if holds and denies(lines) == denied and (best is None or share > best[0]):
                best = (share, i)
    return best[1] if best else None


def repeats(statement: str, shown: str) -> bool:
    """Whether a statement stands word for word in what was shown already; in other words it may say it more clearly."""
    return _plain(statement) in _plain(shown)


def _babbles(statement: str) -> bool:
    """Whether it goes round in a circle (the press is operated by the press, which is a press)."""
    carrying = [word for word in (found.lower() for found in WORD.findall(statement)) if word in content(statement)]
    return len(carrying) >= MAX_REPETITION * len(set(carrying))


def _plain(text: str) -> str:
    return " " + " ".join(word.lower() for word in WORD.findall(text)) + " "


def _windows(passage: Passage) -> list[str]:
    texts = [sentence.text for sentence in passage.sentences] or [passage.text]
    texts = [*split(passage.before, "text"), *texts, *split(passage.after, "text")]
    return texts + [f"{one} {other}" for one, other in pairwise(texts)]
