"""The workers: their wiring as data, and a real worker process that does a real task."""

import base64
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from celery import Celery
from click.testing import CliRunner

from journeyman.cli import cli
from journeyman.options import Invocation
from retrieval.building import BeingBuilt
from retrieval.index import IndexReport
from retrieval.reindexing import _held
from workers.app import broker_url, build_app, has_worker
from workers.locks import SCAN, try_lock
from workers.schedule import beat_schedule
from workers.topology import BUILD_EMBEDDER, INGEST, REINDEX, ROUTES, SCAN_SOURCES, SWEEP

ROOT = Path(__file__).parents[2]


def an_app(redis_url: str, database: str, calls: list[str]) -> Celery:
    """An app whose scan is noted in `calls`."""

    @contextmanager
    def connect() -> Any:
        with psycopg.connect(database, autocommit=True) as conn:
            yield conn

    def index_due(conn: psycopg.Connection[Any]) -> IndexReport:
        calls.append("scan")
        return IndexReport()

    def reindex(conn: psycopg.Connection[Any], run_id: int) -> None:
        calls.append(f"reindex {run_id}")

    def build_embedder(conn: psycopg.Connection[Any], name: str) -> None:
        calls.append(f"build {name}")
        if name == "busy":
            raise BeingBuilt(name)

    return build_app(
        redis_url,
        connect=connect,
        index_due=index_due,
        reindex=reindex,
        build_embedder=build_embedder,
        scan_seconds=60,
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:6379/1", "redis://h:6379/1"),
        ("unix:///tmp/r.sock?db=2", "redis+socket:///tmp/r.sock?virtual_host=2"),
        ("unix:///tmp/r.sock", "redis+socket:///tmp/r.sock?virtual_host=0"),
    ],
)
def test_addresses_are_translated_for_kombu(url: str, expected: str) -> None:
    """A Unix socket has another form of address in kombu than in redis-py."""
    assert broker_url(url) == expected


def test_every_task_has_a_route_and_every_tick_a_task(redis_url: str, database_url: str) -> None:
    """Tasks, routes and schedule name the same things."""
    app = an_app(redis_url, database_url, [])
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert ours == set(ROUTES)
    assert {entry["task"] for entry in beat_schedule(60).values()} <= ours
    assert all(entry["options"]["expires"] == entry["schedule"] for entry in beat_schedule(60).values())


def test_a_killed_worker_loses_no_task(redis_url: str, database_url: str) -> None:
    """A task is acknowledged when it is done, and there is one visibility timeout in all three places."""
    conf = an_app(redis_url, database_url, []).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    timeouts = (conf.broker_transport_options, conf.result_backend_transport_options)
    assert {options["visibility_timeout"] for options in timeouts} == {conf.visibility_timeout}


def test_a_scan_runs_alone(redis_url: str, database: str) -> None:
    """While one scan is under way, another returns without doing anything."""
    calls: list[str] = []
    scan = an_app(redis_url, database, calls).tasks[SCAN_SOURCES]
    with psycopg.connect(database, autocommit=True) as conn, try_lock(conn, SCAN) as free:
        assert free
        scan()
        assert calls == []
    scan()
    assert calls == ["scan"]


def test_a_run_is_carried_out_by_its_id(redis_url: str, database: str) -> None:
    """The task carries nothing else: what the run is about stands in its row."""
    calls: list[str] = []
    an_app(redis_url, database, calls).tasks[REINDEX](7)
    assert calls == ["reindex 7"]


def test_an_embedding_model_is_built_by_its_name(redis_url: str, database: str) -> None:
    """A message that comes twice does no harm: one process builds at a time, and another leaves it to that."""
    calls: list[str] = []
    task = an_app(redis_url, database, calls).tasks[BUILD_EMBEDDER]
    task("multilingual-e5-small")
    task("busy")
    assert calls == ["build multilingual-e5-small", "build busy"]


def test_without_a_worker_none_answers(stack: Any, database_url: str) -> None:
    """Then whoever asks for a run carries it out itself."""
    redis = stack.redis_url.replace("db=0", "db=8")
    assert not has_worker(an_app(redis, database_url, []), timeout=0.3)


def test_a_lock_ends_with_its_connection(database: str) -> None:
    """A process that is killed while it holds the lock does not hold it any longer."""
    first = psycopg.connect(database, autocommit=True)
    first.execute("SELECT pg_advisory_lock(%s)", (SCAN,))
    first.close()
    released = threading.Event()
    with psycopg.connect(database, autocommit=True) as conn:
        while not released.wait(0.02):
            with try_lock(conn, SCAN) as free:
                if free:
                    released.set()


@pytest.mark.slow
def test_a_worker_process_scans_the_sources(stack: Any, database: str, tmp_path: Path) -> None:
    """`journeyman worker` takes a scan from Redis and indexes what has changed on disk."""
    from retrieval.index import register_sources
    from workers.app import enqueue_scan

    (tmp_path / "pump.md").write_text("# Pump\n\nThe pump is blue and stands in hall 3.\n")
    with psycopg.connect(database, autocommit=True) as conn:
        register_sources(conn, [tmp_path])
    redis = stack.redis_url.replace("db=0", "db=9")
    enqueue_scan(an_app(redis, database, []))
    environment = os.environ | {"JOURNEYMAN_DATABASE_URL": database, "JOURNEYMAN_REDIS_URL": redis}
    worker = subprocess.Popen(
        [sys.executable, "-m", "journeyman", "--home", str(tmp_path / "home"), "worker"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stderr is not None
        lines = []
        for line in worker.stderr:
            lines.append(line)
            if "scanned" in line:
                break
        assert "new=1" in lines[-1], "".join(lines)
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert worker.returncode == 0
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT name FROM document").fetchall() == [("pump.md",)]


def test_sweep_puts_back_what_redis_lost(stack: Any, database: str) -> None:
    """A run that waits without a message, or whose process died, is enqueued; one that is worked on is not."""
    redis_url = stack.redis_url.replace("db=0", "db=11")
    with psycopg.connect(database, autocommit=True) as conn:
        insert = """
            INSERT INTO reindex_run (target, collections, dry_run, force, started_by, state, queued_at)
            VALUES ('all', '{a}', false, false, 'U1', %s, now() - interval '1 hour') RETURNING id
        """
        lost, died, at_work, _ended = (
            conn.execute(insert, (state,)).fetchone()[0]  # type: ignore[index]
            for state in ("queued", "running", "running", "done")
        )
        conn.execute(insert.replace("now() - interval '1 hour'", "now()"), ("queued",))  # its message is on its way
        with _held(conn, at_work):
            an_app(redis_url, database, []).tasks[SWEEP]()
    client = redis.Redis.from_url(redis_url)
    try:
        messages = [json.loads(message) for message in client.lrange(INGEST, 0, -1)]
        assert sorted(json.loads(base64.b64decode(m["body"]))[0][0] for m in messages) == [lost, died]
    finally:
        client.flushdb()


def test_worker_is_told_which_queues_there_are() -> None:
    """A typing error must not leave a worker waiting for tasks that never come."""
    refused = CliRunner().invoke(cli, ["worker", "--queues", "embed,fintune"], obj=Invocation())
    assert refused.exit_code == 2
    assert "'fintune'" in refused.output
    assert "finetune" in refused.output
