"""`/journeyman model|finetune|rollback`: who may, what is told, what is kept."""

import logging
import time
from threading import Event
from typing import Any

import psycopg
import pytest

from bot.admin import round_messages, tuning
from bot.operations import Operations
from bot.slack.workspace import web_client
from finetune.registry import TrainedAdapter, add, in_use, promote
from finetune.rounds.rows import begin, end, note_cost
from jobs.rows import finish_job, request_job
from tests.bot.admin.test_installation import told
from tests.bot.conftest import Connect, Rows
from tests.slack_workspace import Workspace

COST = {"seconds": 61.0, "peak_megabytes": 1200, "tokens": 9000}


def list_adapter(database: str, name: str, decision: Any = "promote", reason: str = "Better by +0.1.") -> None:
    metrics = {"sets": {"held out": {"answer": {"candidate": 0.6, "active": 0.5, "base": 0.5, "n": 40}}}}
    lineage = {"method": "sft", "examples": 90, "rank": 16, "seed": 0}
    with psycopg.connect(database, autocommit=True) as conn:
        add(conn, TrainedAdapter(name, None, None, None, "embedded", "ab" * 32, lineage, metrics, decision, reason))


@pytest.mark.parametrize("word", ["model", "model promote house-1", "finetune start", "rollback"])
def test_others_are_refused(workspace: Workspace, connect: Connect, database: str, rows: Rows, word: str) -> None:
    """Nothing happens, and the refusal is kept."""
    list_adapter(database, "house-1")
    started: list[str] = []
    operations = Operations(finetune=lambda person, now: started.append(person) or 1)
    connect(admins=[workspace.ada.id], operations=operations)
    assert "for my admins only" in told(workspace, workspace.ben, word)
    assert not started
    assert rows("SELECT count(*) FROM adapter_switch") == [(0,)]
    assert rows("SELECT person, action, allowed FROM audit") == [(workspace.ben.id, word.split()[0], False)]


def test_promoted_and_taken_back(workspace: Workspace, connect: Connect, database: str, rows: Rows) -> None:
    """What the gate passed answers; the way back needs no name; both are in the audit log and in the history."""
    list_adapter(database, "house-1")
    connect(admins=[workspace.ada.id])
    assert "The adapter `house-1` answers" in told(workspace, workspace.ada, "model promote house-1")
    assert "The adapter `house-1` answers" in told(workspace, workspace.ada, "model")
    assert "answers already" in told(workspace, workspace.ada, "model promote house-1")
    assert "The base model answers" in told(workspace, workspace.ada, "rollback wrong tone")
    assert "nothing to roll back" in told(workspace, workspace.ada, "rollback")
    assert rows("SELECT by, kind, reason FROM adapter_switch ORDER BY id") == [
        (workspace.ada.id, "promote", "Better by +0.1."),
        (workspace.ada.id, "rollback", "wrong tone"),
    ]
    assert rows("SELECT action, allowed FROM audit ORDER BY id")[0] == ("model", True)
    assert ("rollback", True) in rows("SELECT action, allowed FROM audit")


def test_what_the_gate_refused_needs_a_reason(workspace: Workspace, connect: Connect, database: str) -> None:
    """Which is kept as it was written, and shown without any markup of it."""
    list_adapter(database, "house-2", "refuse", "Worse.")
    connect(admins=[workspace.ada.id])
    assert "write the reason after its name" in told(workspace, workspace.ada, "model promote house-2")
    shown = told(workspace, workspace.ada, "model promote house-2 better *tone*, <!channel>")
    assert "The adapter `house-2` answers" in shown
    assert "<!channel>" not in shown
    with psycopg.connect(database) as conn:
        now = in_use(conn)
    assert now is not None
    assert "better *tone*" in now.reason


def test_one_adapter_in_detail(workspace: Workspace, connect: Connect, database: str) -> None:
    """What it was made of, and what the gate saw; one that there is not is told."""
    list_adapter(database, "house-1")
    connect(admins=[workspace.ada.id])
    shown = told(workspace, workspace.ada, "model show house-1")
    assert "90 examples, rank 16, seed 0" in shown
    assert "held out: answer 0.600 (0.500 before)" in shown
    assert "There is no adapter" in told(workspace, workspace.ada, "model show house-9")
    assert told(workspace, workspace.ada, "model fly") == tuning.MODEL_USAGE


def test_what_there_is_to_learn_from(workspace: Workspace, connect: Connect, database: str) -> None:
    """And the rounds that there were; without a way to train it says where it can be done."""
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "finetune", "adapter", started_by="schedule")
        found = begin(conn, job.id, started_by="schedule", requested={})
        note_cost(conn, found.id, **COST)
        end(conn, found.id, "refused", "Worse than before.")
        finish_job(conn, job.id, "done")
    connect(admins=[workspace.ada.id])
    shown = told(workspace, workspace.ada, "finetune")
    assert "0 reviewed examples to learn from" in shown
    assert "*Round 1*: refused. Worse than before. Training took 61 s and 1200 MB." in shown
    assert told(workspace, workspace.ada, "finetune fly") == tuning.FINETUNE_USAGE
    assert told(workspace, workspace.ada, "finetune start") == tuning.NOT_HERE


def test_a_message_follows_a_round(
    workspace: Workspace, connect: Connect, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what it will cost to how it ended, in one message."""
    monkeypatch.setattr(round_messages, "PACE", 0.1)
    asked: list[tuple[str, bool]] = []

    def start(person: str, now: bool) -> int:
        asked.append((person, now))
        with psycopg.connect(database, autocommit=True) as conn:
            job = request_job(conn, "finetune", "adapter", started_by=person)
            found = begin(conn, job.id, started_by=person, requested={})
            note_cost(conn, found.id, estimate={"seconds": 600, "steps": 10, "peak_megabytes": 1200})
            return found.id

    def shown() -> str:
        return workspace.messages(workspace.maintenance)[-1].text

    connect(admins=[workspace.ada.id], operations=Operations(finetune=start))
    workspace.slash(workspace.ada, "maintenance", "/journeyman", "finetune now")
    workspace.wait_for(lambda: bool(workspace.messages(workspace.maintenance)))
    assert asked == [(workspace.ada.id, True)]
    assert "waits for a worker" in shown()
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("UPDATE job SET state = 'running'")
        workspace.wait_for(lambda: "under way; training will take about 10 min and 1200 MB" in shown())
        note_cost(conn, 1, step=5, steps=10, loss=1.5, tokens_per_second=100)
        workspace.wait_for(lambda: "step 5 of 10, loss 1.500, 100 tokens/s, about 5 min left" in shown())
        note_cost(conn, 1, **COST)
        workspace.wait_for(lambda: "is being evaluated" in shown())
        end(conn, 1, "proved", "Better by +0.1.")
        workspace.wait_for(lambda: "proved. Better by +0.1. Training took 61 s" in shown())


def test_a_round_that_cannot_be_noted_is_told(workspace: Workspace, connect: Connect) -> None:
    """With what to do about it."""

    def start(person: str, now: bool) -> int:
        raise psycopg.OperationalError

    connect(admins=[workspace.ada.id], operations=Operations(finetune=start))
    assert "try again in a minute" in told(workspace, workspace.ada, "finetune start")


def started_round(database: str, person: str) -> int:
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "finetune", "adapter", started_by=person)
        return begin(conn, job.id, started_by=person, requested={}).id


def test_a_round_is_kept_before_slack_hears_of_it(workspace: Workspace, connect: Connect, database: str) -> None:
    """A bot that is killed in between was not told to have it, so that the admin tries again."""
    go_on = Event()

    def start(person: str, now: bool) -> int:
        assert go_on.wait(10)
        return started_round(database, person)

    connect(admins=[workspace.ada.id], operations=Operations(finetune=start))
    delivery = workspace.slash(workspace.ada, "maintenance", "/journeyman", "finetune start")
    time.sleep(0.3)
    assert not delivery.acknowledged
    go_on.set()
    workspace.wait_for(lambda: delivery.acknowledged)
    workspace.wait_for(lambda: bool(workspace.messages(workspace.maintenance)))


def test_a_round_that_nothing_can_show_is_told_all_the_same(
    workspace: Workspace, connect: Connect, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is under way, whatever becomes of its message."""
    monkeypatch.setattr(round_messages, "_KEEP", "SELECT 1 / 0")
    connect(
        admins=[workspace.ada.id], operations=Operations(finetune=lambda person, now: started_round(database, person))
    )
    assert "Round 1 is asked for" in told(workspace, workspace.ada, "finetune start")


def test_where_the_bot_is_not_it_writes_a_direct_message(workspace: Workspace, connect: Connect, database: str) -> None:
    """The command works everywhere, the bot can post only where it is."""
    connect(
        admins=[workspace.ada.id], operations=Operations(finetune=lambda person, now: started_round(database, person))
    )
    workspace.add_channel("elsewhere", workspace.ada, app=False)
    workspace.slash("ada", "elsewhere", "/journeyman", "finetune start")
    direct = workspace.direct_message("ada")
    workspace.wait_for(lambda: any("*Round 1*" in message.text for message in workspace.messages(direct)))


def test_a_message_that_another_bot_did_not_come_to_post(
    workspace: Workspace, connect: Connect, database: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died between the round's row and the message."""
    monkeypatch.setattr(round_messages, "PACE", 0.1)
    number = started_round(database, workspace.ada.id)
    with psycopg.connect(database, autocommit=True) as conn:
        values = [number, workspace.maintenance.id, workspace.ada.id]
        conn.execute("INSERT INTO round_message (round_id, channel, person) VALUES (%s, %s, %s)", values)
        connect(admins=[workspace.ada.id])
        workspace.wait_for(lambda: bool(workspace.messages(workspace.maintenance)))
        end(conn, number, "refused", "Worse than before.")
    workspace.wait_for(lambda: "Worse than before." in workspace.messages(workspace.maintenance)[0].text)
    workspace.wait_for(lambda: rows("SELECT count(*) FROM round_message") == [(0,)])
    assert len(workspace.messages(workspace.maintenance)) == 1


def test_a_trial_is_told(workspace: Workspace, connect: Connect, database: str) -> None:
    """Who answers whom is seen at a glance."""
    list_adapter(database, "house-1")
    with psycopg.connect(database, autocommit=True) as conn:
        promote(conn, "house-1", by="UADMIN", percent=10)
    connect(admins=[workspace.ada.id])
    assert "`house-1` is tried on 10 % of people" in told(workspace, workspace.ada, "model")


def test_a_message_that_another_bot_left(
    workspace: Workspace, connect: Connect, database: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round lasts longer than many a bot: its message tells the end all the same."""
    monkeypatch.setattr(round_messages, "PACE", 0.1)
    client = web_client(workspace.app.bot_token, workspace.api_url, logging.getLogger("test"))
    posted = client.chat_postMessage(channel=workspace.maintenance.id, text="Round 1: under way")
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "finetune", "adapter", started_by=workspace.ada.id)
        found = begin(conn, job.id, started_by=workspace.ada.id, requested={})
        end(conn, found.id, "refused", "Worse than before.")
        values = [found.id, posted["channel"], posted["ts"]]
        conn.execute("INSERT INTO round_message (round_id, channel, ts) VALUES (%s, %s, %s)", values)
    connect(admins=[workspace.ada.id])
    workspace.wait_for(lambda: "Worse than before." in workspace.messages(workspace.maintenance)[0].text)
    workspace.wait_for(lambda: rows("SELECT count(*) FROM round_message") == [(0,)])
