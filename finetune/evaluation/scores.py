"""What one answer is worth, in [0, 1]: by the facts that it must hold, or by a right answer that somebody wrote."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})


def answer_score(answer: str, *, expect: Sequence[str], right: str | None, abstained: bool = False) -> float:
    """1 if every fact is there and else 0; without facts to look for, the words shared with a right answer.

    `expect` are regular expressions. Raises ValueError if there is nothing to judge by.
    """
    if not expect and right is None:
        raise ValueError("there are neither facts nor a right answer to judge by")
    if abstained:
        return 0.0
    return float(facts(answer, expect) == 1.0) if expect else token_f1(answer, right or "")


def facts(answer: str, expect: Sequence[str]) -> float:
    """The share of the patterns that are found, whatever the case."""
    found = [bool(re.search(pattern, answer, re.IGNORECASE)) for pattern in expect]
    return sum(found) / len(found) if found else 1.0


def token_f1(answer: str, right: str) -> float:
    """The harmonic mean of precision and recall of words, without case, marks and English articles, as in SQuAD
    (https://arxiv.org/abs/1606.05250).
    """
    ours, theirs = _words(answer), _words(right)
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def chrf(answer: str, right: str) -> float:
    """The F-score of character n-grams (Popović, WMT 2015), which does not mind endings of words."""
    return float(_chrf().sentence_score(answer, [right]).score) / 100


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _words(text: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(text.lower()) if word not in _ARTICLES)
