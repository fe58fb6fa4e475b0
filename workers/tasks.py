"""The tasks: each takes ids alone, calls one function that it was given, and says what came of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import structlog
from celery import Celery
from psycopg import Connection

from retrieval.building import BeingBuilt
from retrieval.index import IndexReport
from retrieval.reindexing import Run, unattended_runs
from workers.locks import SCAN, try_lock
from workers.schedule import SWEEP_SECONDS
from workers.topology import BUILD_EMBEDDER, REINDEX, SCAN_SOURCES, SWEEP

log = structlog.get_logger()

Connect = Callable[[], AbstractContextManager[Connection[Any]]]
IndexDue = Callable[[Connection[Any]], IndexReport]
Reindex = Callable[[Connection[Any], int], Run | None]
BuildEmbedder = Callable[[Connection[Any], str], object]


def register_tasks(
    app: Celery, *, connect: Connect, index_due: IndexDue, reindex: Reindex, build_embedder: BuildEmbedder
) -> None:
    """Give the app its tasks. `connect` opens autocommit connections, `index_due` indexes the sources whose time has
    come, `reindex` carries out the run with an id, `build_embedder` makes the vectors of the embedding model with a
    name.
    """

    @app.task(name=SCAN_SOURCES, shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def scan_sources() -> None:
        with connect() as conn, try_lock(conn, SCAN) as free:
            if not free:
                log.info("scan skipped: another one is under way")
                return
            report = index_due(conn)
        log.info("scanned", **report.documents, failures=len(report.failures), seconds=round(report.seconds, 1))

    @app.task(name=REINDEX, shared=False)  # type: ignore[untyped-decorator]
    def reindex_run(run_id: int) -> None:
        with connect() as conn:
            run = reindex(conn, run_id)
        log.info("reindexed", run=run_id, state="done elsewhere" if run is None else run.state)

    @app.task(name=BUILD_EMBEDDER, shared=False)  # type: ignore[untyped-decorator]
    def build_embedding_model(name: str) -> None:
        with connect() as conn:
            try:
                build_embedder(conn, name)
            except BeingBuilt:
                log.info("not built: another process is at it", embedder=name)
                return
        log.info("built", embedder=name)

    @app.task(name=SWEEP, shared=False)  # type: ignore[untyped-decorator]
    def sweep() -> None:
        """Puts back what Redis has lost, or a process that died has left: the rows know."""
        with connect() as conn:
            left = unattended_runs(conn)
        for run_id in left:
            app.send_task(REINDEX, args=[run_id], expires=SWEEP_SECONDS)  # the next sweep knows whether it is needed
        if left:
            log.info("put back", runs=left)
