"""Answers with votes, and judges whose verdicts a person can compute."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from finetune.dataset.rows import AnswerRow, Judges, Message, PassageRow, VoteRow

START = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = "Overalls are washed on Mondays."


def passage(text: str | None, **changes: Any) -> PassageRow:
    """A passage that everyone may read."""
    values: dict[str, Any] = {
        "content_hash": f"hash of {text}".encode().hex(),
        "title": "Manual",
        "heading": "",
        "everyone": True,
    }
    return PassageRow(**{**values, "text": text, **changes})


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


def rests_on(text: str, passages: Sequence[PassageRow]) -> frozenset[int]:
    """The passages that hold the text word for word."""
    return frozenset(index for index, passage in enumerate(passages) if passage.text and text in passage.text)


def prompt(question: str, passages: Sequence[PassageRow]) -> list[Message]:
    return [{"role": "user", "content": "\n".join([*(passage.text or "" for passage in passages), question])}]


def judges(**changes: Any) -> Judges:
    """Judges by words: nothing is found by search, no two questions are alike, four passages fit, a token is a word."""
    values: dict[str, Any] = {
        "rests_on": rests_on,
        "written": lambda text: text,
        "statements": lambda text: [text] if text else [],
        "prompt": prompt,
        "search": lambda text: (),
        "alike": lambda questions: (),
        "fit": lambda passages: passages[:4],
        "tokens": lambda messages: sum(len(message["content"].split()) for message in messages),
    }
    return Judges(**{**values, **changes})
