"""What beat enqueues and how often, as data. A tick only enqueues: the work and its locks are the task's."""

from typing import Any

from workers.topology import (
    FINETUNE_DUE,
    PRUNE_VECTORS,
    RETENTION,
    SCAN_SOURCES,
    STATISTICS,
    SWEEP,
    WATCH_ADAPTER,
)

SWEEP_SECONDS = 60.0
WATCH_SECONDS = 300.0
STATISTICS_SECONDS = 3_600.0
PRUNE_SECONDS = 21_600.0
RETENTION_SECONDS = 86_400.0


def beat_schedule(scan_seconds: float, finetune_seconds: float) -> dict[str, dict[str, Any]]:
    """Celery's beat_schedule. Ticks expire with the next one. While no worker runs they lie in Redis all the same, a
    kilobyte each; the first worker that comes throws away those that have expired.
    """
    ticks = {
        "scan-sources": (SCAN_SOURCES, scan_seconds),
        "finetune": (FINETUNE_DUE, finetune_seconds),
        "watch-adapter": (WATCH_ADAPTER, WATCH_SECONDS),
        "sweep": (SWEEP, SWEEP_SECONDS),
        "statistics": (STATISTICS, STATISTICS_SECONDS),
        "prune-vectors": (PRUNE_VECTORS, PRUNE_SECONDS),
        "retention": (RETENTION, RETENTION_SECONDS),
    }
    return {
        name: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
        for name, (task, seconds) in ticks.items()
    }
