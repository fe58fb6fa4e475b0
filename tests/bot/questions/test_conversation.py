"""What was said in a thread before."""

from typing import Any

from psycopg import Connection

from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.questions.conversation import thread_history
from retrieval.answering.answer import Question, Turn
from tests.bot.samples import ANSWER_TEXT, answer_to

Conn = Connection[Any]


def begun(conn: Conn, text: str = "what is alarm 4?", ts: str = "1.0", thread_ts: str = "1.0"):  # type: ignore[no-untyped-def]
    """A pending answer to a post in C1."""
    return begin_answer(conn, asked_by="U1", question=Question(text), channel="C1", thread_ts=thread_ts, question_ts=ts)


def test_history_is_the_threads_own_oldest_first_and_bounded(conn: Conn) -> None:
    """Only finished answers of this thread, and no more than fit."""
    for number in range(6):
        answer_id = begun(conn, f"question {number}", ts=f"{number}.0", thread_ts="0.0")
        conn.execute("UPDATE answer SET asked_at = now() + %s * interval '1 s' WHERE id = %s", [number, answer_id])
        finish_answer(conn, answer_id, answer_to("q"))
    begun(conn, "pending", ts="7.0", thread_ts="0.0")
    begun(conn, "elsewhere", ts="8.0", thread_ts="8.0")
    assert thread_history(conn, "C1", "0.0", exchanges=2) == (
        Turn("user", "question 4"), Turn("assistant", ANSWER_TEXT),
        Turn("user", "question 5"), Turn("assistant", ANSWER_TEXT),
    )  # fmt: skip
    assert len(thread_history(conn, "C1", "0.0", characters=len(ANSWER_TEXT) + 10)) == 2
    assert thread_history(conn, "C1", "5.0") == ()
