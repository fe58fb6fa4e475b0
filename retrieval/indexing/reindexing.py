"""Runs of the index that somebody asked for: one at a time per collection, with progress and a way to stop them.

Whoever asks writes a row, and any process carries it out: a worker, the bot, or the command line. A run is a job
(jobs/rows.py) that is about documents.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from jobs import locks
from jobs.execution import DIED, carry_out_job
from jobs.progress import Tell
from jobs.rows import State, current_request, finish_job, is_worked_on
from retrieval.embedding import Embedder
from retrieval.indexing.batch import Parse
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import SourceRow, list_sources
from retrieval.indexing.tally import Extent
from retrieval.loading import load
from retrieval.origins import LOCAL, Access, Unreachable, kind_of, open_origin

_COLUMNS = """id, target, collections, documents, dry_run, force, started_by, state, cancelled_by, queued_at,
    started_at, finished_at, message, done, total, counts, report, error"""
_DOCUMENTS = """
SELECT d.source_id, d.name, s.collection FROM document d JOIN source s ON s.id = d.source_id
WHERE s.id = ANY (%(sources)s) AND (
    d.url IN (%(named)s, %(named)s || '/') OR d.name = %(named)s OR lower(d.title) = lower(%(named)s)
    OR right(d.name, length(%(named)s) + 1) = '/' || %(named)s
    OR s.uri || '/' || d.name = %(named)s OR s.uri IN (%(named)s, %(named)s || '/', 'git+' || %(named)s))
ORDER BY d.source_id, d.name
"""
_INDEXED = "SELECT count(*) FROM document WHERE source_id = ANY (%(sources)s)"
_OPEN = f"""
SELECT {_COLUMNS} FROM job
WHERE kind = 'reindex' AND state IN ('queued', 'running') AND collections && %(collections)s ORDER BY id
"""  # noqa: S608
_REQUEST = f"""
INSERT INTO job (target, collections, documents, dry_run, force, started_by, request_id)
VALUES (%(target)s, %(collections)s, %(documents)s, %(dry_run)s, %(force)s, %(started_by)s, %(request)s)
RETURNING {_COLUMNS}
"""  # noqa: S608
_READ = f"SELECT {_COLUMNS} FROM job WHERE id = %(run)s AND kind = 'reindex'"  # noqa: S608


class AlreadyRunning(Exception):
    """A run of one of these collections is queued or under way: `run` says which, and who started it."""

    def __init__(self, run: "Run") -> None:
        super().__init__(f"{run.target} is being indexed already, started by {run.started_by}.")
        self.run = run


@dataclass(frozen=True, slots=True)
class Target:
    """What a run is about. `documents`: source ids and names, None for all of the collections."""

    name: str
    collections: tuple[str, ...]
    documents: frozenset[tuple[int, str]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands. `message` names the document at hand, `done` of `total` documents are finished; `counts` are
    those of `retrieval.indexing.tally`; `report` is an IndexReport as JSON, once it is done.
    """

    id: int
    target: str
    collections: list[str]
    documents: list[tuple[int, str]] | None
    dry_run: bool
    force: bool
    started_by: str
    state: State
    cancelled_by: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None
    done: int
    total: int
    counts: dict[str, int]
    report: dict[str, Any] | None
    error: str | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to come to its end."""
        return self.state in ("queued", "running")

    def seconds_left(self, now: datetime) -> float | None:
        """How long it will take at its pace until now; None while there is no pace yet."""
        if self.state != "running" or self.started_at is None or not self.done:
            return None
        return (now - self.started_at).total_seconds() / self.done * max(self.total - self.done, 0)


def find_target(conn: Connection[Any], query: str) -> Target | None:
    """Finds what people mean: all, a collection, or the documents with this name, file name, title, path or URL; None
    if there is none.
    """
    sources = list_sources(conn)
    collections = sorted({source.collection for source in sources})
    if query in ("", "all"):
        return Target("all", tuple(collections)) if collections else None
    if query in collections:
        return Target(query, (query,))
    values = {"named": query, "sources": [source.id for source in sources]}
    rows = conn.execute(_DOCUMENTS, values).fetchall()
    if not rows:
        return None
    return Target(
        query,
        tuple(sorted({collection for _, _, collection in rows})),
        frozenset((source, name) for source, name, _ in rows),
    )


def known_collections(conn: Connection[Any]) -> list[str]:
    """The collections that have sources of files."""
    return sorted({source.collection for source in list_sources(conn)})


def request_run(
    conn: Connection[Any], target: Target, *, started_by: str, force: bool = False, dry_run: bool = False
) -> Run:
    """A new queued run. Raises AlreadyRunning while one of its collections is in another.

    A run whose process died does not stand in the way.
    """
    with conn.transaction(), conn.cursor(row_factory=class_row(Run)) as cursor:
        conn.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": locks.REQUEST})
        collections = list(target.collections)
        for run in cursor.execute(_OPEN, {"collections": collections}).fetchall():
            if run.state == "queued" or is_worked_on(conn, run.id):
                raise AlreadyRunning(run)
            finish_job(conn, run.id, "failed", error=DIED)
        values = {
            "target": target.name,
            "collections": collections,
            "documents": None if target.documents is None else Jsonb(sorted(target.documents)),
            "dry_run": dry_run,
            "force": force,
            "started_by": started_by,
            "request": current_request(),
        }
        requested = cursor.execute(_REQUEST, values).fetchone()
    if requested is None:
        raise RuntimeError("an inserted row was not returned")
    return requested


def read_run(conn: Connection[Any], run_id: int) -> Run | None:
    """The run as it stands now."""
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(_READ, {"run": run_id}).fetchone()


def open_runs(conn: Connection[Any]) -> list[Run]:
    """Every run that is queued or under way, oldest first."""
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(_OPEN.replace("AND collections && %(collections)s", "")).fetchall()


def carry_out(
    conn: Connection[Any],
    embedder: Embedder,
    run_id: int,
    *,
    max_bytes: int,
    progress: Tell | None = None,
    access: Access = LOCAL,
    parse: Parse = load,
) -> Run | None:
    """Does the run and returns how it ended; None if another process does it, or it has ended already.

    `conn` is in autocommit mode. Raises what `jobs.execution.carry_out_job` raises.
    """
    run = read_run(conn, run_id)
    if run is None:
        return None
    sources = [source for source in list_sources(conn) if source.collection in run.collections]
    only = None if run.documents is None else frozenset((source, name) for source, name in run.documents)

    def work(tell: Tell) -> dict[str, Any]:
        current = read_run(conn, run_id) or run  # it has a time of beginning now
        extent = Extent(only, run.force, run.dry_run, current.started_at)
        total = _count_documents(conn, sources, extent)
        report = index_sources(
            conn,
            embedder,
            sources,
            max_bytes=max_bytes,
            progress=lambda progress: tell(replace(progress, total=max(total, progress.total))),
            extent=extent,
            access=access,
            parse=parse,
        )
        return asdict(report)

    return read_run(conn, run_id) if carry_out_job(conn, run_id, work, progress) else None


def _count_documents(conn: Connection[Any], sources: list[SourceRow], extent: Extent) -> int:
    """How many documents there are to look at. Folders are counted now; of a source elsewhere those that are in the
    index count, because asking it twice would take as long as asking it. One that cannot be read does not count.
    """
    if extent.only is not None:
        return len(extent.only)
    elsewhere = []
    total = 0
    for source in sources:
        if kind_of(source.uri) != "folder":
            elsewhere.append(source.id)
            continue
        try:
            with open_origin(source, LOCAL) as origin:
                total += len(origin.listing(()).items)
        except Unreachable:
            continue  # the run itself reports it
    (indexed,) = conn.execute(_INDEXED, {"sources": elsewhere}).fetchone() or (0,)
    return total + int(indexed)
