"""A worker as a process: tasks taken from the queues and done. Importing this imports Celery."""

from collections.abc import Sequence

from journeyman.composition import application
from journeyman.servers.monitored import monitored
from journeyman.servers.supervisor import end_with_parent
from journeyman.settings import Settings
from journeyman.worker_app import celery_app
from workers import app as workers_app
from workers.liveness import WORKER_PATIENCE, Liveness


def run_worker(settings: Settings, parent: int | None, queues: Sequence[str], *, solo: bool) -> int:
    """Works on tasks until SIGTERM or Ctrl-C, or until the process `parent` ends; returns the exit code."""
    if parent is not None:
        end_with_parent(parent)
    liveness = Liveness(WORKER_PATIENCE)
    liveness.watch_worker()
    with application(settings) as app, monitored(app, consumer=liveness.check):
        name = "-".join(["journeyman", *queues])
        return workers_app.run_worker(celery_app(app), name=name, queues=queues, solo=solo)
