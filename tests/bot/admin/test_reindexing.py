"""`/reindex` as people see it: who may, one live message, cancelling, a second one, and what fails."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.admin import reindexing, run_messages
from bot.admin.reindex_view import CANCEL_ACTION, duration
from bot.admin.reindexing import ReindexRequest, read_request
from bot.operations import Operations
from bot.slack.workspace import web_client
from retrieval.indexing.reindexing import carry_out, find_target, request_run
from retrieval.indexing.sources import register_sources
from tests.bot.conftest import Connect, Rows
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

LIMIT = 1_000_000


class Worker:
    """What the composition root hands in: carries runs out in a thread, or leaves them in the queue."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.handed_out: list[int] = []
        self.idle = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.threads: list[threading.Thread] = []

    def reindex(self, run_id: int) -> None:
        self.handed_out.append(run_id)
        if not self.idle:
            self.threads.append(threading.Thread(target=self._work, args=[run_id]))
            self.threads[-1].start()

    def embed(self, texts: Any) -> Any:
        assert self.may_go_on.wait(20)
        return HashEmbedder().embed(texts)

    name = HashEmbedder.name
    dimensions = HashEmbedder.dimensions

    def _work(self, run_id: int) -> None:
        with psycopg.connect(self.database, autocommit=True) as conn:
            carry_out(conn, self, run_id, max_bytes=LIMIT)

    def end(self) -> None:
        self.may_go_on.set()
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def docs(database: str, tmp_path: Path) -> Path:
    """A source with a good document and a broken one, which nobody has indexed yet."""
    (tmp_path / "pump.md").write_text("# Pump\n\nThe pump is blue and stands in hall 3.\n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing of use")
    with psycopg.connect(database, autocommit=True) as conn:
        register_sources(conn, [tmp_path])
    return tmp_path


@pytest.fixture
def worker(database: str, docs: Path) -> Any:
    made = Worker(database)
    yield made
    made.end()


Start = Callable[..., None]


@pytest.fixture
def start(workspace: Workspace, connect: Connect, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Start:
    """The bot as its manifest installs it, with Ada as its admin and a worker."""
    monkeypatch.setattr(run_messages, "PACE", 0.05)

    def begin() -> None:
        workspace.install(Path(reindexing.__file__).parent.with_name("manifest.yaml"))
        connect(admins=[workspace.ada.id], operations=Operations(reindex=worker.reindex))

    return begin


def live_message(workspace: Workspace, count: int = 1) -> Message:
    """The message that shows a run."""

    def posted() -> list[Message]:
        return [m for m in workspace.messages("maintenance") if m.bot_id and m.ephemeral_to is None][count - 1 :]

    return workspace.wait_for(posted)[0]


def wait_to_read(workspace: Workspace, message: Message, words: str) -> str:
    workspace.wait_for(lambda: words in visible_text(message))
    return visible_text(message)


def told(workspace: Workspace, person: Any) -> str:
    workspace.wait_for(lambda: workspace.ephemerals(person))
    return visible_text(workspace.ephemerals(person)[-1])


def test_one_message_shows_the_run_from_start_to_end(workspace: Workspace, start: Start, worker: Worker) -> None:
    """What is queued, embedded, reused, removed and failed; and at the end why, without the button."""
    worker.may_go_on.clear()
    start()
    workspace.slash("ada", "maintenance", "/reindex", "all")
    message = live_message(workspace)
    shown = wait_to_read(workspace, message, "of 2 documents")
    assert "*Indexing all*" in shown
    assert f"<@{workspace.ada.id}>" in shown
    for label in ("queued", "embedded", "reused", "removed", "failed"):
        assert f"*{label}*" in shown
    assert any(block["type"] == "actions" for block in message.blocks)
    worker.may_go_on.set()
    shown = wait_to_read(workspace, message, "done in")
    assert "*embedded*\n1 passage" in shown
    assert "*Documents* 1 new, 1 failed" in shown
    assert "• broken.pdf:" in shown
    assert not any(block["type"] == "actions" for block in message.blocks)
    assert len([m for m in workspace.messages("maintenance") if m.bot_id]) == 1


def test_others_are_refused_politely(workspace: Workspace, start: Start, worker: Worker, rows: Rows) -> None:
    """They alone see it, nothing is begun, and the audit log holds it."""
    start()
    workspace.slash("ben", "maintenance", "/reindex", "all")
    assert "I am sorry, `/reindex` is for my admins only" in told(workspace, workspace.ben)
    assert worker.handed_out == []
    assert rows("SELECT person, action, allowed, detail FROM audit") == [(workspace.ben.id, "reindex", False, {})]


def test_a_second_run_says_who_started_the_first(workspace: Workspace, start: Start, worker: Worker) -> None:
    """For as long as one of the collections is under way."""
    worker.may_go_on.clear()
    start()
    workspace.slash("ada", "maintenance", "/reindex", "default")
    wait_to_read(workspace, live_message(workspace), "of 2 documents")
    workspace.slash("ada", "maintenance", "/reindex", "")
    assert f"is being indexed already: <@{workspace.ada.id}> started it" in told(workspace, workspace.ada)
    assert len(worker.handed_out) == 1


def test_an_admin_cancels_and_others_cannot(workspace: Workspace, start: Start, worker: Worker) -> None:
    """The message says who did."""
    worker.may_go_on.clear()
    start()
    workspace.slash("ada", "maintenance", "/reindex", "")
    message = live_message(workspace)
    wait_to_read(workspace, message, "of 2 documents")
    workspace.press("ben", message, CANCEL_ACTION)
    assert "for my admins only" in told(workspace, workspace.ben)
    workspace.press("ada", message, CANCEL_ACTION)
    assert told(workspace, workspace.ada) == reindexing.WILL_STOP
    wait_to_read(workspace, message, "it stops after the passages in progress")
    worker.may_go_on.set()
    assert f"cancelled by <@{workspace.ada.id}>" in wait_to_read(workspace, message, "cancelled by")


def test_a_dry_run_writes_nothing(workspace: Workspace, start: Start, worker: Worker, rows: Rows) -> None:
    """With the dash that a keyboard makes of two hyphens."""
    start()
    workspace.slash("ada", "maintenance", "/reindex", "default —dry-run")
    shown = wait_to_read(workspace, live_message(workspace), "nothing was written")
    assert "*Dry run of default*" in shown
    assert "*to be embedded*\n1 passage" in shown
    assert rows("SELECT count(*) FROM document") == [(0,)]


def test_what_there_is_not_is_said_with_what_there_is(workspace: Workspace, start: Start, rows: Rows) -> None:
    """No run is begun for it."""
    start()
    workspace.slash("ada", "maintenance", "/reindex", "nonsense")
    assert "no document named “nonsense”. The collections are `default`" in told(workspace, workspace.ada)
    workspace.slash("ada", "maintenance", "/reindex", "all --now")
    workspace.wait_for(lambda: told(workspace, workspace.ada) == reindexing.USAGE)
    assert rows("SELECT count(*) FROM job") == [(0,)]


def test_where_the_bot_is_not_it_writes_a_direct_message(workspace: Workspace, start: Start) -> None:
    """The command works everywhere, the bot can post only where it is."""
    start()
    workspace.add_channel("elsewhere", workspace.ada, app=False)
    workspace.slash("ada", "elsewhere", "/reindex", "all")
    direct = workspace.direct_message("ada")
    workspace.wait_for(lambda: any("done in" in visible_text(m) for m in workspace.messages(direct)))
    assert reindexing.SHOWN_DIRECTLY in [m.text for m in workspace.ephemerals(workspace.ada)]


def test_a_restarted_bot_goes_on_with_the_message(
    workspace: Workspace, start: Start, worker: Worker, database: str, rows: Rows
) -> None:
    """A run that ended while the bot was away is shown, once."""
    client = web_client(workspace.app.bot_token, workspace.api_url, logging.getLogger("test"))
    posted = client.chat_postMessage(channel=workspace.maintenance.id, text="Indexing all")
    with psycopg.connect(database, autocommit=True) as conn:
        target = find_target(conn, "all")
        assert target is not None
        run = request_run(conn, target, started_by=workspace.ada.id)
        carry_out(conn, HashEmbedder(), run.id, max_bytes=LIMIT)
        values = [run.id, posted["channel"], posted["ts"]]
        conn.execute("INSERT INTO reindex_message (run_id, channel, ts) VALUES (%s, %s, %s)", values)
    start()
    wait_to_read(workspace, live_message(workspace), "done in")
    workspace.wait_for(lambda: rows("SELECT count(*) FROM reindex_message") == [(0,)])


def test_a_run_that_nobody_works_on_is_handed_out_again(
    workspace: Workspace, start: Start, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the worker was killed, or the queue was lost."""
    monkeypatch.setattr(run_messages, "AGAIN_AFTER", 0.3)
    worker.idle = True
    start()
    workspace.slash("ada", "maintenance", "/reindex", "all")
    message = live_message(workspace)
    workspace.wait_for(lambda: len(worker.handed_out) >= 1)
    worker.idle = False
    wait_to_read(workspace, message, "done in")
    assert len(set(worker.handed_out)) == 1
    assert len(worker.handed_out) >= 2


def test_a_deleted_message_ends_in_a_direct_one(workspace: Workspace, start: Start, worker: Worker) -> None:
    """Whoever asked for the run learns how it ended."""
    worker.may_go_on.clear()
    start()
    workspace.slash("ada", "maintenance", "/reindex", "all")
    message = live_message(workspace)
    wait_to_read(workspace, message, "of 2 documents")
    workspace.delete(message)
    worker.may_go_on.set()
    direct = workspace.direct_message("ada")
    workspace.wait_for(lambda: any("done in" in m.text for m in workspace.messages(direct)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ReindexRequest()),
        ("all", ReindexRequest()),
        ("rules --dry-run --force", ReindexRequest("rules", True, True)),
        ("–force the blue handbook.pdf", ReindexRequest("the blue handbook.pdf", False, True)),
        ("<https://wiki.example/a?b=1&amp;c=2|wiki> —dry-run", ReindexRequest("https://wiki.example/a?b=1&c=2", True)),
        ("“night shift.md”", ReindexRequest("night shift.md")),
        ("all --nonsense", None),
    ],
)
def test_what_people_type_is_read(text: str, wanted: ReindexRequest | None) -> None:
    """Names with blanks, links as Slack writes them, dashes as keyboards make them."""
    assert read_request(text) == wanted


@pytest.mark.parametrize(("seconds", "said"), [(7.4, "7 s"), (150, "2 min"), (9000, "2.5 h")])
def test_durations_are_said_in_one_unit(seconds: float, said: str) -> None:
    """As people say them."""
    assert duration(seconds) == said
