"""The workers: their wiring as data, and a real worker process that does a real task."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from celery import Celery
from click.testing import CliRunner
from structlog.testing import capture_logs

from jobs.progress import Progress, Tell
from jobs.rows import current_jobs, job_lock, read_job, request_job
from journeyman.cli import cli
from journeyman.cli.options import Invocation
from journeyman.settings import Settings
from retrieval.indexing.building import BeingBuilt, BuildProgress
from retrieval.indexing.tally import IndexReport
from tests.workers.work import work
from workers.app import broker_url, build_app
from workers.schedule import beat_schedule
from workers.tasks import EVERYTHING_DUE, MOST_WAITING
from workers.topology import (
    BUILD_EMBEDDER,
    INGEST,
    QUEUES,
    REINDEX,
    RETENTION,
    ROUTES,
    SCAN_SOURCES,
    STATISTICS,
    SWEEP,
    is_solo,
)

ROOT = Path(__file__).parents[2]


def an_app(redis_url: str, database: str, calls: list[str]) -> Celery:
    """An app whose scan is noted in `calls`."""

    @contextmanager
    def connect() -> Any:
        with psycopg.connect(database, autocommit=True) as conn:
            yield conn

    def index_due(conn: psycopg.Connection[Any], tell: Tell) -> IndexReport:
        calls.append("scan")
        tell(Progress("pump.md", 1, 2, {"embedded": 5}))
        if "fail" in calls:
            raise RuntimeError
        return IndexReport()

    def reindex(conn: psycopg.Connection[Any], run_id: int, tell: Tell) -> None:
        calls.append(f"reindex {run_id}")

    def build_embedder(conn: psycopg.Connection[Any], name: str, tell: Callable[[BuildProgress], None]) -> None:
        calls.append(f"build {name}")
        tell(BuildProgress(3, 4, 3, 6, 1.0))
        if name == "busy":
            raise BeingBuilt(name)

    return build_app(
        redis_url,
        work(
            connect,
            index_due=index_due,
            reindex=reindex,
            build_embedder=build_embedder,
            forget=lambda conn: {"events": len(calls)},
        ),
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
    schedule = beat_schedule(60, 3600).values()
    assert {entry["task"] for entry in schedule} <= ours
    assert all(entry["options"]["expires"] == entry["schedule"] for entry in schedule)


def test_a_killed_worker_loses_no_task(redis_url: str, database_url: str) -> None:
    """A task is acknowledged when it is done, and there is one visibility timeout in all three places."""
    conf = an_app(redis_url, database_url, []).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    # As long as a worker that is killed while it looks for lost messages keeps the others from looking.
    assert conf.broker_transport_options["unacked_mutex_expire"] <= 10
    timeouts = (conf.broker_transport_options, conf.result_backend_transport_options)
    assert {options["visibility_timeout"] for options in timeouts} == {conf.visibility_timeout}


def test_a_scan_runs_alone(redis_url: str, database: str) -> None:
    """While one scan is under way, another returns without doing anything."""
    calls: list[str] = []
    scan = an_app(redis_url, database, calls).tasks[SCAN_SOURCES]
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "scan", EVERYTHING_DUE, started_by="schedule")
        with job_lock(conn, job.id) as free:
            assert free
            scan()
            assert calls == []
        scan()
        assert calls == ["scan"]
        done = read_job(conn, job.id)
        assert done is not None
        assert (done.state, done.attempts, done.done, done.total, done.message) == ("done", 1, 1, 2, "pump.md")
        assert done.heartbeat_at is not None
        scan()
        assert request_job(conn, "scan", EVERYTHING_DUE, started_by="schedule").id > job.id + 1  # that one is done, too


def test_a_scan_that_fails_is_recorded(redis_url: str, database: str) -> None:
    """Its error rises to Celery's log, and its row says what it was."""
    with psycopg.connect(database, autocommit=True) as conn:
        with pytest.raises(RuntimeError):
            an_app(redis_url, database, ["fail"]).tasks[SCAN_SOURCES]()
        (failed,) = current_jobs(conn)
        assert (failed.kind, failed.state, failed.error) == (
            "scan",
            "failed",
            "something failed (RuntimeError); the log says more",
        )


def test_a_run_is_carried_out_by_its_id(redis_url: str, database: str) -> None:
    """The task carries nothing else: what the run is about stands in its row."""
    calls: list[str] = []
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "reindex", "all", started_by="U1").id
    task = an_app(redis_url, database, calls).tasks[REINDEX]
    task(job)
    task(job + 100)  # a row that is gone
    assert calls == [f"reindex {job}"]


def test_an_embedding_model_is_built_once(redis_url: str, database: str) -> None:
    """A message that comes twice does no harm, and asking twice is one job while it is open."""
    calls: list[str] = []
    task = an_app(redis_url, database, calls).tasks[BUILD_EMBEDDER]
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "build", "multilingual-e5-small", started_by="U1")
        assert request_job(conn, "build", "multilingual-e5-small", started_by="U2").id == job.id
        busy = request_job(conn, "build", "busy", started_by="U1")
        for job_id in (job.id, job.id, busy.id):
            task(job_id)
        done = read_job(conn, job.id)
    assert calls == ["build multilingual-e5-small", "build busy"]
    assert done is not None
    assert (done.state, done.done, done.total) == ("done", 3, 4)


def test_a_lock_ends_with_its_connection(database: str) -> None:
    """A process that is killed while it holds the lock does not hold it any longer."""
    first = psycopg.connect(database, autocommit=True)
    job = request_job(first, "scan", EVERYTHING_DUE, started_by="schedule").id
    with job_lock(first, job):
        first.close()
    released = threading.Event()
    with psycopg.connect(database, autocommit=True) as conn:
        while not released.wait(0.02):
            with job_lock(conn, job) as free:
                if free:
                    released.set()


@pytest.mark.slow
def test_a_worker_process_scans_the_sources(stack: Any, database: str, tmp_path: Path) -> None:
    """`journeyman worker` takes a scan from Redis and indexes what has changed on disk."""
    from retrieval.indexing.sources import register_sources
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
        assert json.loads(lines[-1])["new"] == 1, "".join(lines)
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
            INSERT INTO job (target, collections, dry_run, force, started_by, state, queued_at)
            VALUES ('all', '{a}', false, false, 'U1', %s, now() - interval '1 hour') RETURNING id
        """
        lost, died, at_work, _ended = (
            conn.execute(insert, (state,)).fetchone()[0]  # type: ignore[index]
            for state in ("queued", "running", "running", "done")
        )
        conn.execute(insert.replace("now() - interval '1 hour'", "now()"), ("queued",))  # its message is on its way
        with job_lock(conn, at_work):
            an_app(redis_url, database, []).tasks[SWEEP]()
    client = redis.Redis.from_url(redis_url)
    try:
        messages = [json.loads(message) for message in client.lrange(INGEST, 0, -1)]
        assert sorted(json.loads(base64.b64decode(m["body"]))[0][0] for m in messages) == [lost, died]
        client.rpush(INGEST, *[b"{}"] * MOST_WAITING)
        an_app(redis_url, database, []).tasks[SWEEP]()
        assert client.llen(INGEST) == MOST_WAITING + 2  # nobody takes them: one more a minute would help nobody
    finally:
        client.flushdb()


def test_old_things_are_forgotten_and_counts_put_together(redis_url: str, database: str) -> None:
    """By tasks of their own, as the clock says: an index that nobody runs is kept in order, too."""
    tasks = an_app(redis_url, database, []).tasks
    with capture_logs() as logs:
        tasks[RETENTION]()
    assert [(line["event"], line["events"]) for line in logs] == [("forgotten", 0)]
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("INSERT INTO lexeme_count (lexeme, chunks) SELECT 'pump', 1 FROM generate_series(1, 20)")
        tasks[STATISTICS]()
        assert conn.execute("SELECT lexeme, chunks FROM lexeme_count").fetchall() == [("pump", 20)]


@pytest.mark.parametrize(
    ("device", "queues", "solo"),
    [
        ("cuda", ["embed", "finetune"], True),
        ("cuda", list(QUEUES), True),
        ("cuda", ["ingest", "control"], False),
        ("cpu", list(QUEUES), False),
    ],
)
def test_what_may_use_a_gpu_is_not_forked(device: Any, queues: list[str], solo: bool) -> None:
    """CUDA does not survive a fork; what needs none works in a child, which can be killed."""
    assert is_solo(queues, on_gpu=Settings(device=device).on_gpu) is solo


def test_worker_is_told_which_queues_there_are() -> None:
    """A typing error must not leave a worker waiting for tasks that never come."""
    refused = CliRunner().invoke(cli, ["worker", "--queues", "embed,fintune"], obj=Invocation())
    assert refused.exit_code == 2
    assert "'fintune'" in refused.output
    assert "finetune" in refused.output
