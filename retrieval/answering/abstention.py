"""What an answer says that finds nothing: that the documents don't say it, what was searched, and what came nearest."""

from collections.abc import Sequence

from retrieval.answering.answer import Question
from retrieval.answering.question.mentions import missing_mentions, not_mentioned
from retrieval.searching.passage import Passage


def abstention_of(question: Question, passages: Sequence[Passage]) -> str:
    """The words of an abstention: that the documents don't say it, or don't mention what the question names."""
    absent = missing_mentions(question.text, passages)
    verdict = not_mentioned(absent, passages) if absent and passages else "The documents don't say."
    text = f"{verdict} I searched {_extent(question.collections)}"
    if not passages:
        return f"{text} and found nothing near it."
    nearest = list(dict.fromkeys(_place(passage) for passage in passages))[:3]
    return f"{text}; the nearest I found is about {'; '.join(nearest)}."


def _extent(collections: Sequence[str] | None) -> str:
    """Says in words what was searched."""
    if collections is None:
        return "all documents"
    return "the documents of " + " and ".join(collections) if collections else "what I may read here"


def _place(passage: Passage) -> str:
    return f"{passage.title} ({passage.heading})" if passage.heading else passage.title
