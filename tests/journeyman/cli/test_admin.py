"""The commands of an administrator: status, reindex, export, admins, and the Slack app's manifest."""

import json
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import yaml
from click.testing import CliRunner

from bot.questions.answers import begin_answer
from jobs.rows import request_job
from journeyman.cli import cli
from journeyman.cli.options import Invocation
from journeyman.errors import WrongInput
from journeyman.slack_manifest import manifest_text
from retrieval.answering.answer import Question
from retrieval.indexing.attempts import begin_attempts
from retrieval.indexing.reindexing import find_target, read_run, request_run
from retrieval.indexing.sources import list_sources, register_sources
from tests.journeyman.conftest import ROOT, Run, one_sentence


@pytest.fixture
def indexed(database: str, documents: Path) -> psycopg.Connection[Any]:
    """A registered source that nobody has looked through yet."""
    conn = psycopg.connect(database, autocommit=True)
    register_sources(conn, [documents])
    return conn


@pytest.mark.slow
def test_reindex_reports_like_slack(journeyman: Run, indexed: psycopg.Connection[Any]) -> None:
    """A dry run, then the run; what cannot be read is said; the status knows the collection afterwards."""
    dry = journeyman("reindex", "--dry-run")
    assert "1 new, 1 failed" in dry.stdout
    assert "Nothing was written" in dry.stdout
    run = json.loads(journeyman("reindex", "default", "--json").stdout)
    assert (run["state"], run["started_by"], run["embedded"]) == ("done", "console", 1)
    assert [failure["document"] for failure in run["report"]["failures"]] == ["broken.pdf"]
    request_job(indexed, "build", "pump-model", started_by="console")
    request_job(indexed, "build", "press-model", started_by="console")
    begin_attempts(indexed, list_sources(indexed)[0].id, ["deadly.pdf"], [b"hash"])
    indexed.execute("UPDATE document_attempt SET attempts = 3")
    status = journeyman("status", JOURNEYMAN_MODEL="/models/phi").stdout
    assert ", build pump-model: queued (waits for a worker)." in status
    assert ", build press-model: queued (waits for a worker, 1 before it)." in status
    assert "Set aside: deadly.pdf in default, after 3 attempts (each time the process" in status
    assert (
        "Schedule: scan-sources every 15 min, finetune every 24 h, watch-adapter every 5 min, sweep every 1 min, "
        "statistics every 60 min, prune-vectors every 6 h, retention every 24 h." in status
    )
    assert "default: 1 documents, 1 passages, looked through" in status
    assert "Model: /models/phi, in this process (auto), no adapter." in status
    state = json.loads(journeyman("status", "--json").stdout)
    schedule = {"scan-sources": 900.0, "finetune": 86400.0, "watch-adapter": 300.0, "sweep": 60.0}
    assert state["schedule"] == schedule | {"statistics": 3600.0, "prune-vectors": 21600.0, "retention": 86400.0}
    assert [job["kind"] for job in state["jobs"]] == ["build", "build"]
    assert state["collections"][0]["documents"] == 1
    assert state["model"]["name"] == "embedded"


@pytest.mark.slow
def test_reindex_refuses_what_it_does_not_know_and_a_second_run(
    journeyman: Run, indexed: psycopg.Connection[Any]
) -> None:
    """With what there is, and who started the first."""
    assert "Collections: default." in one_sentence(journeyman("reindex", "nonsense"))
    target = find_target(indexed, "all")
    assert target is not None
    run = request_run(indexed, target, started_by="U0ADA")
    assert "started by U0ADA" in one_sentence(journeyman("reindex"))
    found = read_run(indexed, run.id)
    assert found is not None
    assert found.state == "queued"


@pytest.mark.slow
def test_export_writes_a_line_for_each_question(journeyman: Run, database: str, tmp_path: Path) -> None:
    """On standard output or into a file, and nothing else."""
    with psycopg.connect(database) as conn:
        begin_answer(conn, asked_by="U0ADA", question=Question("wo ist die Öse?"))
    assert json.loads(journeyman("export").stdout)["question"] == "wo ist die Öse?"
    journeyman("export", "--output", tmp_path / "all.jsonl")
    assert len((tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.slow
def test_the_first_admin_is_named_at_the_command_line(journeyman: Run, database: str) -> None:
    """Those of the setting are listed with their origin and stay; the audit log knows."""
    assert "There are none" in journeyman("admins").stderr
    added = journeyman("admins", "add", "U0ADA123", JOURNEYMAN_ADMINS="S0GROUP1").stdout.splitlines()
    assert added == ["S0GROUP1  JOURNEYMAN_ADMINS", "U0ADA123  added by console"]
    kept = journeyman("admins", "remove", "S0GROUP1", JOURNEYMAN_ADMINS="S0GROUP1")
    assert "is named by JOURNEYMAN_ADMINS" in one_sentence(kept)
    with psycopg.connect(database) as conn:
        actions = conn.execute("SELECT action FROM audit ORDER BY id").fetchall()
    assert actions == [("admins add",), ("admins remove",)]


def test_admins_are_ids() -> None:
    """A name could be anybody's."""
    with pytest.raises(click.UsageError):
        cli.main(["admins", "add", "ada"], standalone_mode=False, obj=Invocation())


def test_the_manifest_is_printed_as_it_is() -> None:
    """With its comments, ready to be pasted."""
    shown = CliRunner().invoke(cli, ["slack", "manifest"])
    assert shown.output == (ROOT / "bot" / "manifest.yaml").read_text(encoding="utf-8")


def test_the_manifest_for_http_has_the_address_everywhere() -> None:
    """Events, buttons and every command come to one address, and nothing over Socket Mode."""
    plain = yaml.safe_load(manifest_text())
    manifest = yaml.safe_load(manifest_text("https://bot.example.com/"))
    address = "https://bot.example.com/slack/events"
    assert not manifest["settings"]["socket_mode_enabled"]
    assert manifest["settings"]["event_subscriptions"]["request_url"] == address
    assert manifest["settings"]["interactivity"]["request_url"] == address
    assert {command["url"] for command in manifest["features"]["slash_commands"]} == {address}
    assert manifest["oauth_config"] == plain["oauth_config"]


@pytest.mark.parametrize("url", ["bot.example.com", "http://bot.example.com", "https://"])
def test_an_address_that_slack_would_not_call_is_refused(url: str) -> None:
    """It must be public and https."""
    with pytest.raises(WrongInput):
        manifest_text(url)
