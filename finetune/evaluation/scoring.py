"""What an answer as it was shown is worth: the gate and `journeyman compare` judge by these, so that they agree.

A quote stands in every arm's answer word for word, so the model's own sentences are judged apart from the quotes: a
right one among them must not drown. Words of ours, marks and citations are no words of an answer.
"""

import math
import re
from collections.abc import Sequence

from finetune.evaluation.scores import answer_score
from retrieval.answering.draft import written_by_model
from retrieval.answering.statements import without_citations

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
    """In [0, 1]: the facts of `expect` anywhere in it, else the words that quotes or model share with a right answer,
    whichever are nearer to it.

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
