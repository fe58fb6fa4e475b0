"""How an answer is shown while it is written, whatever Slack refuses in between."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bot.questions import views
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.looking import eventually, has_thumbs, streamed, times_shown
from tests.bot.samples import ANSWER_TEXT, answer_to, stand_in_chain
from tests.slack_workspace import Workspace


def slowly(question: Question) -> Iterator[Event]:
    """The stand-in's answer with time between the pieces for each to be shown."""
    for event in stand_in_chain(question):
        if isinstance(event, Text):
            time.sleep(0.6)
        yield event


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
