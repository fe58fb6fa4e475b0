"""A follow-up to a question that stands alone, for the search knows nothing of what was said before."""

import re

from retrieval.answer import Question

MAX_WORDS = 9
"""A question this short is taken to lean on the one before."""

_LEANS = re.compile(
    r"^\W*(?:and|but|or|so|ok|okay|then|what about|how about)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|ones|there|mine|same|instead|else|before|after that)\b",
    re.IGNORECASE,
)


def standalone(question: Question) -> str:
    """The question, after the last one that was asked before it if it leans on that."""
    earlier = [turn.text for turn in question.history if turn.role == "user"]
    leans = len(question.text.split()) <= MAX_WORDS or _LEANS.search(question.text)
    return f"{earlier[-1]} {question.text}" if earlier and leans else question.text
