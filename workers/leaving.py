"""When a worker has to let go of its work, for a pool whose tasks run in the worker's own process.

There Celery's soft shutdown would sleep in the task's own thread. A warm one waits for the task, so the task looks for
itself: between two batches it asks whether the grace time is over, and then hands its job back.
"""

import time
from typing import Any

from celery.signals import worker_shutting_down


class Leaving:
    """Whether this process was asked to end more than `grace` seconds ago."""

    def __init__(self, grace: float) -> None:
        self._grace, self._asked_at = grace, float("inf")

    def watch(self) -> None:
        """From now on; Celery's signal handler says so at once, even in the middle of a task."""
        worker_shutting_down.connect(self.begin, weak=False)

    def begin(self, **_: Any) -> None:
        """The process was asked to end."""
        self._asked_at = min(self._asked_at, time.monotonic())

    def must_end(self) -> bool:
        """Whether the grace time is over."""
        return time.monotonic() - self._asked_at > self._grace
