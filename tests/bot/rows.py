"""Answers in the database, as the bot writes them: pending ones, unfinished ones, and questions that were answered."""

from typing import Any
from uuid import UUID

from psycopg import Connection

from bot.questions.answering import finish_answer
from bot.questions.answers import UnfinishedAnswer, adopt_answers, begin_answer
from retrieval.answering.answer import Question, Turn
from tests.bot.samples import answer_to


def begun(conn: Connection[Any], text: str = "what is alarm 4?", ts: str = "1.0", thread_ts: str = "1.0") -> Any:
    """A pending answer to a post in C1."""
    return begin_answer(conn, asked_by="U1", question=Question(text), channel="C1", thread_ts=thread_ts, question_ts=ts)


def unfinished_answers(conn: Connection[Any]) -> list[UnfinishedAnswer]:
    """What a new process finds."""
    conn.execute("UPDATE answer SET owner = NULL")
    return adopt_answers(conn, 1, [])


def asked_by(conn: Connection[Any], person: str, text: str, *, thread: str = "1.0", abstained: bool = False) -> UUID:
    """An answered question in C1; what was asked in the thread before is its history."""
    history = [Turn("user", "ben's words"), Turn("assistant", "yes")] if thread == "ben's" else []
    answer_id = begin_answer(
        conn, asked_by=person, question=Question(text, history), channel="C1", thread_ts=thread, question_ts=text
    )
    assert answer_id is not None
    finish_answer(conn, answer_id, answer_to(text, abstained=abstained), answer_ts=f"a {text}")
    return answer_id
