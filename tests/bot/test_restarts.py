"""What a bot that was stopped or killed has left is answered, shown or apologised for by the next one."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackApp, build_app
from bot.questions import views
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.questions.placing import place_answer
from retrieval.answering.answer import Event, Question, Text
from tests.bot.conftest import EMBEDDER, Connect, Rows, ask
from tests.bot.looking import eventually, has_thumbs, streamed, times_shown
from tests.bot.samples import ANSWER_TEXT, answer_to, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Message


def bot_app(workspace: Workspace, pool: ConnectionPool[Any]) -> SlackApp:
    """The bot, to write with its client as an earlier process did."""
    return build_app(
        pool=pool,
        answer=stand_in_chain,
        embedder=EMBEDDER,
        token=workspace.app.bot_token,
        api_url=workspace.api_url,
    )


def begun(pool: ConnectionPool[Any], post: Message) -> UUID:
    """The row of an answer to the post, as a process that was killed leaves it."""
    with pool.connection() as conn:
        answer_id = begin_answer(
            conn,
            asked_by=post.user,
            question=Question(post.text),
            channel=post.channel,
            thread_ts=post.ts,
            question_ts=post.ts,
        )
    assert answer_id is not None
    return answer_id


def test_unfinished_answers_are_begun_again(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """What a process that was killed left, without a word or with a placeholder, becomes the answer in its place."""
    first = workspace.post("ada", "maintenance", "asked before the restart")
    second = workspace.post("ben", "maintenance", "this one, too")
    app = bot_app(workspace, pool)
    placeholder = app.client.chat_postMessage(channel=second.channel, thread_ts=second.ts, text=views.PLACEHOLDER)
    begun(pool, first)
    with_placeholder = begun(pool, second)
    with pool.connection() as conn:
        place_answer(conn, with_placeholder, placeholder["ts"])
    connect()
    for post in (first, second):
        workspace.wait_for(lambda post=post: has_thumbs(workspace, post))  # type: ignore[misc]
        assert times_shown(workspace, post) == 1
        assert len(workspace.replies_by_app(post)) == 1
    eventually(rows, "SELECT state, attempts, finished_at IS NOT NULL FROM answer", [("answered", 1, True)] * 2)


def test_a_question_that_ends_processes_is_not_asked_for_ever(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Begun by two processes that did not live to finish it: the third one apologises."""
    asked: list[Question] = []

    def noting(question: Question) -> Iterator[Event]:
        asked.append(question)
        return stand_in_chain(question)

    question = workspace.post("ada", "maintenance", "asked before the restart")
    begun(pool, question)
    with pool.connection() as conn:
        conn.execute("UPDATE answer SET attempts = 2")
    connect(noting)
    workspace.wait_for(lambda: times_shown(workspace, question, views.RESTARTED) == 1)
    eventually(rows, "SELECT state, error FROM answer", [("failed", views.RESTARTED)])
    assert asked == []


@pytest.mark.parametrize("streamed_before", [False, True])
def test_an_answer_that_only_remained_to_be_shown_is_shown(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows, streamed_before: bool
) -> None:
    """Killed between keeping an answer and showing its end: the restart shows all of it, once."""
    question = workspace.post("ada", "maintenance", "asked before the restart")
    answer_id = begun(pool, question)
    with pool.connection() as conn:
        finish_answer(conn, answer_id, answer_to("q"), shown=False)
        if streamed_before:
            app = bot_app(workspace, pool)
            stream = app.client.chat_stream(
                channel=question.channel,
                thread_ts=question.ts,
                recipient_team_id=workspace.app.team_id,
                recipient_user_id=workspace.ada.id,
                buffer_size=1,
            )
            stream.append(markdown_text=ANSWER_TEXT)
            place_answer(conn, answer_id, str(stream.ts))
    connect()
    workspace.wait_for(lambda: has_thumbs(workspace, question))
    assert times_shown(workspace, question) == 1
    eventually(rows, "SELECT state, finished_at IS NOT NULL FROM answer", [("answered", True)])


def test_a_stop_leaves_what_is_under_way_to_the_next_process(
    workspace: Workspace, connect: Connect, rows: Rows
) -> None:
    """An answer under way when the process is stopped says so, and belongs to nobody."""

    def endless(question: Question) -> Iterator[Event]:
        while True:
            yield Text("word ")
            time.sleep(0.05)

    app = connect(endless)
    question = ask(workspace)
    workspace.wait_for(lambda: streamed(workspace))
    app.end()
    workspace.wait_for(lambda: times_shown(workspace, question, views.STOPPING) == 1)
    eventually(rows, "SELECT state, owner, attempts, finished_at FROM answer", [("pending", None, 0, None)])
