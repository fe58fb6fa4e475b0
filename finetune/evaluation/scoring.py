"""What an answer is worth: the gate and `journeyman compare` judge by these, so that they agree.

One text is scored in [0, 1]: by the facts that it must hold, or by a right answer that somebody wrote. In an answer as
it was shown a quote stands in every arm's word for word, so the model's own sentences are judged apart from the quotes:
a right one among them must not drown. Words of ours, marks and citations are no words of an answer.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from retrieval.answering.draft import written_by_model
from retrieval.answering.statements import without_citations

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})
_MARK = re.compile(r"^> ?", re.MULTILINE)
_SAYS_NOTHING = re.compile(
    r"\b(?:passages?|documents?|texts?)\b[^.]{0,40}?\b(?:do(?:es)?\s+not|don['’]t|doesn['’]t)\s+"
    r"(?:say|mention|contain|provide|specify|state|give|include|answer)|\bI (?:do not|don['’]t) know\b",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """The words of an answer: without marks of quotes, and without citations."""
    return without_citations(_MARK.sub("", text))[0]


def quoted(text: str) -> str:
    """The quotes in an answer, without marks and citations."""
    return bare("\n".join(line for line in text.split("\n") if line.startswith(">")))


def worth(text: str, *, expect: Sequence[str], right: str | None, abstained: bool = False) -> float:
    """What an answer is worth, in [0, 1]: the facts of `expect` anywhere in it, else the words that quotes or model
    share with a right answer, whichever are nearer to it.

    Raises ValueError if there is nothing to judge by.
    """
    parts = [bare(text)] if expect else [quoted(text), written_by_model(text)]
    return max(answer_score(part, expect=expect, right=right, abstained=abstained) for part in parts)


def about_tokens(text: str) -> int:
    """How many tokens a text has, about: four characters each, OpenAI's rule of thumb for English."""
    return math.ceil(len(text) / 4)


def says_nothing(text: str) -> bool:
    """Whether a model says, in its own words, that what it was given does not answer; or writes nothing at all."""
    return not text.strip() or bool(_SAYS_NOTHING.search(text))


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
    matches = [bool(re.search(pattern, answer, re.IGNORECASE)) for pattern in expect]
    return sum(matches) / len(matches) if matches else 1.0


def token_f1(answer: str, right: str) -> float:
    """The harmonic mean of precision and recall of words, without case, marks and English articles, as in SQuAD
    (https://arxiv.org/abs/1606.05250).
    """
    words, right_words = _words(answer), _words(right)
    shared = (words & right_words).total()
    return 2 * shared / (words.total() + right_words.total()) if shared else 0.0


def chrf(answer: str, right: str) -> float:
    """The F-score of character n-grams (Popović, WMT 2015), which does not mind endings of words."""
    return float(_chrf().sentence_score(answer, [right]).score) / 100


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF  # comes with the `model` extra alone

    return CHRF()


def _words(text: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(text.lower()) if word not in _ARTICLES)
