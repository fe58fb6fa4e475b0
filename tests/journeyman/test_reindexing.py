"""Who carries out a run that Slack asked for: a worker, as soon as one comes."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs.rows import unattended_jobs
from journeyman.composition import Application
from journeyman.enqueueing import EnqueueingParts, start_build, start_reindex
from journeyman.rounds import start_round, usual_request
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from journeyman.worker_app import celery_app
from retrieval.indexing.reindexing import Run, find_target, read_run, request_run
from retrieval.indexing.sources import register_sources
from tests.journeyman.conftest import ROOT

Conn = psycopg.Connection[Any]


@pytest.fixture
def conn(database: str, tmp_path: Path) -> Any:
    """A connection to a database with one registered source."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pump.md").write_text("# Pump\n\nThe pump is blue.\n")
    with psycopg.connect(database, autocommit=True) as connection:
        register_sources(connection, [tmp_path / "docs"])
        yield connection


def requested(conn: Conn) -> Run:
    target = find_target(conn, "all")
    assert target is not None
    return request_run(conn, target, started_by="U0ADA")


def wait_until_done(conn: Conn, run: Run) -> None:
    deadline = time.monotonic() + 300
    while (found := read_run(conn, run.id)) is None or found.is_open:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (found.state, found.done, found.counts["embedded"]) == ("done", 1, 1)


def test_what_is_asked_for_waits_for_a_worker(conn: Conn, stack: Stack, database: str, tmp_path: Path) -> None:
    """Even if Redis is away: the row is there, and the sweep puts the message there that is missing."""
    servers = replace(stack, database_url=database, redis_url=f"unix://{tmp_path}/nothing.sock?db=0")
    app = Application(Settings(home=tmp_path / "home"), servers)
    enqueueing = EnqueueingParts(app.connect, app.embedder, celery_app(app))
    start_reindex(enqueueing, requested(conn).id)
    start_build(enqueueing, "U0ADA", "openai:some")
    assert start_round(enqueueing, "U0ADA", usual_request(app.settings)) == 1
    assert [kind for _, kind in unattended_jobs(conn, patience=0)] == ["reindex", "build", "finetune"]


@pytest.mark.slow
def test_a_worker_does_it(conn: Conn, stack: Stack, database: str, environment: dict[str, str], tmp_path: Path) -> None:
    """The real worker process, by way of Redis, though it comes later; what parsed its files ends with it."""
    (tmp_path / "tmp").mkdir()
    redis = stack.redis_url.replace("db=0", "db=7")
    app = Application(Settings(home=tmp_path / "home"), replace(stack, database_url=database, redis_url=redis))
    run = requested(conn)
    start_reindex(EnqueueingParts(app.connect, app.embedder, celery_app(app)), run.id)
    worker = subprocess.Popen(
        [sys.executable, "-m", "journeyman", "worker"],
        cwd=ROOT,
        env=os.environ | environment | {"JOURNEYMAN_REDIS_URL": redis, "TMPDIR": str(tmp_path / "tmp")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_done(conn, run)
        assert list((tmp_path / "tmp").glob("journeyman-parser-*"))
    finally:
        worker.terminate()
        _, log = worker.communicate(timeout=300)
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["state"] for line in told if line.get("job") == run.id and "state" in line] == ["done"], log
    deadline = time.monotonic() + 60
    while list((tmp_path / "tmp").glob("journeyman-parser-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
