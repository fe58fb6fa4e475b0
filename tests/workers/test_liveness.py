"""Whether a worker, or beat, is still at it: what /readyz asks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery.signals import after_task_publish, heartbeat_sent, task_postrun, task_prerun
from celery.utils.dispatch import Signal

from journeyman.servers.stack import Stack
from workers.liveness import BEAT_PATIENCE, WORKER_PATIENCE, Liveness, NoSign

ROOT = Path(__file__).parents[2]
SIGNALS = (heartbeat_sent, task_prerun, task_postrun, after_task_publish)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Celery's signals are of the whole process: they are left as they were."""
    before = [list(signal.receivers) for signal in SIGNALS]
    yield
    for signal, receivers in zip(SIGNALS, before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("watch", "signal", "patience"),
    [
        (Liveness.watch_worker, heartbeat_sent, WORKER_PATIENCE),
        (Liveness.watch_beat, after_task_publish, BEAT_PATIENCE),
    ],
)
def test_silence_is_a_reason(watch: Callable[[Liveness], None], signal: Signal, patience: float) -> None:
    """A consumer that hangs looks well to PostgreSQL and Redis: only its own signs say that it takes tasks."""
    clock = Clock()
    liveness = Liveness(patience, clock)
    watch(liveness)
    with pytest.raises(NoSign, match="yet"):
        liveness.check()
    signal.send(sender=None)
    clock.now += patience - 1
    liveness.check()
    clock.now += 2
    with pytest.raises(NoSign, match=f"{patience + 1:.0f} s"):
        liveness.check()
    signal.send(sender=None)
    liveness.check()


def test_work_is_no_silence() -> None:
    """A solo worker's consumer waits for its own task, however long that takes: no sign is not dead."""
    clock = Clock()
    liveness = Liveness(WORKER_PATIENCE, clock)
    liveness.watch_worker()
    heartbeat_sent.send(sender=None)
    task_prerun.send(sender=None)
    clock.now += 36_000
    liveness.check()
    task_postrun.send(sender=None)
    clock.now += WORKER_PATIENCE - 1
    liveness.check()
    clock.now += 2
    with pytest.raises(NoSign):
        liveness.check()


HANGING = """
import os, signal, sys, threading, time
from celery import Celery
from celery.signals import worker_ready
from workers.app import broker_url
from workers.liveness import Liveness, NoSign

app = Celery("hanging", broker=broker_url(sys.argv[1]))
liveness = Liveness(patience=0.5)
liveness.watch_worker()

@worker_ready.connect
def hold_up(sender, **_):
    sender.timer.call_after(0.4, lambda: time.sleep(1.5))

def alive():
    try:
        liveness.check()
    except NoSign:
        return False
    return True

def watch():
    for wanted in (True, False, True):
        while alive() is not wanted:
            time.sleep(0.02)
        print("takes tasks" if wanted else "hangs", file=sys.__stdout__, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
app.Worker(pool="solo", concurrency=1, queues=["hanging"], heartbeat_interval=0.1, quiet=True).start()
"""


@pytest.mark.slow
def test_consumer_that_hangs_is_seen(stack: Stack) -> None:
    """Celery's real one, whose loop is held up: PostgreSQL and Redis answer all the while."""
    command = [sys.executable, "-c", HANGING, stack.redis_url.replace("db=0", "db=13")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[:3] == ["takes tasks", "hangs", "takes tasks"], done.stderr
