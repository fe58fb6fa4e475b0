"""What a bot that is gone has left, and what a living one is writing: the first is finished, the second left alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bot.operations import Operations
from bot.presence import LOOK_EVERY, Presence
from bot.questions.answers import begin_answer, change_question
from bot.questions.expert_views import request_text
from bot.recovery import Orphans, adopt
from retrieval.answering.answer import Event, Question, Text
from retrieval.indexing.reindexing import find_target, request_run
from retrieval.indexing.sources import register_sources
from tests.bot.conftest import ASKED, Connect, Rows, ask
from tests.bot.samples import ANSWER_TEXT, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Message

OTHER = 4711  # the number of another process


@contextmanager
def alive(database: str, owner: int = OTHER) -> Iterator[None]:
    """Another process that lives, as far as can be seen."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [owner])
        yield


def begun(pool: ConnectionPool[Any], post: Message, owner: int | None = OTHER) -> UUID:
    """The answer that another process has begun."""
    with pool.connection() as conn:
        answer_id = begin_answer(
            conn,
            asked_by=post.user,
            question=Question(ASKED),
            channel=post.channel,
            thread_ts=post.ts,
            question_ts=post.ts,
            owner=owner,
        )
    assert answer_id is not None
    return answer_id


def test_what_a_living_bot_writes_is_left_alone_until_it_is_gone(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], database: str, rows: Rows
) -> None:
    """Neither at start nor later; once the other one is gone, it is finished within some seconds."""
    question = workspace.post("ada", "maintenance", "asked of the other bot")
    with alive(database):
        begun(pool, question)
        connect()
        time.sleep(2.5 * LOOK_EVERY)
        assert workspace.thread(question) == []
        assert rows("SELECT owner, state FROM answer") == [(OTHER, "pending")]
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT


def test_an_owner_whose_connection_breaks_keeps_what_it_writes(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """As when Postgres was restarted: the lock is taken again before others have looked twice."""
    go = Flag()

    def held(question: Question) -> Iterator[Event]:
        yield Text("")
        assert go.wait(30)
        yield from stand_in_chain(question)

    app = connect(held)
    question = ask(workspace)
    workspace.wait_for(lambda: rows("SELECT attempts FROM answer") == [(1,)])
    with psycopg.connect(database, autocommit=True) as conn:
        held_by = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        ((pid,),) = conn.execute(held_by).fetchall()
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])
        workspace.wait_for(lambda: [row for row in rows(held_by) if row != (pid,)], LOOK_EVERY)
    go.set()
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT
    workspace.wait_for(lambda: rows("SELECT owner, state FROM answer") == [(app.runtime.owner, "answered")])


def test_an_answer_that_was_taken_over_is_written_by_one(
    workspace: Workspace, connect: Connect, database: str, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """A process that was taken for dead writes no more about it."""
    go, asked = Flag(), Flag()

    def held(question: Question) -> Iterator[Event]:
        asked.set()
        assert go.wait(30)
        yield from stand_in_chain(question)

    runtime = connect(held).runtime
    question = ask(workspace)
    workspace.wait_for(asked.is_set)
    ((answer_id,),) = rows("SELECT id FROM answer")
    with alive(database):
        with pool.connection() as conn:
            conn.execute("UPDATE answer SET owner = %s", [OTHER])
        go.set()
        workspace.wait_for(lambda: runtime.in_flight.waiting() == [] and not runtime.in_flight.find(answer_id))
        assert "context_actions" not in str([message.blocks for message in workspace.thread(question)])
        assert rows("SELECT state, text FROM answer") == [("pending", None)]


@pytest.mark.parametrize("text", ["what does alarm 5 mean?", None])
def test_what_another_process_hears_of_a_question_reaches_its_owner(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows, text: str | None
) -> None:
    """An edit restarts the answer, a deletion ends it, at once and not only when it is finished."""
    asked: list[str] = []

    def endless(question: Question) -> Iterator[Event]:
        asked.append(question.text)
        while "5" not in question.text:
            yield Text("")
            time.sleep(0.02)
        yield from stand_in_chain(question)

    connect(endless)
    question = ask(workspace)
    workspace.wait_for(lambda: asked)
    with pool.connection() as conn:
        assert change_question(conn, question.channel, question.ts, text)
    if text is None:
        workspace.wait_for(lambda: rows("SELECT state, finished_at IS NOT NULL FROM answer") == [("failed", True)])
        assert workspace.thread(question) == []
    else:
        assert workspace.wait_for_reply(question).text == ANSWER_TEXT
        assert asked == [ASKED, text]


def test_a_question_that_was_deleted_meanwhile_is_withdrawn(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Its owner died before it could take its words away."""
    question = workspace.post("ada", "maintenance", "asked of the other bot")
    begun(pool, question)
    with pool.connection() as conn:
        assert change_question(conn, question.channel, question.ts, None)
    connect()
    workspace.wait_for(lambda: rows("SELECT state, finished_at IS NOT NULL FROM answer") == [("failed", True)])
    assert workspace.thread(question) == []


def test_an_edit_waits_for_its_question(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """A question that waits for its listener when it is edited is asked as it reads then."""
    asked: list[str] = []

    def noting(question: Question) -> Iterator[Event]:
        asked.append(question.text)
        while "5" not in question.text:
            yield Text("")
            time.sleep(0.02)
        yield from stand_in_chain(question)

    connect(noting)
    with pool.connection() as conn:
        conn.execute("LOCK TABLE answer IN EXCLUSIVE MODE")  # no answer can begin
        question = ask(workspace)
        workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(1,)])
        workspace.edit(question, f"{workspace.mention} what does alarm 5 mean?")
        workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(2,)])
        time.sleep(0.3)
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT
    assert asked[-1] == "what does alarm 5 mean?"
    workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(0,)])


def test_experts_that_were_not_asked_yet_are_asked(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Killed between the press and the post."""
    question = workspace.post("ada", "maintenance", "asked of the other bot")
    answer_id = begun(pool, question)
    with pool.connection() as conn:
        conn.execute("UPDATE answer SET state = 'abstained', text = 'no', finished_at = now()")
        conn.execute(
            "INSERT INTO expert_request (answer_id, channel, thread_ts, asked_by, experts, owner, posted) "
            "VALUES (%s, %s, %s, %s, %s, %s, false)",
            [answer_id, question.channel, question.ts, workspace.ada.id, [workspace.ben.id], OTHER],
        )
    connect()
    reply = workspace.wait_for_reply(question)
    assert reply.text == request_text([workspace.ben.id], workspace.ada.id, ASKED)
    workspace.wait_for(lambda: rows("SELECT posted FROM expert_request") == [(True,)])
    assert len(workspace.thread(question)) == 1


def test_a_run_that_was_asked_for_is_shown_and_handed_out(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows, tmp_path: Any
) -> None:
    """Killed between /reindex and its message."""
    handed_out: list[int] = []
    with pool.connection() as conn:
        register_sources(conn, [tmp_path], collection="default")
        target = find_target(conn, "all")
        assert target is not None
        run = request_run(conn, target, started_by=workspace.ada.id, force=False, dry_run=False)
        conn.execute(
            "INSERT INTO reindex_message (run_id, channel, owner) VALUES (%s, %s, %s)",
            [run.id, workspace.maintenance.id, OTHER],
        )
    connect(operations=Operations(reindex=handed_out.append))
    (message,) = workspace.wait_for(lambda: workspace.messages("maintenance"))
    workspace.wait_for(lambda: handed_out == [run.id])
    workspace.wait_for(lambda: rows("SELECT ts FROM reindex_message") == [(message.ts,)])


def test_a_thumb_that_was_kept_is_counted(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Killed between the acknowledgement of a reaction and its row."""
    question = workspace.post("ada", "maintenance", "asked of the other bot")
    begun(pool, question)
    with pool.connection() as conn:
        conn.execute("UPDATE answer SET state = 'answered', answer_ts = '1.5', finished_at = now()")
        event = {
            "type": "reaction_added",
            "user": workspace.ada.id,
            "reaction": "+1",
            "item": {"type": "message", "channel": question.channel, "ts": "1.5"},
            "event_ts": "2.0",
        }
        conn.execute(
            "INSERT INTO inbox (post, event_id, event, owner) VALUES ('Ev1', 'Ev1', %s, %s)",
            [psycopg.types.json.Jsonb(event), OTHER],
        )
    connect()
    workspace.wait_for(lambda: rows("SELECT person, vote FROM feedback") == [(workspace.ada.id, 1)])
    workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(0,)])


def test_what_was_kept_and_is_for_nobody_any_more_is_forgotten(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Such as what was written to the bot before it had another id: nothing is answered, and no row is left."""
    with pool.connection() as conn:
        event = {"type": "message", "channel": "C1", "ts": "1.0", "user": "U1", "bot_id": "B1", "text": "hello"}
        conn.execute(
            "INSERT INTO inbox (post, event_id, event, owner) VALUES ('C1:1.0', 'Ev1', %s, %s)",
            [psycopg.types.json.Jsonb(event), OTHER],
        )
    connect()
    workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(0,)])


def test_what_was_left_is_adopted_by_one(pool: ConnectionPool[Any], workspace: Workspace) -> None:
    """Two bots that look at once: the second finds nothing."""
    begun(pool, workspace.post("ada", "maintenance", "asked of the other bot"))
    with pool.connection() as conn:
        first, second = (adopt(conn, owner, frozenset({OTHER})) for owner in (1, 2))
    assert len(first.answers) == 1
    assert second == Orphans([], [], [], [], [], [])


def test_a_presence_is_seen_until_it_ends(pool: ConnectionPool[Any], database: str) -> None:
    """From its start to its end, and not a moment longer."""

    def free() -> bool:
        with psycopg.connect(database) as conn:
            (is_free,) = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", [OTHER]).fetchone() or (None,)
        return bool(is_free)

    presence = Presence(pool, OTHER, look=lambda: None, on_change=lambda answer_id: None)
    assert free()
    presence.start(10)
    assert not free()
    presence.end()
    assert free()
