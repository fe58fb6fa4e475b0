"""The Celery app, made for a broker and the functions that its tasks call.

Nothing here reads a setting or a file.
"""

import warnings
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.utils.nodenames import default_nodename

from workers.lease import leased_task
from workers.leaving import Leaving
from workers.schedule import beat_schedule
from workers.tasks import Work, register_tasks
from workers.topology import (
    BUILD_EMBEDDER,
    FINETUNE_ROUND,
    INGEST,
    QUEUES,
    REINDEX,
    SCAN_SOURCES,
    VISIBILITY_TIMEOUT,
    routes,
)

SHUTDOWN_SECONDS = 10.0


def build_app(
    redis_url: str,
    work: Work,
    *,
    scan_seconds: float,
    finetune_seconds: float = 86_400.0,
    index_queue: str = INGEST,
    visibility_timeout: float = VISIBILITY_TIMEOUT,
) -> Celery:
    """The app for worker, beat and whoever enqueues.

    A task is acknowledged when it is done, so a killed worker's task is run again: tasks are idempotent. While it
    runs it renews its message, so that no second worker gets it within `visibility_timeout` seconds. Results are not
    kept: what tasks achieve is in Postgres.
    """
    app = Celery("journeyman", set_as_current=False, task_cls=leased_task(redis_url, visibility_timeout))
    app.conf.update(
        _broker(redis_url, visibility_timeout) | _RELIABILITY,
        task_default_queue=INGEST,
        task_routes=routes(index_queue),
        task_serializer="json",
        accept_content=["json"],
        worker_hijack_root_logger=False,
        beat_schedule=beat_schedule(scan_seconds, finetune_seconds),
    )
    leaving = Leaving(SHUTDOWN_SECONDS)
    leaving.watch()
    register_tasks(app, work, leaving.must_end)
    return app


_RELIABILITY: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,  # a queued task waits where any free worker can take it
    # A task that is not done by then goes back to the queue. Docker and systemd wait longer than that.
    "worker_soft_shutdown_timeout": SHUTDOWN_SECONDS,
    # True, which Celery 6 will have, lost a task when Redis went away in its middle.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


def _broker(redis_url: str, visibility_timeout: float) -> dict[str, Any]:
    """Where messages lie, and after how many seconds without a sign of life they are another worker's."""
    transport = {
        "visibility_timeout": visibility_timeout,
        # kombu looks for messages whose time is up every 100 s unless it is told otherwise.
        "unacked_restore_interval": min(5.0, visibility_timeout / 4),
        "unacked_restore_throttle": 1,
        # Whoever looks holds a lock, for five minutes by default: if it is killed meanwhile, nobody looks so long.
        "unacked_mutex_expire": 10,
    }
    return {
        "broker_url": broker_url(redis_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # Redis may be away for longer than 100 attempts
        "broker_transport_options": transport,
        "result_backend_transport_options": {"visibility_timeout": visibility_timeout},
        "visibility_timeout": visibility_timeout,  # Celery's documentation asks for it in all three places
    }


def broker_url(redis_url: str) -> str:
    """In kombu's form: redis-py's unix:///path?db=1 is redis+socket:///path?virtual_host=1 there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    login = f"{parts.netloc}" if parts.netloc else ""
    return f"redis+socket://{login}{parts.path}?virtual_host={database}"


def enqueue_scan(app: Celery) -> None:
    """Have a worker look for changed documents now."""
    app.send_task(SCAN_SOURCES)


def enqueue_reindex(app: Celery, run_id: int) -> None:
    """Have a worker carry out the run with this id."""
    app.send_task(REINDEX, args=[run_id])


def enqueue_build(app: Celery, job_id: int) -> None:
    """Have a worker make the vectors of the embedding model that this job is about."""
    app.send_task(BUILD_EMBEDDER, args=[job_id])


def enqueue_round(app: Celery, job_id: int) -> None:
    """Have a worker do the round of fine-tuning that this job is about."""
    app.send_task(FINETUNE_ROUND, args=[job_id])


def run_worker(app: Celery, *, name: str, queues: Sequence[str] = QUEUES, solo: bool = False) -> int:
    """Work on these queues until SIGTERM; returns the exit code.

    SIGTERM lets the running task finish if that takes less than SHUTDOWN_SECONDS, else hands it back, where the
    process has REMAP_SIGTERM=SIGQUIT in its environment before Celery is imported. One process child, because
    indexing is CPU-bound; `solo` works in the process itself, which a GPU needs, and its tasks look for themselves
    whether the time is over.
    """
    # Celery warns root of code inside messages. There can be none: ours are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    worker = app.Worker(
        hostname=default_nodename(name),
        pool="solo" if solo else "prefork",
        concurrency=1,
        queues=list(queues),
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return worker.exitcode or 0


def run_beat(app: Celery, *, schedule_file: str) -> None:
    """Enqueue what is due until SIGTERM.

    Run one per installation; `schedule_file` remembers the last ticks.
    """
    app.Beat(schedule=schedule_file, loglevel="INFO", quiet=True).run()
