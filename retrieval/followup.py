"""A follow-up to a question that stands alone, for the search knows nothing of what was said before."""

import re

from retrieval.answer import Question
from retrieval.words import content, is_number

FEW_WORDS = 3
"""A question with no more words of its own, and no name or number among them, is taken to lean on the one before."""

MOST_WORDS = 150
"""More the embedder does not read, and the prompt has no room for."""

_LEANS = re.compile(
    r"^\W*(?:and|but|or|so|ok|okay|then|what about|how about)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|ones|there|mine|same|instead|else|before|after that)\b",
    re.IGNORECASE,
)


def standalone(question: Question) -> str:
    """The question, after the last one that was asked before it if it leans on that; a very long one is shortened."""
    earlier = [turn.text for turn in question.history if turn.role == "user"]
    words = content(question.text)
    leans = _LEANS.search(question.text) or (len(words) <= FEW_WORDS and not any(map(is_number, words)))
    return _shortened(f"{earlier[-1]} {question.text}" if earlier and leans else question.text)


def _shortened(text: str) -> str:
    """At most MOST_WORDS: people ask at the beginning or at the end of a long post, and tell in between."""
    words = text.split()
    if len(words) <= MOST_WORDS:
        return text
    return " ".join([*words[: MOST_WORDS // 2], "…", *words[-MOST_WORDS // 2 :]])
