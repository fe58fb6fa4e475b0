"""An answer that its asker alone saw, shared with the channel."""

from collections.abc import Iterator
from threading import Event as Flag
from typing import Any

import psycopg
import pytest

from bot.questions import sharing
from bot.questions.asking_privately import SHORTCUT
from bot.questions.readers import readers
from bot.questions.sharing import SHARED_BEFORE
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import ASKED, Connect, Rows
from tests.bot.looking import SHOWN
from tests.bot.questions.test_asking_privately import installed, private_answer, public
from tests.bot.samples import ANSWER_TEXT, answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text

__all__ = ["installed"]


def test_an_answer_is_shared_once_and_its_thread_goes_on(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Question and answer in a thread of the channel; the private copy goes; follow-ups need no mention."""
    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    answer = private_answer(workspace)
    workspace.press("ada", answer, "share_answer")
    root = workspace.wait_for(lambda: workspace.messages("maintenance"))[0]
    assert root.text == f"<@{workspace.ada.id}> asked: {ASKED}"
    reply = workspace.wait_for_reply(root)
    assert ANSWER_TEXT in visible_text(reply)
    workspace.wait_for(lambda: answer.deleted)
    workspace.wait_for(lambda: rows("SELECT private, thread_ts, answer_ts FROM answer") == [(False, root.ts, reply.ts)])
    workspace.post("ben", "maintenance", "and alarm 5?", thread_ts=root.ts)
    workspace.wait_for_reply(root, count=2)


def test_slack_is_told_before_it_is_asked_who_reads(
    workspace: Workspace, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits three seconds for us; a large channel's members take longer."""
    go_on = Flag()

    def slow(*given: Any, **named: Any) -> Any:
        assert go_on.wait(10)
        return readers(*given, **named)

    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    answer = private_answer(workspace)
    monkeypatch.setattr(sharing, "readers", slow)
    delivery = workspace.press("ada", answer, "share_answer")
    workspace.wait_for(lambda: delivery.acknowledged)
    assert not workspace.messages("maintenance")
    go_on.set()
    workspace.wait_for(lambda: workspace.messages("maintenance"))


def test_sharing_twice_posts_once(workspace: Workspace, connect: Connect) -> None:
    """A second press, before Slack took the message away, is told so."""
    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    answer = private_answer(workspace)
    for _ in range(2):
        workspace.press("ada", answer, "share_answer")
    workspace.wait_for(lambda: any(SHARED_BEFORE in m.text for m in workspace.ephemerals(workspace.ada)))
    workspace.wait_for(lambda: SHOWN in public(workspace))
    assert public(workspace).count(SHOWN) == 1


def test_an_abstention_is_not_to_be_shared(workspace: Workspace, connect: Connect) -> None:
    """It has "ask a person" in place of "share"."""

    def abstaining(question: Question) -> Iterator[Event]:
        yield Text("The documents don't say.")
        yield Done(answer_to(question.text, "The documents don't say.", abstained=True))

    connect(abstaining)
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    shown = workspace.wait_for(
        lambda: [m for m in workspace.ephemerals(workspace.ada) if "documents don't say" in visible_text(m)]
    )[0]
    labels = visible_text(shown)
    assert "Share in channel" not in labels
    assert "Ask a person" in labels


def test_what_was_shared_and_not_posted_is_posted(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Killed between the press, which was acknowledged, and the post: another process posts, once."""
    connect()
    message = workspace.post("ben", "maintenance", "the press shows alarm 4")
    workspace.shortcut("ada", SHORTCUT, message)
    private_answer(workspace)
    workspace.wait_for(lambda: rows("SELECT state FROM answer WHERE finished_at IS NOT NULL") == [("answered",)])
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE answer SET private = false, sharing = true, owner = NULL")
    reply = workspace.wait_for(lambda: [m for m in workspace.replies_by_app(message) if SHOWN in visible_text(m)])
    workspace.wait_for(lambda: rows("SELECT sharing, answer_ts FROM answer") == [(False, reply[0].ts)])
    assert public(workspace).count(SHOWN) == 1
