"""Answers with votes, and a grounding whose verdicts a person can compute."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from finetune.dataset.rows import AnswerRow, ExamplePassage, Message, VoteRow

START = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = "Overalls are washed on Mondays."


def passage(text: str, **changes: Any) -> ExamplePassage:
    """A passage that everyone may read."""
    values: dict[str, Any] = {
        "content_hash": f"hash of {text}".encode().hex(),
        "title": "Manual",
        "heading": "",
        "kind": "text",
        "chunk_id": 0,
        "document_id": 0,
        "ordinal": 0,
        "collection": "default",
        "everyone": True,
    }
    return ExamplePassage.looked_up({**values, "text": text, **changes})


def up(*people: str) -> tuple[VoteRow, ...]:
    return tuple(VoteRow(person, 1) for person in people)


def down(*people: str, reason: str | None = None) -> tuple[VoteRow, ...]:
    return tuple(VoteRow(person, -1, reason) for person in people)


def answer(number: int = 1, **changes: Any) -> AnswerRow:
    """The n-th answer: what alarm n means, from the passage that says it and another."""
    fact = f"Alarm {number} means the door {number} is open."
    values: dict[str, Any] = {
        "id": f"a{number}",
        "asked_at": START + timedelta(hours=number),
        "thread": "",
        "question": f"What does alarm {number} mean?",
        "text": fact,
        "abstained": False,
        "prompted": True,
        "passages": (passage(fact), passage(OTHER)),
        "persons": frozenset({"U1"}),
    }
    return AnswerRow(**{**values, **changes})


def rests_on(text: str, passages: Sequence[ExamplePassage]) -> frozenset[int]:
    """The passages that hold the text word for word."""
    return frozenset(index for index, passage in enumerate(passages) if text in passage.text)


def prompt(question: str, passages: Sequence[ExamplePassage]) -> list[Message]:
    return [{"role": "user", "content": "\n".join([*(passage.text for passage in passages), question])}]


def grounding(**changes: Any) -> Any:
    """A grounding by words: nothing is found by search, no two questions are alike, four passages fit, a token is a
    word.
    """
    values: dict[str, Any] = {
        "rests_on": rests_on,
        "prompt": prompt,
        "search": lambda text: (),
        "alike": lambda questions: (),
        "fitting": lambda passages: passages[:4],
        "tokens": lambda messages: sum(len(message["content"].split()) for message in messages),
    }
    return SimpleNamespace(**{**values, **changes})
