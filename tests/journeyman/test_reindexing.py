"""Who carries out a run that Slack asked for: a worker where one answers, else the process that was asked."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from journeyman.composition import Application
from journeyman.settings import Settings
from journeyman.stack import Stack
from retrieval.index import register_sources
from retrieval.reindexing import Run, find_target, read_run, request_run
from tests.journeyman.conftest import ROOT
from workers.app import has_worker

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
    deadline = time.monotonic() + 60
    while (found := read_run(conn, run.id)) is None or found.is_open:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (found.state, found.done, found.embedded) == ("done", 1, 1)


def test_without_redis_this_process_does_it(conn: Conn, stack: Stack, database: str, tmp_path: Path) -> None:
    """The person waits no longer than a worker would take."""
    servers = replace(stack, database_url=database, redis_url=f"unix://{tmp_path}/nothing.sock?db=0")
    app = Application(Settings(home=tmp_path / "home"), servers)
    run = requested(conn)
    app.start_reindex(run.id)
    wait_until_done(conn, run)


@pytest.mark.slow
def test_a_worker_does_it_where_there_is_one(
    conn: Conn, stack: Stack, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """The real worker process, by way of Redis."""
    redis = stack.redis_url.replace("db=0", "db=7")
    app = Application(Settings(home=tmp_path / "home"), replace(stack, database_url=database, redis_url=redis))
    worker = subprocess.Popen(
        [sys.executable, "-m", "journeyman", "worker"],
        cwd=ROOT,
        env=os.environ | environment | {"JOURNEYMAN_REDIS_URL": redis},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not has_worker(app.celery()):
            assert time.monotonic() < deadline
        run = requested(conn)
        app.start_reindex(run.id)
        wait_until_done(conn, run)
    finally:
        worker.terminate()
        _, log = worker.communicate(timeout=60)
    assert f"run={run.id}" in log
    assert "state=done" in log
