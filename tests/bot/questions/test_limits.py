"""Fair use: how many questions within an hour, and what those are told who ask more."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from bot.home.personal_data import delete_data
from bot.questions.answers import begin_answer
from bot.questions.limits import LimitReached, QuestionLimits, check_limits, forget_deleted
from retrieval.answering.answer import Question
from tests.bot.conftest import Connect, Rows, ask
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text


def asked(conn: Connection[Any], person: str, minutes_ago: int) -> None:
    """A question of some time ago."""
    answer_id = begin_answer(conn, asked_by=person, question=Question("q"), channel="C1", private=True)
    conn.execute(
        "UPDATE answer SET asked_at = now() - make_interval(mins => %s) WHERE id = %s", [minutes_ago, answer_id]
    )


def minutes_until(conn: Connection[Any], exceeded: LimitReached | None) -> int:
    """When there is room again."""
    assert exceeded is not None
    (now,) = conn.execute("SELECT now()").fetchone() or (None,)
    assert now is not None
    left: timedelta = exceeded.again_at - now
    return round(left.total_seconds() / 60)


def test_there_is_room_an_hour_after_the_oldest_that_counts(conn: Connection[Any]) -> None:
    """Of the last two questions the older was 40 minutes ago: in 20 minutes."""
    for minutes in (70, 50, 40, 10):
        asked(conn, "U1", minutes)
    exceeded = check_limits(conn, QuestionLimits(person=2), "U1")
    assert minutes_until(conn, exceeded) == 20
    assert exceeded is not None
    assert exceeded.person
    assert check_limits(conn, QuestionLimits(person=4), "U1") is None
    assert check_limits(conn, QuestionLimits(person=2), "U2") is None


def test_everybody_together_has_a_limit(conn: Connection[Any]) -> None:
    """It holds for who has not asked yet, too; the terminal's questions do not count."""
    for person in ("U1", "U2"):
        asked(conn, person, 30)
    begin_answer(conn, asked_by="console", question=Question("q"))
    exceeded = check_limits(conn, QuestionLimits(everybody=2), "U3")
    assert minutes_until(conn, exceeded) == 30
    assert exceeded is not None
    assert not exceeded.person
    assert check_limits(conn, QuestionLimits(everybody=3), "U3") is None


def test_without_limits_nothing_is_refused(conn: Connection[Any]) -> None:
    """0 is no limit."""
    asked(conn, "U1", 1)
    assert check_limits(conn, QuestionLimits(), "U1") is None


def test_who_asks_too_much_is_told_when_to_ask_again(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Once for each question that is refused; a refused one is not kept."""
    connect(limits=QuestionLimits(person=1))
    workspace.wait_for_reply(ask(workspace))
    refused = ask(workspace)
    reply = workspace.wait_for_reply(refused)
    assert "1 questions within an hour" not in visible_text(reply)
    assert "Please ask again <!date^" in visible_text(reply)
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    assert len(workspace.replies_by_app(refused)) == 1
    assert rows("SELECT count(*) FROM answer") == [(1,)]
    workspace.slash("ada", "maintenance", "/ask", "what does alarm 4 mean?")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if "Please ask again" in m.text])


def test_deleting_ones_data_makes_no_room(conn: Connection[Any]) -> None:
    """What was asked within the hour counts on, for its asker alone and without their name; then nothing is left."""
    for minutes in (50, 20):
        asked(conn, "U1", minutes)
    asked(conn, "U2", 10)
    delete_data(conn, "U1")
    assert conn.execute("SELECT count(*) FROM answer WHERE asked_by = 'U1'").fetchone() == (0,)
    assert minutes_until(conn, check_limits(conn, QuestionLimits(person=2), "U1")) == 10
    assert minutes_until(conn, check_limits(conn, QuestionLimits(everybody=3), "U3")) == 10
    assert check_limits(conn, QuestionLimits(person=2), "U2") is None
    delete_data(conn, "U1")
    assert "U1" not in str(conn.execute("SELECT * FROM deleted_question").fetchall())
    conn.execute("UPDATE deleted_question SET asked_at = asked_at - interval '15 minutes'")
    forget_deleted(conn)
    assert conn.execute("SELECT count(*) FROM deleted_question").fetchone() == (1,)
