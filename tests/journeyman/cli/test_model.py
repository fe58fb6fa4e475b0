"""`journeyman model` and `journeyman finetune` as processes."""

import json
from typing import Any

import psycopg
import pytest

from finetune.registry import TrainedAdapter, add, in_use
from tests.journeyman.conftest import Run

pytestmark = pytest.mark.slow


def list_adapter(database: str, name: str, decision: Any, score: float, seed: int) -> None:
    metrics = {"sets": {"held out": {"answer": {"candidate": score, "active": 0.5, "base": 0.5, "n": 40}}}}
    lineage = {"method": "sft", "seed": seed, "losses": [2.0, score], "versions": {"trl": "1.16.0"}}
    with psycopg.connect(database, autocommit=True) as conn:
        add(
            conn,
            TrainedAdapter(
                name, None, None, None, "embedded", "ab" * 32, lineage, metrics, decision, "So it came out."
            ),
        )


def test_promote_and_go_back(journeyman: Run, database: str) -> None:
    """What the gate refused needs a reason; each line says what answers and how to go back."""
    assert "There was no round yet" in journeyman("model", "list").stderr
    list_adapter(database, "house-1", "promote", 0.6, seed=0)
    list_adapter(database, "house-2", "refuse", 0.4, seed=1)
    promoted = journeyman("model", "promote", "house-1")
    assert promoted.returncode == 0
    assert "house-1 answers" in promoted.stderr
    assert "journeyman model rollback" in promoted.stderr
    refused = journeyman("model", "promote", "house-2")
    assert refused.returncode != 0
    assert "--reason" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert journeyman("model", "promote", "house-2", "--reason", "tone", "--percent", "10").returncode == 0
    listed = journeyman("model", "list").stdout
    assert "tried on 10 %" in listed
    assert "house-1 answers; house-2 is tried on 10 % of people" in listed
    assert "house-1 answers" in journeyman("model", "rollback").stderr
    assert "without an adapter" in journeyman("model", "rollback", "--reason", "tone").stderr
    with psycopg.connect(database) as conn:
        now = in_use(conn)
        audited = conn.execute("SELECT action FROM audit ORDER BY id").fetchall()
    assert now is not None
    assert (now.active, now.reason) == (None, "tone")
    assert [action for (action,) in audited] == ["model promote"] * 2 + ["model rollback"] * 2


def test_show_and_diff(journeyman: Run, database: str) -> None:
    """One adapter as a card; two by what is not the same; a name that there is not says what to do."""
    list_adapter(database, "house-1", "promote", 0.6, seed=0)
    list_adapter(database, "house-2", "refuse", 0.4, seed=1)
    shown = journeyman("model", "show", "house-2").stdout
    assert "**refuse**: So it came out." in shown
    assert "| held out | answer | 0.4 | 0.5 | 0.5 | 40 |" in shown
    assert json.loads(journeyman("model", "show", "house-2", "--json").stdout)["lineage"]["seed"] == 1
    told = journeyman("model", "diff", "house-1", "house-2").stdout
    assert [line.split()[0] for line in told.splitlines()] == ["answer", "decision", "last", "seed"]
    assert json.loads(journeyman("model", "diff", "house-1", "house-2", "--json").stdout)["seed"] == {
        "house-1": 0,
        "house-2": 1,
    }
    unknown = journeyman("model", "show", "house-9")
    assert unknown.returncode != 0
    assert "journeyman model list" in unknown.stderr


def test_a_round_without_votes(journeyman: Run) -> None:
    """It ends at once, says what there is to do, and is listed; there is nothing to stop."""
    ended = journeyman("finetune")
    assert ended.returncode == 1
    assert "Round 1: not enough." in ended.stdout
    assert "/journeyman review" in ended.stdout
    assert "Round 1: not enough." in journeyman("model", "list").stdout
    assert "No round is under way." in journeyman("finetune", "--stop").stderr
    assert "Round 2 waits for a worker" in journeyman("finetune", "--worker").stderr
