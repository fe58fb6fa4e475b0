"""Bots killed with SIGKILL, started again, and beside each other: everybody who asked is answered, and nobody twice."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.presence import LOOK_EVERY
from bot.questions import views
from journeyman.servers.stack import running_stack
from tests.bot_process import BotProcess
from tests.finetune.model_server import Handler
from tests.slack_workspace import Workspace
from tests.slack_workspace.fixtures import workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

__all__ = ["workspace"]

MANIFEST = Path(__file__).parent.parent / "bot" / "manifest.yaml"
PUMPS = "# Pumps\n\nThe coolant pump P7 is blue and stands in hall 3.\n"
QUESTION = "what colour is the coolant pump P7?"
BURST = 60
START, ANSWER = 120.0, 120.0  # seconds, on a busy machine


class Hesitating(ThreadingHTTPServer):
    """A model server whose answers wait for `free`: a question is in mid-answer for as long as a test likes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HesitatingHandler)
        self.free = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class HesitatingHandler(Handler):
    """Waits before it writes."""

    server: Hesitating

    def do_POST(self) -> None:
        self.server.free.wait(60)
        super().do_POST()


@pytest.fixture
def model() -> Iterator[Hesitating]:
    """The model server, free to answer until a test holds it."""
    with Hesitating() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.free.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def bot(workspace: Workspace, model: Hesitating) -> Iterator[BotProcess]:
    """The bot with one document, connected. Its home is not in pytest's folder: root's PostgreSQL may not go there."""
    workspace.install(MANIFEST)
    with folder() as place:
        (place / "documents").mkdir()
        (place / "documents" / "pumps.md").write_text(PUMPS)
        settings = workspace.environment() | {
            "JOURNEYMAN_MODEL_URL": model.url,
            "JOURNEYMAN_MODEL": "m",
            "JOURNEYMAN_ANSWERS": "quotes",  # they are there while the model hesitates
        }
        with BotProcess(place / "home", settings) as process:
            process.run("index", str(place / "documents"))
            start(process, workspace)
            yield process


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of a test's own."""
    path = Path(tempfile.mkdtemp(prefix="journeyman-restart-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.mark.slow
def test_nobody_is_left_without_an_end(bot: BotProcess, workspace: Workspace, model: Hesitating) -> None:
    """A question that is killed with each process is apologised for, one burst that was killed once is answered."""
    begun = in_mid_answer(workspace)
    for _ in range(2):
        bot.kill()
        start(bot, workspace)
    workspace.wait_for(lambda: attempts(bot) == [2], ANSWER)
    bot.kill()
    start(bot, workspace)
    workspace.wait_for(lambda: ends(workspace, begun), ANSWER)
    assert ends(workspace, begun) == [views.RESTARTED]

    burst = [ask(workspace) for _ in range(BURST)]
    workspace.wait_for(lambda: all(delivery.acknowledged for delivery in workspace.deliveries), 30)
    bot.kill()
    model.free.set()
    start(bot, workspace)
    workspace.wait_for(lambda: all(ends(workspace, question) for question in burst), ANSWER)
    assert workspace.wait_for(lambda: ends(workspace, ask_and_wait(workspace)), ANSWER) == ["answered"]
    assert [ends(workspace, question) for question in burst if ends(workspace, question) != ["answered"]] == []
    assert bot.end() == 0
    assert "warning" not in bot.log.read_text().lower()  # neither of ours nor of Bolt's
    assert rows(bot, "SELECT count(*), count(finished_at) FROM answer") == [(BURST + 2, BURST + 2)]


@pytest.mark.slow
def test_a_bot_leaves_alone_what_another_writes_and_finishes_what_it_left(
    bot: BotProcess, workspace: Workspace, model: Hesitating
) -> None:
    """A second bot starts in the middle of the first one's answer, and answers in its place once that one is killed."""
    begun = in_mid_answer(workspace)
    with BotProcess(bot.home, bot.settings) as second:
        start(second, workspace)
        time.sleep(3 * LOOK_EVERY)
        assert ends(workspace, begun) == []
        assert attempts(bot) == [1]
        bot.kill()
        workspace.wait_for(lambda: attempts(bot) == [2], 60)
        model.free.set()
        workspace.wait_for(lambda: ends(workspace, begun), ANSWER)
        assert ends(workspace, begun) == ["answered"]
        assert len(shown(workspace, begun)) == 1
        assert second.end() == 0


@pytest.mark.slow
def test_an_edit_and_a_deletion_reach_the_bot_that_answers(
    bot: BotProcess, workspace: Workspace, model: Hesitating
) -> None:
    """Slack tells either of two bots; the questions are the first one's."""
    edited, deleted = [ask(workspace) for _ in range(2)], [ask(workspace) for _ in range(2)]
    for question in (*edited, *deleted):
        workspace.wait_for(lambda question=question: shown(workspace, question), ANSWER)  # type: ignore[misc]
    with BotProcess(bot.home, bot.settings) as second:
        start(second, workspace)
        before = len(workspace.deliveries)
        for question in edited:
            workspace.edit(question, f"{workspace.mention} where does the coolant pump P7 stand?")
        for question in deleted:
            workspace.delete(question)
        changes = workspace.deliveries[before:]
        workspace.wait_for(lambda: all(delivery.acknowledged for delivery in changes), 30)
        assert len({change.attempts[-1].via for change in changes}) == 2
        changed = "SELECT count(*) FROM answer WHERE question LIKE 'where%' OR state = 'failed'"
        workspace.wait_for(lambda: rows(bot, changed) == [(4,)], ANSWER)
        model.free.set()
        for question in edited:
            workspace.wait_for(lambda question=question: ends(workspace, question) == ["answered"], ANSWER)  # type: ignore[misc]
            assert len(shown(workspace, question)) == 1
        for question in deleted:
            workspace.wait_for(lambda question=question: shown(workspace, question) == [], ANSWER)  # type: ignore[misc]
        asked = "SELECT question, state FROM answer WHERE finished_at IS NOT NULL ORDER BY asked_at"
        workspace.wait_for(lambda: len(rows(bot, asked)) == 4, ANSWER)
        assert rows(bot, asked) == [
            ("where does the coolant pump P7 stand?", "answered"),
            ("where does the coolant pump P7 stand?", "answered"),
            (QUESTION, "failed"),
            (QUESTION, "failed"),
        ]
        assert second.end() == 0


def in_mid_answer(workspace: Workspace) -> Message:
    """A question of which the first words of its answer are shown."""
    question = ask(workspace)
    workspace.wait_for(lambda: any("blue" in visible_text(reply) for reply in shown(workspace, question)), ANSWER)
    return question


def attempts(bot: BotProcess) -> list[int]:
    """How many processes have begun each answer."""
    return [count for (count,) in rows(bot, "SELECT attempts FROM answer ORDER BY asked_at")]


def rows(bot: BotProcess, query: str) -> list[Any]:
    """What the bots have written."""
    with running_stack(bot.home) as stack, psycopg.connect(stack.database_url) as conn:
        return conn.execute(query).fetchall()


def ask(workspace: Workspace) -> Message:
    """Ada asks by mention."""
    return workspace.post("ada", "maintenance", f"{workspace.mention} {QUESTION}")


def ask_and_wait(workspace: Workspace) -> Message:
    """The same, with the answer below it."""
    question = ask(workspace)
    workspace.wait_for(lambda: ends(workspace, question), ANSWER)
    return question


def start(bot: BotProcess, workspace: Workspace) -> None:
    """Start the process and wait until it is connected."""
    opened = workspace.connections_opened
    bot.start()
    workspace.wait_for(lambda: workspace.connections_opened > opened or bot.ended, START)
    assert not bot.ended, bot.said()


def shown(workspace: Workspace, question: Message) -> list[Message]:
    """What the bot wrote under a question."""
    return [message for message in workspace.thread(question) if message.bot_id]


def ends(workspace: Workspace, question: Message) -> list[str]:
    """How the bot's replies to a question ended: with an answer, or with an apology."""
    found = []
    for reply in shown(workspace, question):
        if any(block["type"] in ("context_actions", "actions") for block in reply.blocks):
            found.append("answered")
        if views.RESTARTED in json.dumps(reply.blocks, ensure_ascii=False):
            found.append(views.RESTARTED)
    return found
