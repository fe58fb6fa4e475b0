"""Real workers on a real Redis: a long task runs once, and a killed worker's task is soon done by another."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from celery import Celery
from kombu.transport.redis import Channel

from jobs.rows import request_job
from journeyman.servers.stack import Stack
from tests.workers.work import work
from workers.app import build_app, enqueue_reindex
from workers.lease import UNACKED_INDEX, renewed

ROOT = Path(__file__).parents[2]
TIMEOUT = 2.5  # seconds of visibility


class Bench:
    """A Redis database of its own, and workers on it that note what they do."""

    def __init__(self, redis_url: str, database_url: str, notes: Path) -> None:
        self.redis_url, self.database_url, self.notes = redis_url, database_url, notes
        self.workers: list[subprocess.Popen[bytes]] = []
        self.app: Celery = build_app(
            redis_url,
            work(lambda: psycopg.connect(database_url, autocommit=True)),
            scan_seconds=60,
            visibility_timeout=TIMEOUT,
        )

    def enqueue(self, tenths: int) -> None:
        """A job that takes so many tenths of a second."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            job = request_job(conn, "reindex", str(tenths), started_by="U1")
        enqueue_reindex(self.app, job.id)

    def start(self, pool: str = "prefork") -> "subprocess.Popen[bytes]":
        """A worker; a process group of its own, so that its child is killed with it."""
        arguments = [self.redis_url, self.database_url, str(self.notes), str(TIMEOUT), pool]
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.noting_worker", *arguments],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.workers.append(worker)
        return worker

    def noted(self, what: str) -> int:
        """How often it was noted."""
        return self.notes.read_text().count(what) if self.notes.exists() else 0

    def wait(self, what: str, times: int = 1, seconds: float = 300.0) -> float:
        """Until it is noted so often; returns how long that took."""
        started = time.monotonic()
        while self.noted(what) < times:
            assert time.monotonic() - started < seconds, f"{what!r} was noted {self.noted(what)} times"
            time.sleep(0.05)
        return time.monotonic() - started


@pytest.fixture
def bench(stack: Stack, database: str, tmp_path: Path) -> Iterator[Bench]:
    """Ends its workers, and leaves its Redis database empty."""
    url = stack.redis_url.replace("db=0", "db=10")
    found = Bench(url, database, tmp_path / "notes")
    yield found
    for worker in found.workers:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    redis.Redis.from_url(url).flushdb()


@pytest.mark.slow
def test_task_longer_than_the_timeout_runs_once(bench: Bench) -> None:
    """Two workers wait for work; one runs for three timeouts, and the other never gets its message."""
    bench.start()
    bench.start()
    bench.enqueue(int(TIMEOUT * 30))
    bench.wait("end")
    assert (bench.noted("begin"), bench.noted("end")) == (1, 1)
    time.sleep(0.5)  # acknowledged at its end
    assert redis.Redis.from_url(bench.redis_url).zcard(UNACKED_INDEX) == 0


@pytest.mark.slow
def test_task_of_a_killed_worker_is_soon_done(bench: Bench) -> None:
    """kill -9 of the whole worker: another one does the task within the timeout and a little."""
    doomed = bench.start()
    bench.enqueue(40)
    bench.wait("begin")
    bench.start()
    os.killpg(doomed.pid, signal.SIGKILL)
    assert bench.wait("begin", times=2) < TIMEOUT + 6
    bench.wait("end")
    assert bench.noted("begin") == 2


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_task_is_handed_back_at_sigterm(bench: Bench, pool: str) -> None:
    """A task that does not end within the grace time is back in the queue before the worker is gone."""
    stopping = bench.start(pool)
    bench.enqueue(300)
    bench.wait("begin")
    started = time.monotonic()
    stopping.terminate()
    stopping.wait(timeout=300)
    assert time.monotonic() - started < 20
    bench.start()
    assert bench.wait("begin", times=2) < TIMEOUT + 6


@pytest.mark.slow
def test_task_that_ends_soon_is_finished_at_sigterm(bench: Bench) -> None:
    """Within the grace time nothing is done twice."""
    stopping = bench.start()
    bench.enqueue(20)
    bench.wait("begin")
    stopping.terminate()
    stopping.wait(timeout=300)
    assert (bench.noted("begin"), bench.noted("end")) == (1, 1)
    assert redis.Redis.from_url(bench.redis_url).zcard(UNACKED_INDEX) == 0


def test_place_of_a_message_is_where_kombu_has_it() -> None:
    """What we renew is kombu's own; it has no public way to do that."""
    assert Channel.unacked_index_key == UNACKED_INDEX


def test_renewing_outlives_a_redis_that_is_away() -> None:
    """Whether Redis answers is not the task's concern, and renewing goes on once it is back."""
    calls: list[int] = []

    def renew() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise redis.ConnectionError
        return len(calls) > 2

    with renewed(renew, every=0.005):
        deadline = time.monotonic() + 5
        while len(calls) < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
    count = len(calls)
    assert count >= 4
    time.sleep(0.03)
    assert len(calls) <= count + 1
