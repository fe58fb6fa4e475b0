"""What a statement's words show by themselves: a repetition, a circle, a heading that is written off."""

from collections.abc import Sequence

from retrieval.answering.answer import Passage
from retrieval.text.words import WORD, content

MAX_REPETITION = 1.5
"""How often each of a statement's words may stand in it, on average."""


def repeats(statement: str, shown: str) -> bool:
    """Whether a statement stands word for word in what was shown already; in other words it may say it more clearly."""
    return _plain(statement) in _plain(shown)


def says_something(statement: str, passages: Sequence[Passage]) -> bool:
    """Whether it is more than a heading of the passages, and goes round in no circle (the press is operated by the
    press, which is a press).
    """
    is_heading = any(repeats(statement, f"{passage.title} {passage.heading}") for passage in passages)
    return not is_heading and not _goes_round(statement)


def _goes_round(statement: str) -> bool:
    words = content(statement)
    carrying = [word for word in (found.lower() for found in WORD.findall(statement)) if word in words]
    return len(carrying) >= MAX_REPETITION * len(set(carrying)) if carrying else False


def _plain(text: str) -> str:
    return " " + " ".join(word.lower() for word in WORD.findall(text)) + " "
