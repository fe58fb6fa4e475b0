"""A question from the terminal: streamed like one from Slack, and kept in the same table."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from bot.questions.answering import fail_answer, finish_answer
from bot.questions.answers import begin_answer
from journeyman.errors import WrongInput
from journeyman.failures import explain
from retrieval.answering.answer import Answer, Done, Event, Question, Turn

PERSON = "console"
ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer and the row that keeps it."""

    answer_id: UUID
    answer: "Answer"


def ask(
    pool: "ConnectionPool[Any]",
    stream: "Callable[[Question], Iterator[Event]]",
    question: "Question",
    show: "Callable[[Event], None]",
) -> StoredAnswer:
    """Answer a question, call `show` with each event, and keep the answer, or why there is none."""
    with pool.connection() as conn:
        answer_id = begin_answer(conn, asked_by=PERSON, question=question)
    if answer_id is None:
        raise RuntimeError("A question without a Slack message was taken for one that is being answered.")
    answer = None
    try:
        with closing(stream(question)) as events:  # type: ignore[type-var]  # a generator; closing it cancels
            for event in events:
                show(event)
                answer = event.answer if isinstance(event, Done) else answer
        if answer is None:
            raise RuntimeError("The chain ended without an answer.")
    except BaseException as error:  # also Ctrl-C: a row must not stay pending
        reason = "Cancelled." if isinstance(error, KeyboardInterrupt) else explain(error).sentence
        with pool.connection() as conn:
            fail_answer(conn, answer_id, reason)
        raise
    with pool.connection() as conn:
        finish_answer(conn, answer_id, answer)
    return StoredAnswer(answer_id, answer)


def as_dict(stored: StoredAnswer) -> dict[str, Any]:
    """An answer as `ask --json` gives it."""
    answer = stored.answer
    return {
        "question": answer.question,
        "standalone": answer.standalone,
        "answer": answer.text,
        "abstained": answer.abstained,
        "sources": [asdict(source) for source in answer.sources],
        "answer_id": str(stored.answer_id),
        "model": answer.model,
        "adapter": answer.adapter,
        "timings": dict(answer.timings),
    }


def read_history(file: Path) -> "list[Turn]":
    """Earlier turns from a JSON list of {role, text} (or {role, content}), oldest first.

    Raises WrongInput.
    """
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        turns = [Turn(entry["role"], entry.get("text", entry.get("content"))) for entry in entries]
    except OSError as error:
        raise WrongInput(f"The history {file} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WrongInput(_history_form(file)) from error
    if not all(turn.role in ROLES and isinstance(turn.text, str) for turn in turns):
        raise WrongInput(_history_form(file))
    return turns


def _history_form(file: Path) -> str:
    form = '[{"role": "user", "text": "…"}, {"role": "assistant", "text": "…"}]'
    return f"The history {file} is not a JSON list of turns like {form}."
