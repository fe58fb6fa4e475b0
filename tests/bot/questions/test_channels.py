"""How each channel wants to be answered, and who may set it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from bot.questions.channels import ChannelSettings, channel_settings, save_channel
from bot.questions.views import PLACEHOLDER
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.samples import answer_to, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text

QUESTION = "What does alarm 4 on the CV-12 mean?"


@pytest.fixture(autouse=True)
def installed(workspace: Workspace) -> None:
    """With what the manifest asks for, and nothing else."""
    workspace.install(Path("bot/manifest.yaml"))


def settle(database: str, channel: str, **settings: Any) -> None:
    """Sets how a channel is answered."""
    with psycopg.connect(database) as conn:
        save_channel(conn, channel, ChannelSettings(**settings), "U1")


def test_settings_are_kept_and_have_defaults(conn: Connection[Any]) -> None:
    """A channel without a row is answered at mentions, in threads, from everything."""
    assert channel_settings(conn, "C1") == ChannelSettings()
    chosen = ChannelSettings("questions", 0.8, ["manuals"], "ephemeral", "german", ["U2"])
    for settings in (ChannelSettings(), chosen):
        save_channel(conn, "C1", settings, "U1")
    assert channel_settings(conn, "C1").collections == ["manuals"]
    assert channel_settings(conn, "C1").language == "german"
    assert channel_settings(conn, "C1").experts == ["U2"]


def test_every_question_of_a_channel_is_answered_if_it_wants(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Questions get an answer without a mention and their threads go on; other talk is left alone."""
    settle(database, workspace.maintenance.id, answers="questions")
    connect()
    talk = workspace.post("ben", "maintenance", "The conveyor is running again.")
    question = workspace.post("ada", "maintenance", QUESTION)
    workspace.wait_for_reply(question)
    workspace.post("ben", "maintenance", "and alarm 5?", thread_ts=question.ts)
    workspace.wait_for_reply(question, count=2)
    assert workspace.replies_by_app(talk) == []
    assert rows("SELECT addressed FROM answer ORDER BY asked_at") == [(False,), (True,)]


def test_a_mention_only_channel_leaves_questions_alone(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """The default."""
    connect()
    workspace.post("ada", "maintenance", QUESTION)
    workspace.wait_for_reply(ask(workspace))
    assert rows("SELECT count(*) FROM answer") == [(1,)]


def test_an_unaddressed_question_gets_an_answer_or_nothing(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Nobody asked the bot: no "the documents don't say", no apology, no status."""

    def abstaining(question: Question) -> Iterator[Event]:
        if "overtime" in question.text:
            raise RuntimeError("broken")
        yield Text("The documents don't say.")
        yield Done(answer_to(question.text, "The documents don't say.", abstained=True))

    settle(database, workspace.maintenance.id, answers="questions")
    connect(abstaining)
    workspace.post("ada", "maintenance", QUESTION)
    workspace.post("ben", "maintenance", "is there a limit for overtime on night shifts?")
    workspace.wait_for(
        lambda: sorted(rows("SELECT state FROM answer WHERE finished_at IS NOT NULL")) == [("abstained",), ("failed",)]
    )
    assert [message for message in workspace.messages("maintenance") if message.bot_id] == []
    assert workspace.statuses == []


def test_collections_and_language_reach_the_search(workspace: Workspace, connect: Connect, database: str) -> None:
    """The channel's question is asked of the channel's documents; a direct message's of all."""
    asked: list[Question] = []

    def chain(question: Question) -> Iterator[Event]:
        asked.append(question)
        return stand_in_chain(question)

    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('manuals')")
    settle(database, workspace.maintenance.id, collections=["manuals"], language="german")
    connect(chain)
    workspace.wait_for_reply(ask(workspace))
    workspace.wait_for_reply(workspace.post("ada", workspace.direct_message("ada"), QUESTION))
    assert [(question.collections, question.language) for question in asked] == [
        (["manuals"], "german"),
        (None, None),
    ]


def test_an_ephemeral_channel_answers_the_asker_alone(workspace: Workspace, connect: Connect, database: str) -> None:
    """A mention is public, its answer is not, until its asker shares it in the thread."""
    settle(database, workspace.maintenance.id, place="ephemeral")
    with psycopg.connect(database) as conn:  # whose documents everybody in the channel may read
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    connect()
    question = ask(workspace)
    told, shown = workspace.wait_for(lambda: (found := workspace.ephemerals(workspace.ada))[1:] and found)
    assert told.text == PLACEHOLDER  # at once: whoever mentions the bot sees that it was heard
    assert "Alarm manual" in visible_text(shown)
    assert workspace.thread(question) == []
    workspace.press("ada", shown, "share_answer")
    workspace.wait_for(lambda: any("Alarm manual" in visible_text(m) for m in workspace.replies_by_app(question)))
