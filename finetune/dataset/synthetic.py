"""Question-answer pairs that the model writes from the documents, for the time before there are votes.

The model asks about a passage, the question is searched for as a person's would be, and the model answers it from what
was found. Kept are the statements that the passage itself bears out. They are marked as synthetic wherever they go.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from finetune.dataset.rows import Example, Judges, Message, PassageRow

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""So that people's examples are newer and are preferred."""
MIN_WORDS, MAX_WORDS = 4, 30
"""Of a question."""
MOST_STATEMENTS = 2
"""As the prompt asks for them."""
_ASK = (
    "{where}\n{text}\n\n"
    "Write one short question about {topic} that somebody who has not read this text would ask and that it answers."
)
SHARED_WORDS = 2
"""Words of four letters or more that a question shares with its passage; fewer, and it asks about nothing in it."""
SAID_WORDS = 2
"""Such words that a statement says beyond its question; fewer, and it only turns the question round."""
_WORD = re.compile(r"[^\W\d_]{4,}")

Write = Callable[[list[Message]], str]


def written_from(
    passages: Sequence[PassageRow],
    write: Write,
    judges: Judges,
    counts: Counter[str],
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Example]:
    """The examples that a model makes of these passages: at most one of each. `write` continues a conversation."""
    for passage in passages:
        example = _from_passage(passage, write, judges, counts)
        if example is not None:
            yield example
        advance()


def _from_passage(passage: PassageRow, write: Write, judges: Judges, counts: Counter[str]) -> Example | None:
    where = " > ".join(filter(None, [passage.title, passage.heading]))
    topic = where.rpartition(" > ")[2]
    asked = _ASK.format(where=where, text=passage.text, topic=topic)
    question = _question(write([{"role": "user", "content": asked}]), f"{where} {passage.text}")
    if question is None:
        counts["synthetic, left out: no question"] += 1
        return None
    beside = [other for other in judges.search(question) if other.content_hash != passage.content_hash]
    given = judges.fit([passage, *beside])
    said = judges.statements(write(judges.prompt(question, given)))
    new = [statement for statement in said if len(_words(statement) - _words(question)) >= SAID_WORDS]
    borne_out = [statement for statement in new if 0 in judges.rests_on(statement, given)]
    completion = " ".join(list(dict.fromkeys(borne_out))[:MOST_STATEMENTS])
    if not completion:
        counts["synthetic, left out: the passage does not say it"] += 1
        return None
    return Example(
        id=f"sft:synthetic:{passage.content_hash[:16]}",
        kind="sft",
        question=question,
        passages=tuple(given),
        completion=completion,
        asked_at=BEFORE_ALL,
        thread="",
        answer_id=None,
        persons=frozenset(),
        oracle=judges.rests_on(completion, given),
        synthetic=True,
    )


def _question(text: str, about: str) -> str | None:
    """The first line that asks, if it is of a question's length and about something that the passage names."""
    for line in text.splitlines():
        line = line.strip(" \"'*")
        if line.endswith("?") and MIN_WORDS <= len(line.split()) <= MAX_WORDS:
            return line if len(_words(line) & _words(about)) >= SHARED_WORDS else None
    return None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
