"""Question-answer pairs that the model writes from the documents, for the time before there are votes.

The model asks about a passage, the question is searched for as a person's would be, and the model answers it from what
was found. Kept are the statements that the passage itself bears out. They are marked as synthetic wherever they go.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from finetune.dataset.grounding import Grounding, whole_statements
from finetune.dataset.rows import Example, ExamplePassage, Message

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""When synthetic examples were asked, so that people's are newer and are preferred."""
MIN_WORDS, MAX_WORDS = 4, 30
"""How many words a question has."""
MOST_STATEMENTS = 2
"""Statements of an example's answer, as the prompt asks for them."""
_ASK = (
    "{where}\n{text}\n\n"
    "Write one short question about {topic} that somebody who has not read this text would ask and that it answers."
)
SHARED_WORDS = 2
"""Words of four letters or more that a question shares with its passage; fewer, and it asks about nothing in it."""
SAID_WORDS = 2
"""Such words that a statement says beyond its question; fewer, and it only turns the question round."""
WRITTEN_TOKENS = 80
"""Tokens of a question or of an answer, at most."""
_WORD = re.compile(r"[^\W\d_]{4,}")

Write = Callable[[list[Message]], str]


def writer(model: "BaseChatModel") -> Write:
    """Continues a conversation by a few sentences, without sampling."""

    def write(messages: list[Message]) -> str:
        turns = [(message["role"], message["content"]) for message in messages]
        return str(model.invoke(turns, max_tokens=WRITTEN_TOKENS).text)

    return write


def written_from(
    passages: Sequence[ExamplePassage],
    write: Write,
    grounding: Grounding,
    counts: Counter[str],
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Example]:
    """The examples that a model makes of these passages: at most one of each. `write` continues a conversation."""
    for passage in passages:
        example = _from_passage(passage, write, grounding, counts)
        if example is not None:
            yield example
        advance()


def _from_passage(passage: ExamplePassage, write: Write, grounding: Grounding, counts: Counter[str]) -> Example | None:
    question = _question(write([{"role": "user", "content": _request(passage)}]), f"{_place(passage)} {passage.text}")
    if question is None:
        counts["synthetic, left out: no question"] += 1
        return None
    others = [other for other in grounding.search(question) if other.content_hash != passage.content_hash]
    passages = grounding.fitting([passage, *others])
    completion = _completion(question, passages, write, grounding)
    if not completion:
        counts["synthetic, left out: the passage does not say it"] += 1
        return None
    return Example(
        id=f"sft:synthetic:{passage.content_hash[:16]}",
        kind="sft",
        question=question,
        passages=tuple(passages),
        completion=completion,
        asked_at=BEFORE_ALL,
        thread="",
        answer_id=None,
        persons=frozenset(),
        oracle=grounding.rests_on(completion, passages),
        synthetic=True,
    )


def _place(passage: ExamplePassage) -> str:
    return " > ".join(filter(None, [passage.title, passage.heading]))


def _request(passage: ExamplePassage) -> str:
    """What the model is told so that it asks about the passage."""
    place = _place(passage)
    return _ASK.format(where=place, text=passage.text, topic=place.rpartition(" > ")[2])


def _completion(question: str, passages: Sequence[ExamplePassage], write: Write, grounding: Grounding) -> str:
    """The statements of the model's answer that say something new and that the first passage bears out; may be ''."""
    claims = whole_statements(write(grounding.prompt(question, passages)))
    new = [claim for claim in claims if len(_words(claim) - _words(question)) >= SAID_WORDS]
    supported = [claim for claim in new if 0 in grounding.rests_on(claim, passages)]
    return " ".join(list(dict.fromkeys(supported))[:MOST_STATEMENTS])


def _question(text: str, about: str) -> str | None:
    """The first line that asks, if it is of a question's length and about something that the passage names."""
    for line in text.splitlines():
        line = line.strip(" \"'*")
        if line.endswith("?") and MIN_WORDS <= len(line.split()) <= MAX_WORDS:
            return line if len(_words(line) & _words(about)) >= SHARED_WORDS else None
    return None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
