"""Answers that one person alone sees: `/ask`, the message shortcut, and the button that shares them."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bot.questions import views
from bot.questions.answers import begin_answer
from bot.questions.asking_privately import NO_WORDS, SHORTCUT, USAGE
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import ASKED, Connect, Rows
from tests.bot.looking import SHOWN
from tests.bot.samples import ANSWER_TEXT, answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message


@pytest.fixture(autouse=True)
def installed(workspace: Workspace, database: str) -> None:
    """With what the manifest asks for, and nothing else; and a collection that everybody may read."""
    workspace.install(Path("bot/manifest.yaml"))
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('default')")


def private_answer(workspace: Workspace) -> Message:
    """The answer that Ada alone sees."""

    def look() -> Message | None:
        return next((m for m in workspace.ephemerals(workspace.ada) if SHOWN in visible_text(m)), None)

    found = workspace.wait_for(look)
    assert found is not None
    return found


def public(workspace: Workspace) -> str:
    """What everybody reads in the channel."""
    return "\n".join(visible_text(message) for message in workspace.messages("maintenance"))


def left(database: str, workspace: Workspace, response_url: str | None = None) -> None:
    """A private question that a process was killed with."""
    with psycopg.connect(database) as conn:
        begin_answer(
            conn,
            asked_by=workspace.ada.id,
            question=Question(ASKED),
            channel=workspace.maintenance.id,
            private=True,
            response_url=response_url,
        )


class Responses(BaseHTTPRequestHandler):
    """Takes what is sent to a response URL."""

    received: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_command_is_answered_for_its_asker_alone(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """The question, and the answer with its sources; nobody else sees a word."""
    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    answer = private_answer(workspace)
    assert "Alarm manual" in visible_text(answer)
    workspace.wait_for(lambda: any(f"You asked: {ASKED}" in m.text for m in workspace.ephemerals(workspace.ada)))
    assert public(workspace) == ""
    workspace.wait_for(lambda: rows("SELECT state, private FROM answer") == [("answered", True)])


def test_a_channel_without_the_bot_works_too(workspace: Workspace, connect: Connect) -> None:
    """Slack's response URL shows the answer, and shares it."""
    workspace.remove_app("maintenance")
    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    workspace.press("ada", private_answer(workspace), "share_answer")
    workspace.wait_for(lambda: SHOWN in public(workspace))
    assert f"<@{workspace.ada.id}> asked: {ASKED}" in public(workspace)


def test_the_shortcut_asks_about_a_message(workspace: Workspace, connect: Connect) -> None:
    """Its words are the question; shared, the answer stands in the message's thread."""
    asked: list[Question] = []

    def chain(question: Question) -> Iterator[Event]:
        asked.append(question)
        yield Text(ANSWER_TEXT)
        yield Done(answer_to(question.text))

    connect(chain)
    message = workspace.post("ben", "maintenance", "the press shows alarm 4 & stops")
    workspace.shortcut("ada", SHORTCUT, message)
    answer = private_answer(workspace)
    assert [question.text for question in asked] == ["the press shows alarm 4 & stops"]
    workspace.press("ada", answer, "share_answer")
    workspace.wait_for(lambda: [m for m in workspace.replies_by_app(message) if SHOWN in visible_text(m)])


def test_what_has_no_words_is_told_so(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """An empty command shows how to ask, a message without words says so; neither is a question."""
    connect()
    workspace.slash("ada", "maintenance", "/ask", "  ")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == USAGE])
    message = workspace.post("ben", "maintenance", ":tada:")
    workspace.shortcut("ada", SHORTCUT, message)
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == NO_WORDS])
    assert rows("SELECT count(*) FROM answer") == [(0,)]


def test_a_failure_is_told_privately(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> None:
    """The chain's failure and a database that is down become sentences for the asker."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("Half an answer")
        raise RuntimeError("secret detail")

    connect(failing)
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if views.FAILED in visible_text(m)])
    pool.close()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == views.NO_DATABASE])
    assert public(workspace) == ""


def test_a_restart_answers_the_asker_alone(workspace: Workspace, connect: Connect, database: str, rows: Rows) -> None:
    """A private question that a process did not finish is answered where nobody else sees it."""
    left(database, workspace)
    connect()
    private_answer(workspace)
    workspace.wait_for(lambda: rows("SELECT state FROM answer") == [("answered",)])
    assert public(workspace) == ""


def test_a_restart_answers_through_the_response_url(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Which works in a channel without the bot; it is kept for no longer than that takes."""
    workspace.remove_app("maintenance")
    with ThreadingHTTPServer(("127.0.0.1", 0), Responses) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        left(database, workspace, f"http://127.0.0.1:{server.server_port}/response")
        connect()
        workspace.wait_for(lambda: any(SHOWN in body for body in Responses.received))
        server.shutdown()
    workspace.wait_for(lambda: rows("SELECT state, response_url FROM answer") == [("answered", None)])
    assert workspace.messages(workspace.direct_message("ada")) == []


def test_where_slack_shows_nothing_it_comes_directly(workspace: Workspace, connect: Connect, database: str) -> None:
    """Without the bot in the channel, and without a response URL, the asker's own conversation with it is left."""
    workspace.remove_app("maintenance")
    left(database, workspace)
    connect()
    direct = workspace.direct_message("ada")
    workspace.wait_for(lambda: [m for m in workspace.messages(direct) if SHOWN in visible_text(m)])


def test_the_command_answers_its_user_alone(workspace: Workspace, connect: Connect) -> None:
    """Help and status, seen by nobody else."""
    connect()
    workspace.slash("ada", "maintenance", "/journeyman", "help")
    workspace.wait_for(lambda: len(workspace.ephemerals(workspace.ada)) == 1)
    workspace.slash("ada", "maintenance", "/journeyman", "status")
    shown = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada)[1:])
    assert "I am up" in shown[0].text
