"""The tasks: each takes a job's id alone, calls one function that it was given, and says what came of it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import structlog
from celery import Celery
from psycopg import Connection
from structlog.contextvars import bound_contextvars

from finetune.watching import watch
from jobs.execution import HandedBack, carry_out_job
from jobs.progress import Progress, Tell
from jobs.rows import Job, read_job, request_job, unattended_jobs
from retrieval.indexing.building import BeingBuilt, BuildProgress
from retrieval.indexing.models import active_model, measure_cosines
from retrieval.indexing.reindexing import Run
from retrieval.indexing.tally import IndexReport
from retrieval.indexing.vector_cache import prune_vectors
from retrieval.indexing.word_counts import compact
from workers.schedule import SWEEP_SECONDS
from workers.topology import (
    BUILD_EMBEDDER,
    FINETUNE_DUE,
    FINETUNE_ROUND,
    PRUNE_VECTORS,
    REINDEX,
    RETENTION,
    SCAN_SOURCES,
    STATISTICS,
    SWEEP,
    TASKS,
    WATCH_ADAPTER,
)

log = structlog.get_logger(__name__)

Connect = Callable[[], AbstractContextManager[Connection[Any]]]
IndexDue = Callable[[Connection[Any], Tell], IndexReport]
Reindex = Callable[[Connection[Any], int, Tell], Run | None]
Finetune = Callable[[Connection[Any], int, Tell], dict[str, Any]]
RequestRound = Callable[[Connection[Any]], int]
Forget = Callable[[Connection[Any]], Mapping[str, int]]
BuildEmbedder = Callable[[Connection[Any], str, Callable[[BuildProgress], None]], object]
EVERYTHING_DUE = "sources"  # what a scan is about
MOST_WAITING = 100
"""Messages in a queue from which on the sweep adds none: nobody takes them, or a job's own is among them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the tasks call. `connect` opens autocommit connections, `index_due` indexes the sources whose time has come,
    `reindex` carries out the run with an id, `build_embedder` makes the vectors of the embedding model with a name,
    `finetune` does the round of a job, `request_round` asks for one and returns its job, `forget` deletes what nobody
    needs any more and counts it.
    """

    connect: Connect
    index_due: IndexDue
    reindex: Reindex
    build_embedder: BuildEmbedder
    finetune: Finetune
    request_round: RequestRound
    forget: Forget


@dataclass(frozen=True, slots=True)
class Process:
    """The process that does tasks. `must_end()` says whether it has to let go of its work now."""

    app: Celery
    work: Work
    must_end: Callable[[], bool]

    def look_up(self, _: Progress) -> None:
        """Raises HandedBack between two batches if the process has to end."""
        if self.must_end():
            raise HandedBack


def register_tasks(app: Celery, work: Work, must_end: Callable[[], bool]) -> None:
    """Gives the app its tasks; `must_end` says whether this process has to let go of its work now."""
    process = Process(app, work, must_end)
    for name, do in _TASKS.items():
        app.task(name=name, shared=False)(_bound(do, process))


def _bound(do: Callable[..., None], process: Process) -> Callable[..., None]:
    """The function of a task with its process. Celery reads its name and its signature, which a partial hides."""

    def task(*arguments: Any) -> None:
        do(process, *arguments)

    task.__name__, task.__doc__ = do.__name__, do.__doc__
    return task


def scan_sources(process: Process, job_id: int | None = None) -> None:
    """Indexes what changed in the sources whose time has come. A tick of the clock has no job yet."""
    with process.work.connect() as conn:
        if job_id is None:
            job_id = request_job(conn, "scan", EVERYTHING_DUE, started_by="schedule").id
        scan = partial(_scan, process, conn)
        _attend(process, conn, job_id, lambda job: _state(carry_out_job(conn, job.id, scan, process.look_up)))


def reindex_run(process: Process, job_id: int) -> None:
    """Carries out a run that somebody asked for."""
    with process.work.connect() as conn:
        _attend(process, conn, job_id, lambda job: _state(process.work.reindex(conn, job.id, process.look_up)))


def build_embedding_model(process: Process, job_id: int) -> None:
    """Makes the vectors of the embedding model that a job is about."""
    with process.work.connect() as conn:

        def build(job: Job) -> str:
            return _state(carry_out_job(conn, job.id, partial(_build, process, conn, job), process.look_up))

        _attend(process, conn, job_id, build)


def finetune_round(process: Process, job_id: int) -> None:
    """Does the round of fine-tuning that a job is about."""
    with process.work.connect() as conn:

        def train(job: Job) -> str:
            finetune = partial(process.work.finetune, conn, job.id)
            return _state(carry_out_job(conn, job.id, finetune, process.look_up))

        _attend(process, conn, job_id, train)


def finetune_due(process: Process) -> None:
    """Asks for a round at a tick: the round itself sees whether there is enough to learn from, and says so if not."""
    with process.work.connect() as conn:
        job_id = process.work.request_round(conn)
    process.app.send_task(FINETUNE_ROUND, args=[job_id])


def watch_adapter(process: Process) -> None:
    """Goes back to what answered before, where an adapter proves worse with people."""
    with process.work.connect() as conn:
        switch = watch(conn)
    if switch is not None:
        log.warning("adapter_switched", kind=switch.kind, active=switch.active, reason=switch.reason)


def sweep(process: Process) -> None:
    """Puts back what Redis has lost, or a process that died has left: the rows know."""
    with process.work.connect() as conn:
        jobs = unattended_jobs(conn)
    queue_of = {kind: process.app.conf.task_routes[TASKS[kind]]["queue"] for _, kind in jobs}
    lengths = {queue: _length(process.app, queue) for queue in set(queue_of.values())}
    lost = [(job_id, kind) for job_id, kind in jobs if lengths[queue_of[kind]] < MOST_WAITING]
    for job_id, kind in lost:
        # The next sweep knows whether it is still needed.
        process.app.send_task(TASKS[kind], args=[job_id], expires=SWEEP_SECONDS)
    if lost:
        log.info("jobs_put_back", jobs=[job_id for job_id, _ in lost])


def keep_statistics(process: Process) -> None:
    """Does what every run does at its end; corrections and deletions leave it to the clock."""
    with process.work.connect() as conn:
        compact(conn)
        model = active_model(conn)
        if model is not None:
            measure_cosines(conn, model)


def forget_what_is_old(process: Process) -> None:
    """Deletes what nobody needs any more."""
    with process.work.connect() as conn:
        log.info("forgotten", **process.work.forget(conn))


def prune(process: Process) -> None:
    """Drops vectors that no passage has needed for long."""
    with process.work.connect() as conn:
        count = prune_vectors(conn)
    if count:
        log.info("vectors_dropped", vectors=count)


_TASKS: Mapping[str, Callable[..., None]] = {
    SCAN_SOURCES: scan_sources,
    REINDEX: reindex_run,
    BUILD_EMBEDDER: build_embedding_model,
    FINETUNE_ROUND: finetune_round,
    FINETUNE_DUE: finetune_due,
    WATCH_ADAPTER: watch_adapter,
    SWEEP: sweep,
    STATISTICS: keep_statistics,
    RETENTION: forget_what_is_old,
    PRUNE_VECTORS: prune,
}


def _attend(process: Process, conn: Connection[Any], job_id: int, carry_out: Callable[[Job], str]) -> None:
    """Does a job's work, which says how it ended, under the id of whatever set it off."""
    job = read_job(conn, job_id)
    if job is None:
        log.info("job_unknown", job=job_id)
        return
    with bound_contextvars(job=job_id, kind=job.kind, request=job.request_id or f"job-{job_id}"):
        log.info("job_begun", attempt=job.attempts + 1)
        try:
            state = carry_out(job)
        except HandedBack:
            # A new message, because the pool may be past acknowledging this one. Were both to come, the row
            # lets one of them work.
            process.app.send_task(TASKS[job.kind], args=[job_id])
            log.info("job_handed_back")
            return
        log.info("job_ended", state=state)


def _scan(process: Process, conn: Connection[Any], tell: Tell) -> dict[str, Any]:
    report = process.work.index_due(conn, tell)
    log.info("scanned", **report.documents, failures=len(report.failures), seconds=round(report.seconds, 1))
    return asdict(report)


def _build(process: Process, conn: Connection[Any], job: Job, tell: Tell) -> dict[str, Any]:
    try:
        process.work.build_embedder(conn, job.target, lambda built: tell(_as_progress(job, built)))
    except BeingBuilt as error:
        return {"left": str(error)}
    return {}


def _length(app: Celery, queue: str) -> int:
    """How many messages lie in a queue, those that have expired, too."""
    with app.connection_for_read() as connection:
        return int(connection.default_channel.client.llen(queue))


def _state(row: Job | Run | None) -> str:
    return "left to another process" if row is None else row.state


def _as_progress(job: Job, progress: BuildProgress) -> Progress:
    """The parts of a build are chunks; those that have their vectors keep them."""
    return Progress(job.target, progress.done, progress.total, {"embedded": progress.made}, lasting=progress.made > 0)
