"""Whether this process still takes tasks, or still enqueues them, for /readyz: a consumer that hangs looks well to
PostgreSQL and Redis, which answer whoever asks them.
"""

import time
from collections.abc import Callable
from typing import Any

from celery.signals import after_task_publish, heartbeat_sent, task_postrun, task_prerun

from workers.schedule import SWEEP_SECONDS

WORKER_PATIENCE = 30.0  # seconds; Celery's consumer says every two that its loop goes round
BEAT_PATIENCE = 3 * SWEEP_SECONDS  # beat sends the sweep, at the least


class NoSign(Exception):
    """The process is there and does nothing. The message says since when."""


class Liveness:
    """The last sign of life. A task at work in this process is one, however long it takes: no progress is not dead."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._heard_at: float | None = None
        self._at_work = False

    def watch_worker(self) -> None:
        """Hears a worker's signs from now on. Celery looks when one starts whether anybody wants them, so before."""
        heartbeat_sent.connect(self._hear, weak=False)
        task_prerun.connect(self._begin, weak=False)  # in the process itself in a solo pool alone
        task_postrun.connect(self._end, weak=False)

    def watch_beat(self) -> None:
        """Hears from now on that beat has sent a task."""
        after_task_publish.connect(self._hear, weak=False)

    def check(self) -> None:
        """Raises NoSign when there is none, or has been none for too long."""
        if self._at_work:
            return
        if self._heard_at is None:
            raise NoSign("it has not begun to take or to send tasks yet")
        silent = self._clock() - self._heard_at
        if silent > self._patience:
            raise NoSign(f"it has neither taken nor sent a task for {silent:.0f} s, nor looked for one: start it again")

    def _hear(self, **_: Any) -> None:
        self._heard_at = self._clock()

    def _begin(self, **_: Any) -> None:
        self._at_work = True

    def _end(self, **_: Any) -> None:
        self._at_work = False
        self._hear()
