"""What beat enqueues and how often, as data. A tick only enqueues: the work and its locks are the task's."""

from typing import Any

from workers.topology import SCAN_SOURCES, SWEEP

SWEEP_SECONDS = 60.0


def beat_schedule(scan_seconds: float) -> dict[str, dict[str, Any]]:
    """Celery's beat_schedule. Ticks expire with the next one, so they do not pile up while no worker runs."""
    return {
        "scan-sources": {
            "task": SCAN_SOURCES,
            "schedule": scan_seconds,
            "options": {"expires": scan_seconds},
        },
        "sweep": {
            "task": SWEEP,
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        },
    }
