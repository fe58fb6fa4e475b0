"""The rows of answers: begun once, and unfinished until they are shown."""

from typing import Any

from psycopg import Connection

from bot.questions.answering import fail_answer, finish_answer
from bot.questions.answers import begin_answer
from bot.questions.placing import place_answer
from retrieval.answering.answer import Question
from tests.bot.rows import begun, unfinished_answers
from tests.bot.samples import answer_to

Conn = Connection[Any]


def test_a_post_is_answered_by_one_row(conn: Conn) -> None:
    """A second begin for the same Slack message is refused; the terminal may ask the same thing again."""
    assert begun(conn) is not None
    assert begun(conn) is None
    assert begin_answer(conn, asked_by="console", question=Question("same")) is not None
    assert begin_answer(conn, asked_by="console", question=Question("same")) is not None


def test_only_pending_answers_to_slack_are_unfinished(conn: Conn) -> None:
    """Finished, failed and terminal answers are not; the message of a pending one is remembered."""
    finished, failed, pending = begun(conn, ts="1.0"), begun(conn, ts="2.0"), begun(conn, ts="3.0")
    begin_answer(conn, asked_by="console", question=Question("same"))
    finish_answer(conn, finished, answer_to("q"))
    fail_answer(conn, failed, "a reason")
    place_answer(conn, pending, "9.9")
    (found,) = unfinished_answers(conn)
    assert (found.id, found.channel, found.question_ts, found.answer_ts) == (pending, "C1", "3.0", "9.9")
    assert found.text is None
