"""The tasks: each takes a job's id alone, calls one function that it was given, and says what came of it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
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

log = structlog.get_logger()

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


def register_tasks(app: Celery, work: Work, must_end: Callable[[], bool]) -> None:
    """Give the app its tasks; `must_end` says whether this process has to let go of its work now."""

    def look_up(_: Progress) -> None:
        """Between two batches."""
        if must_end():
            raise HandedBack

    def attend(conn: Connection[Any], job_id: int, carry_out: Callable[[Job], str]) -> None:
        """Does a job's work, which says how it ended, under the id of whatever set it off."""
        job = read_job(conn, job_id)
        if job is None:
            log.info("no such job", job=job_id)
            return
        with bound_contextvars(job=job_id, kind=job.kind, request=job.request_id or f"job-{job_id}"):
            log.info("job begins", attempt=job.attempts + 1)
            try:
                state = carry_out(job)
            except HandedBack:
                # A new message, because the pool may be past acknowledging this one. Were both to come, the row
                # lets one of them work.
                app.send_task(TASKS[job.kind], args=[job_id])
                log.info("job handed back")
                return
            log.info("job ended", state=state)

    @app.task(name=SCAN_SOURCES, shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def scan_sources(job_id: int | None = None) -> None:
        """A tick of the clock has no job yet."""
        with work.connect() as conn:
            if job_id is None:
                job_id = request_job(conn, "scan", EVERYTHING_DUE, started_by="schedule").id

            def scan(tell: Tell) -> dict[str, Any]:
                report = work.index_due(conn, tell)
                seconds = round(report.seconds, 1)
                log.info("scanned", **report.documents, failures=len(report.failures), seconds=seconds)
                return asdict(report)

            attend(conn, job_id, lambda job: _state(carry_out_job(conn, job.id, scan, look_up)))

    @app.task(name=REINDEX, shared=False)  # type: ignore[untyped-decorator]
    def reindex_run(job_id: int) -> None:
        with work.connect() as conn:
            attend(conn, job_id, lambda job: _state(work.reindex(conn, job.id, look_up)))

    @app.task(name=BUILD_EMBEDDER, shared=False)  # type: ignore[untyped-decorator]
    def build_embedding_model(job_id: int) -> None:
        with work.connect() as conn:

            def build(job: Job) -> str:
                def make(tell: Tell) -> dict[str, Any]:
                    try:
                        work.build_embedder(conn, job.target, lambda built: tell(_as_progress(job, built)))
                    except BeingBuilt as error:
                        return {"left": str(error)}
                    return {}

                return _state(carry_out_job(conn, job.id, make, look_up))

            attend(conn, job_id, build)

    @app.task(name=FINETUNE_ROUND, shared=False)  # type: ignore[untyped-decorator]
    def finetune_round(job_id: int) -> None:
        with work.connect() as conn:

            def train(job: Job) -> str:
                return _state(carry_out_job(conn, job.id, lambda tell: work.finetune(conn, job.id, tell), look_up))

            attend(conn, job_id, train)

    @app.task(name=FINETUNE_DUE, shared=False)  # type: ignore[untyped-decorator]
    def finetune_due() -> None:
        """A tick: the round itself sees whether there is enough to learn from, and says so if not."""
        with work.connect() as conn:
            job_id = work.request_round(conn)
        app.send_task(FINETUNE_ROUND, args=[job_id])

    @app.task(name=WATCH_ADAPTER, shared=False)  # type: ignore[untyped-decorator]
    def watch_adapter() -> None:
        with work.connect() as conn:
            switched = watch(conn)
        if switched is not None:
            log.warning("adapter switched", kind=switched.kind, active=switched.active, reason=switched.reason)

    @app.task(name=SWEEP, shared=False)  # type: ignore[untyped-decorator]
    def sweep() -> None:
        """Puts back what Redis has lost, or a process that died has left: the rows know."""
        with work.connect() as conn:
            left = unattended_jobs(conn)
        routes = app.conf.task_routes
        queues = {queue: waiting(queue) for queue in {routes[TASKS[kind]]["queue"] for _, kind in left}}
        missing = [(job_id, kind) for job_id, kind in left if queues[routes[TASKS[kind]]["queue"]] < MOST_WAITING]
        for job_id, kind in missing:
            # The next sweep knows whether it is still needed.
            app.send_task(TASKS[kind], args=[job_id], expires=SWEEP_SECONDS)
        if missing:
            log.info("put back", jobs=[job_id for job_id, _ in missing])

    def waiting(queue: str) -> int:
        """How many messages lie in a queue, those that have expired, too."""
        with app.connection_for_read() as connection:
            return int(connection.default_channel.client.llen(queue))

    @app.task(name=STATISTICS, shared=False)  # type: ignore[untyped-decorator]
    def keep_statistics() -> None:
        """What every run does at its end; corrections and deletions leave it to the clock."""
        with work.connect() as conn:
            compact(conn)
            model = active_model(conn)
            if model is not None:
                measure_cosines(conn, model)

    @app.task(name=RETENTION, shared=False)  # type: ignore[untyped-decorator]
    def forget_what_is_old() -> None:
        with work.connect() as conn:
            log.info("forgotten", **work.forget(conn))

    @app.task(name=PRUNE_VECTORS, shared=False)  # type: ignore[untyped-decorator]
    def prune() -> None:
        with work.connect() as conn:
            pruned = prune_vectors(conn)
        if pruned:
            log.info("vectors dropped that nothing needs", vectors=pruned)


def _state(ended: Job | Run | None) -> str:
    return "left to another process" if ended is None else ended.state


def _as_progress(job: Job, built: BuildProgress) -> Progress:
    """The parts of a build are chunks; those that have their vectors keep them."""
    return Progress(job.target, built.done, built.total, {"embedded": built.made}, lasting=built.made > 0)
