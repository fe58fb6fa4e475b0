"""What the admins' figures count."""

from typing import Any

from psycopg import Connection

from bot.admin.status import read_status
from bot.feedback.votes import vote
from bot.home.figures import Figures, read_days
from bot.home.personal_data import my_questions
from bot.questions import views
from bot.questions.answering import fail_answer
from bot.questions.answers import QUESTION_DELETED, STOPPED_BY_ASKER, begin_answer
from retrieval.answering.answer import Question
from tests.bot.rows import asked_by


def test_figures_count_each_day(conn: Connection[Any]) -> None:
    """Days without questions are among them; shares of nothing are unknown."""
    vote(conn, asked_by(conn, "U1", "one"), "U1", 1)
    asked_by(conn, "U1", "two", abstained=True)
    conn.execute("UPDATE answer SET asked_at = now() - interval '3 days' WHERE question = 'two'")
    days = read_days(conn)
    assert len(days) == 14
    assert [(day.answered, day.abstained, day.up) for day in (days[-4], days[-1])] == [(0, 1, 0), (1, 0, 1)]
    found = Figures(days, ())
    assert (found.asked, found.share_answered, found.share_up) == (2, 0.5, 1.0)
    assert Figures((), ()).share_answered is None


def test_what_its_asker_called_off_did_not_fail(conn: Connection[Any]) -> None:
    """Neither in their own list nor in the figures; what failed for another reason did."""
    errors = {"deleted?": QUESTION_DELETED, "stopped?": STOPPED_BY_ASKER, "broken?": views.FAILED}
    for question, error in errors.items():
        answer_id = begin_answer(conn, asked_by="U1", question=Question(question))
        assert answer_id is not None
        fail_answer(conn, answer_id, error)
    states = {mine.question: mine.state for mine in my_questions(conn, "U1")}
    assert states == {"deleted?": "called off", "stopped?": "called off", "broken?": "failed"}
    assert read_days(conn)[-1].failed == 1
    assert read_status(conn).day.failed == 1
