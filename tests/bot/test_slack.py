"""The real bot against the tests' Slack, over Socket Mode and HTTP: what people see, whatever happens."""

import logging
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackApp, build_app
from bot.questions import views
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.questions.placing import place_answer
from finetune.errors import ModelUnusable
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import ASKED, EMBEDDER, Connect, Rows, ask
from tests.bot.samples import ANSWER_TEXT, answer_to, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

SHOWN = "Move the probe closer and try again [1]."


def times_shown(workspace: Workspace, root: Message, words: str = SHOWN) -> int:
    """How often the words stand in the thread."""
    return sum(what_stands_in(message).count(words) for message in workspace.thread(root) if message.bot_id)


def what_stands_in(message: Message) -> str:
    """What people read: once a message was updated, its blocks and nothing that was streamed before."""
    if message.states[-1].change == "updated":
        return "\n".join(block["text"]["text"] for block in message.blocks if block["type"] == "section")
    return visible_text(message)


def eventually(rows: Rows, query: str, expected: list[tuple[Any, ...]]) -> None:
    """The row is written just after the message is shown."""
    deadline = time.monotonic() + 10
    while (found := rows(query)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


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


def test_an_older_workspace_gets_the_same_answer(workspace: Workspace, connect: Connect) -> None:
    """A placeholder that becomes the answer, plain buttons; what is unknown is tried once."""
    workspace.become_older()
    connect()
    for _ in range(2):
        question = ask(workspace)
        workspace.wait_for(lambda question=question: times_shown(workspace, question) == 1)  # type: ignore[misc]
        (reply,) = workspace.replies_by_app(question)
        assert reply.states[0].text == views.PLACEHOLDER
    workspace.wait_for(lambda: reply.blocks and reply.blocks[-1]["type"] == "actions")
    assert len(workspace.calls("assistant.threads.setStatus")) == 1
    workspace.press("ada", reply, "answer_thumbs_up")
    workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))


@pytest.mark.parametrize("status", [200, 404])
def test_a_slack_without_statuses_gets_plain_buttons(workspace: Workspace, connect: Connect, status: int) -> None:
    """Also if it takes the newer block without a word: it could not tell who pressed it."""
    if status == 404:
        workspace.fail("assistant.threads.setStatus", times=None, status=404)
    else:
        workspace.refuse("assistant.threads.setStatus", "unknown_method", times=None)
    connect()
    question = ask(workspace)
    workspace.wait_for(lambda: times_shown(workspace, question) == 1)
    (reply,) = workspace.replies_by_app(question)
    workspace.wait_for(lambda: reply.blocks and reply.blocks[-1]["type"] == "actions")
    assert "context_actions" not in [block["type"] for state in reply.states for block in state.blocks]


def test_a_status_that_is_refused_says_nothing_about_buttons(workspace: Workspace, connect: Connect) -> None:
    """An app without the scope is in a Slack that knows them."""
    workspace.refuse("assistant.threads.setStatus", "missing_scope", times=None)
    connect()
    question = ask(workspace)
    reply = workspace.wait_for_reply(question)
    workspace.wait_for(lambda: reply.blocks and reply.blocks[-1]["type"] == "context_actions")


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
def test_a_stream_that_slack_refuses_loses_and_doubles_nothing(
    workspace: Workspace, connect: Connect, method: str
) -> None:
    """Whichever call fails, the whole text is in one message, with sources and thumbs."""
    workspace.refuse(method, "message_not_in_streaming_state", times=None)
    connect(slowly)
    question = ask(workspace)
    workspace.wait_for(lambda: has_thumbs(workspace, question) and len(workspace.thread(question)) == 1)
    assert times_shown(workspace, question) == 1


def test_a_stream_that_expires_goes_on_as_a_message(workspace: Workspace, connect: Connect) -> None:
    """Slack ends a silent stream; the same message then shows the whole text."""

    def with_a_pause(question: Question) -> Iterator[Event]:
        yield Text(ANSWER_TEXT[:20])
        workspace.expire_stream(workspace.wait_for(lambda: streamed(workspace)))
        time.sleep(0.6)
        yield Text(ANSWER_TEXT[20:])
        yield Done(answer_to(question.text))

    connect(with_a_pause)
    question = ask(workspace)
    workspace.wait_for(lambda: has_thumbs(workspace, question))
    assert times_shown(workspace, question) == 1
    assert len(workspace.thread(question)) == 1


def test_a_person_can_stop_an_answer(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Stop means stop: what was shown stays, and nothing follows."""

    def stopped(question: Question) -> Iterator[Event]:
        yield Text(ANSWER_TEXT[:20])
        workspace.stop_streaming(workspace.wait_for(lambda: streamed(workspace)))
        time.sleep(0.6)
        yield Text(ANSWER_TEXT[20:])
        yield Done(answer_to(question.text))

    connect(stopped)
    question = ask(workspace)
    eventually(rows, "SELECT state FROM answer", [("failed",)])
    assert [message.text for message in workspace.thread(question)] == [ANSWER_TEXT[:20]]


def test_updates_are_paced(workspace: Workspace, connect: Connect) -> None:
    """However fast the words come, a message is changed about once a second, as Slack asks for."""

    def hasty(question: Question) -> Iterator[Event]:
        for _ in range(60):
            time.sleep(0.05)
            yield Text("word ")
        yield Done(answer_to(question.text, "word " * 60))

    workspace.become_older()
    connect(hasty)
    question = ask(workspace)
    workspace.wait_for(lambda: has_thumbs(workspace, question))
    *updates, _end = [call.at for call in workspace.calls("chat.update") if call.error is None]
    assert len(updates) >= 2
    assert all(later - earlier > 0.9 for earlier, later in pairwise(updates))


@pytest.mark.parametrize("method", ["chat.startStream", "chat.stopStream", "chat.postMessage", "chat.update"])
def test_rate_limits_are_obeyed(workspace: Workspace, connect: Connect, method: str) -> None:
    """A 429 is waited out, and the answer comes once."""
    if not method.endswith("Stream"):
        workspace.become_older()
    workspace.rate_limit(method)
    connect()
    question = ask(workspace)
    workspace.wait_for(lambda: has_thumbs(workspace, question), timeout=20)
    assert times_shown(workspace, question) == 1


@pytest.mark.parametrize("method", ["chat.stopStream", "chat.update"])
@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_breaks_doubles_nothing(
    workspace: Workspace, connect: Connect, method: str, after: bool
) -> None:
    """Whether or not Slack did what it was asked before the line broke: the text is there once."""
    if method == "chat.update":
        workspace.become_older()
    workspace.drop(method, after=after)
    connect()
    question = ask(workspace)
    workspace.wait_for(lambda: has_thumbs(workspace, question), timeout=20)
    assert times_shown(workspace, question) == 1


def test_a_chain_that_fails_ends_in_a_reason(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """What was shown stays, the person is told, the row says failed; the exception's words go nowhere."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("Half an answer")
        raise RuntimeError("secret detail")

    connect(failing)
    question = ask(workspace)
    workspace.wait_for(lambda: times_shown(workspace, question, views.FAILED) == 1)
    assert times_shown(workspace, question, "Half an answer") == 1
    assert times_shown(workspace, question, "secret detail") == 0
    eventually(rows, "SELECT state, error FROM answer", [("failed", views.FAILED)])


def test_a_model_that_is_down_is_named_as_the_reason(workspace: Workspace, connect: Connect) -> None:
    """People learn that asking again later helps; what the operator is to do is in the log."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("The quote that was found")
        raise ModelUnusable("The model server http://10.0.0.7 does not answer.")

    connect(failing)
    question = ask(workspace)
    workspace.wait_for(lambda: times_shown(workspace, question, views.NO_MODEL) == 1)
    assert times_shown(workspace, question, "The quote that was found") == 1
    assert times_shown(workspace, question, "10.0.0.7") == 0


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


def test_the_last_thumb_counts(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Up, then down: one row with -1, and the person sees each of them counted."""
    connect()
    reply = workspace.wait_for_reply(ask(workspace))
    for number, thumb in enumerate(("positive", "negative"), start=1):
        pressed = workspace.press("ada", reply, "answer_feedback", thumb)
        workspace.wait_for(lambda number=number: len(workspace.ephemerals(workspace.ada)) == number)  # type: ignore[misc]
        assert workspace.wait_until_settled(pressed).acknowledged
    assert rows("SELECT person, vote FROM feedback") == [(workspace.ada.id, -1)]
    assert [message.text for message in workspace.ephemerals(workspace.ada)] == [
        views.vote_counted(1),
        views.vote_counted(-1),
    ]


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


def test_the_command_answers_its_user_alone(workspace: Workspace, connect: Connect) -> None:
    """Help and status, seen by nobody else."""
    connect()
    workspace.slash("ada", "maintenance", "/journeyman", "help")
    workspace.wait_for(lambda: len(workspace.ephemerals(workspace.ada)) == 1)
    workspace.slash("ada", "maintenance", "/journeyman", "status")
    shown = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada)[1:])
    assert "I am up" in shown[0].text


def test_nothing_that_was_said_is_logged(
    workspace: Workspace,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither questions nor answers nor tokens, even when everything is logged and things go wrong."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("the answer's words")
        raise ValueError(question.text)

    with caplog.at_level(logging.DEBUG):
        connect(failing)
        question = ask(workspace, "a private question")
        workspace.wait_for(lambda: times_shown(workspace, question, views.FAILED) == 1)
    logged = caplog.text + "".join(capfd.readouterr())
    secrets = ("private question", "the answer's words", workspace.app.bot_token, workspace.app.app_token)
    assert not [secret for secret in secrets if secret in logged]


def slowly(question: Question) -> Iterator[Event]:
    """The stand-in's answer with time between the pieces for each to be shown."""
    for event in stand_in_chain(question):
        if isinstance(event, Text):
            time.sleep(0.6)
        yield event


def streamed(workspace: Workspace) -> Message | None:
    """A message that is being streamed and shows something."""
    messages = workspace.messages("maintenance")
    return next((m for m in messages if m.stream and m.stream.state == "in_progress" and m.text), None)


def has_thumbs(workspace: Workspace, root: Message) -> bool:
    """Whether the answer under the question is complete."""
    kinds = [block["type"] for message in workspace.thread(root) for block in message.blocks if message.bot_id]
    return "context_actions" in kinds or "actions" in kinds
