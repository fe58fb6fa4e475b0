"""Work left to whichever worker comes first: a row that says what is to be done, and a message that it is there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from psycopg import Connection

from jobs.rows import request_job
from retrieval.embedders import Embedders
from workers.app import enqueue_build, enqueue_reindex

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EnqueueingParts:
    """What asks for work. `connect` opens autocommit connections, `celery` sends messages."""

    connect: Callable[[], AbstractContextManager[Connection[Any]]]
    embedder: Embedders
    celery: Celery


def start_reindex(parts: EnqueueingParts, run_id: int) -> None:
    """Has a worker carry out a run, as soon as one comes."""
    send(enqueue_reindex, parts.celery, run_id)


def start_build(parts: EnqueueingParts, person: str, name: str) -> None:
    """Has a worker make the vectors of the embedding model with this name, as soon as one comes."""
    parts.embedder.named(name)  # a name that cannot be is told at once
    with parts.connect() as conn:
        job = request_job(conn, "build", name, started_by=person)
    send(enqueue_build, parts.celery, job.id)


def send(enqueue: Callable[[Celery, int], None], celery: Celery, job_id: int) -> None:
    """Sends the message of a job. Whether a worker is there nobody asks: a busy one would not say so, and the job's row
    waits in any case.
    """
    try:
        enqueue(celery, job_id)
    except OperationalError as error:
        log.warning("left_to_the_sweep", job=job_id, error=type(error).__name__)
