"""Which posts are claimed and answered, however Slack delivers them: over Socket Mode, against the tests' Slack."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg_pool import ConnectionPool

from bot.questions import views
from bot.questions.answers import begin_answer
from bot.questions.asking import claim
from bot.questions.conversation import asked_in_thread
from bot.questions.in_flight import PendingAnswer
from bot.slack.events import Post
from retrieval.answering.answer import Event, Question
from tests.bot.conftest import ASKED, Connect, Rows, ask
from tests.bot.looking import eventually, times_shown
from tests.bot.samples import ANSWER_TEXT, runtime, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text

Conn = Connection[Any]


def begun(conn: Conn, ts: str, thread_ts: str) -> UUID | None:
    """A pending answer to a post in C1."""
    return begin_answer(
        conn, asked_by="U1", question=Question("what?"), channel="C1", thread_ts=thread_ts, question_ts=ts
    )


def test_a_mention_is_answered_in_its_thread_with_sources(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Status at once, the text streamed, sources and thumbs at the end, everything in the row."""
    connect()
    question = ask(workspace)
    reply = workspace.wait_for_reply(question)
    assert reply.thread_ts == question.ts
    assert reply.text == ANSWER_TEXT
    assert "Alarm manual" in visible_text(reply)
    assert reply.stream is not None
    assert reply.stream.recipient_user_id == workspace.ada.id
    assert any(status.status == views.SEARCHING for status in workspace.statuses)
    assert workspace.status(question) == ""
    eventually(
        rows,
        "SELECT state, asked_by, question, text, channel, thread_ts, question_ts, answer_ts FROM answer",
        [
            (
                "answered",
                workspace.ada.id,
                ASKED,
                ANSWER_TEXT,
                question.channel,
                question.ts,
                question.ts,
                reply.ts,
            )
        ],
    )


def test_mention_and_message_and_their_retries_are_answered_once(
    workspace: Workspace, connect: Connect, rows: Rows
) -> None:
    """Two events of one post, each delivered three times: one answer."""
    connect()
    question = ask(workspace)
    workspace.wait_for_reply(question)
    for _ in range(2):
        for delivery in workspace.deliver_again(question):
            workspace.wait_until_settled(delivery)
    assert len(workspace.event_deliveries("app_mention")) >= 3
    assert len(workspace.replies_by_app(question)) == 1
    assert rows("SELECT count(*) FROM answer") == [(1,)]


def test_a_direct_message_is_answered_without_a_mention(workspace: Workspace, connect: Connect) -> None:
    """In a direct message every message is a question, answered in its own thread."""
    connect()
    question = workspace.post("ada", workspace.direct_message("ada"), "what does alarm 4 mean?")
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT


def test_a_thread_goes_on_without_a_mention(workspace: Workspace, connect: Connect) -> None:
    """The chain gets what was said in the thread before; other threads are left alone."""
    asked: list[Question] = []

    def remembering_chain(question: Question) -> Iterator[Event]:
        asked.append(question)
        return stand_in_chain(question)

    connect(remembering_chain)
    question = ask(workspace)
    workspace.wait_for_reply(question)
    other = workspace.post("ben", "maintenance", "who has the keys?")
    workspace.post("ada", "maintenance", "me", thread_ts=other.ts)
    workspace.post("ben", "maintenance", "and alarm 5?", thread_ts=question.ts)
    workspace.wait_for_reply(question, count=2)
    assert [turn.text for turn in asked[1].history] == ["what does alarm 4 mean?", ANSWER_TEXT]
    assert len(asked) == 2
    assert workspace.replies_by_app(other) == []


def test_thanks_get_a_line_and_no_search(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """One friendly line, once, and no answer row."""
    connect()
    message = ask(workspace, "thank you!")
    assert visible_text(workspace.wait_for_reply(message)) == views.THANKS
    assert rows("SELECT count(*) FROM answer") == [(0,)]
    assert len(workspace.replies_by_app(message)) == 1


def test_edits_and_deletions_are_not_answered(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Changing or deleting a message asks nothing new."""
    connect()
    question = ask(workspace)
    workspace.wait_for_reply(question)
    workspace.edit(question, f"{workspace.mention} what does alarm 5 mean?")
    workspace.delete(question)
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    assert rows("SELECT count(*) FROM answer") == [(1,)]


def test_without_a_database_people_are_told(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> None:
    """A mention, answered once with the reason although both of its events arrive; a thumb, too."""
    connect()
    question = ask(workspace)
    reply = workspace.wait_for_reply(question)
    pool.close()
    second = ask(workspace)
    workspace.wait_for_reply(second)
    follow_up = workspace.post("ben", "maintenance", "and alarm 5?", thread_ts=question.ts)
    workspace.wait_for_reply(follow_up, count=2)
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    assert times_shown(workspace, second, views.NO_DATABASE) == 1
    assert times_shown(workspace, question, views.NO_DATABASE) == 1
    workspace.press("ada", reply, "answer_feedback", "positive")
    told = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))
    assert told[-1].text == views.VOTE_FAILED


def test_claiming_needs_the_thread_for_replies_without_a_mention(conn: Conn) -> None:
    """A reply in a thread where nobody asked the bot is left alone, and not even remembered."""
    post = Post("Ev2", "C1", "2.0", "1.0", "U1", "T1", direct=False, addressee="thread", text="and alarm 5?")
    assert claim(conn, post, runtime()) is None
    begun(conn, ts="1.0", thread_ts="1.0")
    assert asked_in_thread(conn, "C1", "1.0")
    assert isinstance(claim(conn, post, runtime()), PendingAnswer)
    assert claim(conn, post, runtime()) is None


def test_small_talk_is_claimed_once_and_has_no_answer(conn: Conn) -> None:
    """A greeting is claimed like a question, without an answer row."""
    post = Post("Ev1", "C1", "1.0", "1.0", "U1", "T1", direct=False, text="hi", kind="greeting")
    assert claim(conn, post, runtime()) == views.GREETING
    assert claim(conn, post, runtime()) is None
    assert conn.execute("SELECT count(*) FROM answer").fetchone() == (0,)
