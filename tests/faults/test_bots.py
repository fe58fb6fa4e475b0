"""Bots at work when Postgres goes away, and several of everything at once: everybody who asked is told how it ended."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.questions import views
from journeyman.servers.embedded_postgres import EmbeddedPostgres
from journeyman.servers.stack import running_stack, runtime_folder
from retrieval.indexing.sources import register_sources
from tests.bot_process import BotProcess
from tests.faults.conftest import PATIENCE, ROOT, said, write_documents
from tests.finetune.model_server import model_server
from tests.slack_workspace import Workspace
from tests.slack_workspace.fixtures import workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

__all__ = ["workspace"]

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(3000)]

MANIFEST = Path(views.__file__).parent.with_name("manifest.yaml")
QUESTION = "what colour is the coolant pump P7?"
REASONS = (views.NO_DATABASE, views.RESTARTED, views.FAILED)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a document. Not in pytest's: root's PostgreSQL may not go there."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-faults-"))
    (folder / "documents").mkdir()
    (folder / "documents" / "pumps.md").write_text("# Pumps\n\nThe coolant pump P7 is blue and stands in hall 3.\n")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def bot(workspace: Workspace, place: Path) -> Iterator[BotProcess]:
    """The real bot, connected, which answers by a model server."""
    workspace.install(MANIFEST)
    with model_server() as url:
        settings = workspace.environment() | {
            "JOURNEYMAN_MODEL_URL": url,
            "JOURNEYMAN_MODEL": "m",
            "JOURNEYMAN_ADMINS": workspace.ada.id,
            "JOURNEYMAN_QUESTIONS_PER_PERSON": "1000",
        }
        with BotProcess(place / "home", settings) as process:
            process.run("index", str(place / "documents"))
            start(process, workspace)
            yield process


def start(bot: BotProcess, workspace: Workspace) -> None:
    """Until it is connected."""
    opened = workspace.connections_opened
    bot.start()
    workspace.wait_for(lambda: workspace.connections_opened > opened or bot.ended, PATIENCE)
    assert not bot.ended, bot.said()


def ask(workspace: Workspace) -> Message:
    return workspace.post("ada", "maintenance", f"{workspace.mention} {QUESTION}")


def replies(workspace: Workspace, question: Message) -> list[Message]:
    return [message for message in workspace.thread(question) if message.bot_id]


def ends(workspace: Workspace, question: Message) -> list[str]:
    """How each reply to the question ended: with an answer, or with a reason."""
    found = []
    for reply in replies(workspace, question):
        text = visible_text(reply) + json.dumps(reply.blocks, ensure_ascii=False)
        if any(block["type"] in ("context_actions", "actions") for block in reply.blocks):
            found.append("answered")
        elif any(reason in text for reason in REASONS):
            found.append("reason")
    return found


def rows(bot: BotProcess, query: str) -> list[Any]:
    with running_stack(bot.home) as stack, psycopg.connect(stack.database_url) as conn:
        return conn.execute(query).fetchall()


def votes(bot: BotProcess, value: int) -> set[str]:
    """The questions whose answers have this vote."""
    query = f"SELECT question_ts FROM feedback JOIN answer a ON a.id = answer_id WHERE vote = {value}"
    return {ts for (ts,) in rows(bot, query)}


@contextmanager
def beside(bot: BotProcess, log: Path, *commands: str) -> Iterator[None]:
    """Other services on the bot's home, as long as the context lasts; what they say is in `log`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(bot.settings)
    services = []
    with log.open("ab") as file:
        for command in commands:
            words = [sys.executable, "-m", "journeyman", "--home", str(bot.home), *command.split()]
            services.append(subprocess.Popen(words, cwd=log.parent, env=environment, stdout=file, stderr=file))
    try:
        yield
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(60)


def test_postgres_is_restarted_during_a_burst(bot: BotProcess, workspace: Workspace, place: Path) -> None:
    """Every question ends in an answer or a reason. Each vote of before is there afterwards, and one that was given
    meanwhile is, too, or whoever gave it was told.
    """
    voted = [ask(workspace) for _ in range(10)]
    for question in voted:
        workspace.wait_for(lambda question=question: ends(workspace, question) == ["answered"], PATIENCE)  # type: ignore[misc]
    for question in voted[:5]:
        workspace.press("ada", replies(workspace, question)[0], "answer_feedback", "positive")
    workspace.wait_for(lambda: rows(bot, "SELECT count(*) FROM feedback") == [(5,)], PATIENCE)
    print("before:", rows(bot, "SELECT (SELECT count(*) FROM answer), (SELECT count(*) FROM feedback)"))
    postgres = EmbeddedPostgres(
        bot.home / "postgres", runtime_folder(bot.home.resolve()) / "pg", bot.home / "logs" / "postgres.log"
    )
    burst = [ask(workspace) for _ in range(20)]
    pressed = [
        workspace.press("ada", replies(workspace, question)[0], "answer_feedback", "negative") for question in voted[5:]
    ]
    postgres.stop()
    burst += [ask(workspace) for _ in range(10)]
    time.sleep(3)
    postgres.start()
    burst += [ask(workspace) for _ in range(10)]
    workspace.wait_for(lambda: all(ends(workspace, question) for question in burst), PATIENCE)
    for press in pressed:
        workspace.wait_until_settled(press, PATIENCE)
    found = [ends(workspace, question) for question in burst]
    stored, kept = votes(bot, 1), votes(bot, -1)
    told = {message.thread_ts for message in workspace.ephemerals(workspace.ada) if message.text == views.VOTE_FAILED}
    print(
        f"after: {found.count(['answered'])} answered, {found.count(['reason'])} with a reason, of {len(burst)};",
        f"{len(stored)} votes of before; of those pressed meanwhile {len(kept)} stored, {len(told)} told to try again",
    )
    assert all(len(end) == 1 for end in found)
    assert stored == {question.ts for question in voted[:5]}
    assert kept | told == {question.ts for question in voted[5:]}
    last = ask(workspace)
    workspace.wait_for(lambda: ends(workspace, last) == ["answered"], PATIENCE)


def asked_of_both(bot: BotProcess, workspace: Workspace) -> list[Message]:
    """Questions one after the other, until each bot has answered one.

    A mention comes as two events, one to each bot, and who claims it first answers: in a burst that may always be the
    one which had time to warm up. One event in between shifts who hears of the next question first.
    """
    questions = []
    while len(questions) < 39 and rows(bot, "SELECT count(DISTINCT owner) FROM answer") != [(2,)]:
        question = ask(workspace)
        workspace.wait_for(lambda question=question: ends(workspace, question), PATIENCE)  # type: ignore[misc]
        questions.append(question)
        workspace.post("ben", "maintenance", "Good morning.")
    return questions


def test_two_of_everything(bot: BotProcess, workspace: Workspace, place: Path) -> None:
    """Two bots, two workers and two beats on one home: each of 40 questions has one answer in its thread, and each bot
    has answered some; each of 60 documents is counted as new by one scan alone.
    """
    with running_stack(bot.home) as stack, psycopg.connect(stack.database_url) as conn:
        register_sources(conn, [write_documents(place / "pumps", 60)])
    log, worker = place / "services.log", "worker --queues ingest,control"
    count = "SELECT (SELECT count(*) FROM answer), (SELECT count(*) FROM document)"
    print("before:", rows(bot, count))
    with (
        BotProcess(bot.home, bot.settings) as second,
        beside(bot, log, worker, worker, "beat", "beat"),
    ):
        start(second, workspace)
        workspace.wait_for(lambda: workspace.connections == 2, PATIENCE)
        first = asked_of_both(bot, workspace)
        questions = [*first, *(ask(workspace) for _ in range(40 - len(first)))]
        workspace.wait_for(lambda: all(ends(workspace, question) for question in questions), PATIENCE)
        workspace.wait_for(lambda: sum(said(log, "scanned", "new")) >= 60, PATIENCE)
        workspace.wait_for(lambda: len(said(log, "job_ended", "state")) >= 2, PATIENCE)
        time.sleep(1)
        found = rows(bot, "SELECT count(*), count(DISTINCT question_ts), count(DISTINCT owner) FROM answer")
        print("after:", rows(bot, count), "answered by", found[0][2], "bots; scans:", said(log, "job_ended", "state"))
        reasons = rows(bot, "SELECT DISTINCT state, error FROM answer WHERE error IS NOT NULL")
        reasons += said(bot.log, "answer_failed", "error") + said(bot.log, "answer_failed", "where")
        assert [ends(workspace, question) for question in questions] == [["answered"]] * 40, reasons
        assert [len(replies(workspace, question)) for question in questions] == [1] * 40
        assert found == [(40, 40, 2)]
        assert rows(bot, "SELECT count(*), count(DISTINCT (source_id, name)) FROM document") == [(61, 61)]
        assert sum(said(log, "scanned", "new")) == 60
        assert second.end() == 0


def test_one_id_from_the_event_to_the_last_task(bot: BotProcess, workspace: Workspace, place: Path) -> None:
    """In the logs of the bot and of the worker; and neither words nor tokens are in them."""
    question = ask(workspace)
    workspace.wait_for(lambda: ends(workspace, question) == ["answered"], PATIENCE)
    log = place / "worker.log"
    with beside(bot, log, "worker"):
        workspace.slash("ada", "maintenance", "/reindex", "all")
        workspace.wait_for(lambda: said(log, "job_ended", "request"), PATIENCE)
    begun, ended = (set(said(bot.log, event, "request")) for event in ("answer_begun", "answer_ended"))
    assert len(begun) == 1
    assert begun == ended
    assert begun <= {str(delivery.payload.get("event_id")) for delivery in workspace.deliveries}
    asked = said(bot.log, "run_requested", "request")
    assert len(asked) == 1
    assert said(log, "job_begun", "request") == said(log, "job_ended", "request") == asked
    tokens = [value for name, value in bot.settings.items() if name.startswith("SLACK_") and "TOKEN" in name]
    assert tokens
    for word in ("colour", "coolant", *tokens):
        assert word not in bot.log.read_text() + log.read_text()
