"""Runs of the index that somebody asked for: one at a time per collection, with progress and a way to stop them.

Whoever asks writes a row, and any process carries it out: a worker, the bot, or the command line. A process holds an
advisory lock while it does, so that a run whose process died is known at once and another process can go on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval.embedding import Embedder
from retrieval.index import Extent, Parse, Progress, SourceRow, index_sources, list_sources
from retrieval.loading import load
from retrieval.origins import LOCAL, Access, Unreachable, kind_of, open_origin

ATTEMPTS = 3
PACE = 0.5  # seconds between two writes of the progress

_REQUEST_LOCK = 0x1DE9
_LOCK_CLASS = 0x1DEA
_COLUMNS = """id, target, collections, documents, dry_run, force, started_by, state, cancelled_by, queued_at,
    started_at, finished_at, document, done, total, embedded, reused, removed, failed, report, error"""
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
SELECT {_COLUMNS} FROM reindex_run
WHERE state IN ('queued', 'running') AND collections && %(collections)s ORDER BY id
"""  # noqa: S608
_REQUEST = f"""
INSERT INTO reindex_run (target, collections, documents, dry_run, force, started_by)
VALUES (%(target)s, %(collections)s, %(documents)s, %(dry_run)s, %(force)s, %(started_by)s)
RETURNING {_COLUMNS}
"""  # noqa: S608
_READ = f"SELECT {_COLUMNS} FROM reindex_run WHERE id = %(run)s"  # noqa: S608
_BEGIN = f"""
UPDATE reindex_run SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now())
WHERE id = %(run)s AND state IN ('queued', 'running') AND attempts < %(attempts)s AND cancelled_by IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608
_PROGRESS = """
UPDATE reindex_run SET document = %(document)s, done = %(done)s, total = greatest(%(total)s, total),
    embedded = %(chunks)s, reused = %(reused)s, removed = %(removed)s, failed = %(failed)s
WHERE id = %(run)s RETURNING cancelled_by
"""
_FINISH = """
UPDATE reindex_run SET state = %(state)s, error = %(error)s, report = coalesce(%(report)s, report), finished_at = now()
WHERE id = %(run)s AND state IN ('queued', 'running')
"""
_CANCEL = """
UPDATE reindex_run SET cancelled_by = coalesce(cancelled_by, %(person)s)
WHERE id = %(run)s AND state IN ('queued', 'running')
"""

_WORKED_ON = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %(class)s AND objid = %(run)s
        AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""  # objsubid 2: a key of two integers, https://www.postgresql.org/docs/current/view-pg-locks.html

_UNATTENDED = """
SELECT id FROM reindex_run r
WHERE state IN ('queued', 'running') AND queued_at < now() - make_interval(secs => %(patience)s) AND NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %(class)s AND objid = r.id
        AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
ORDER BY id
"""

State = Literal["queued", "running", "done", "cancelled", "failed"]
DIED = "the process that worked on it ended; ask again to go on, what was finished stays"


class AlreadyRunning(Exception):
    """A run of one of these collections is queued or under way: `run` says which, and who started it."""

    def __init__(self, run: "Run") -> None:
        super().__init__(f"{run.target} is being indexed already, started by {run.started_by}.")
        self.run = run


class Cancelled(Exception):
    """Somebody asked the run to stop."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a run is about. `documents`: source ids and names, None for all of the collections."""

    name: str
    collections: tuple[str, ...]
    documents: frozenset[tuple[int, str]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands. Documents are counted by `done`, `total` and `failed`, chunks by the others; `report` is an
    IndexReport as JSON, once it is done.
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
    document: str | None
    done: int
    total: int
    embedded: int
    reused: int
    removed: int
    failed: int
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


def find_target(conn: Connection[Any], named: str) -> Target | None:
    """All, a collection, or the documents with this name, file name, title, path or URL; None if there is none."""
    sources = list_sources(conn)
    collections = sorted({source.collection for source in sources})
    if named in ("", "all"):
        return Target("all", tuple(collections)) if collections else None
    if named in collections:
        return Target(named, (named,))
    values = {"named": named, "sources": [source.id for source in sources]}
    rows = conn.execute(_DOCUMENTS, values).fetchall()
    if not rows:
        return None
    return Target(
        named,
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
        conn.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _REQUEST_LOCK})
        collections = list(target.collections)
        for run in cursor.execute(_OPEN, {"collections": collections}).fetchall():
            if run.state == "queued" or is_worked_on(conn, run.id):
                raise AlreadyRunning(run)
            _finish(conn, run.id, "failed", error=DIED)
        values = {
            "target": target.name,
            "collections": collections,
            "documents": None if target.documents is None else Jsonb(sorted(target.documents)),
            "dry_run": dry_run,
            "force": force,
            "started_by": started_by,
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


def cancel_run(conn: Connection[Any], run_id: int, person: str) -> bool:
    """Asks a run to stop: at once if nobody works on it, else before its next document. False if it has ended."""
    with conn.transaction():
        if conn.execute(_CANCEL, {"run": run_id, "person": person}).rowcount == 0:
            return False
        if not is_worked_on(conn, run_id):
            _finish(conn, run_id, "cancelled")
        return True


def is_worked_on(conn: Connection[Any], run_id: int) -> bool:
    """Whether a process carries the run out now. Looks at the lock without taking it: a process that comes for the
    run at this moment must find it free.
    """
    row = conn.execute(_WORKED_ON, {"class": _LOCK_CLASS, "run": run_id}).fetchone()
    return bool(row and row[0])


def unattended_runs(conn: Connection[Any], patience: float = 15.0) -> list[int]:
    """The ids of open runs that nobody works on, requested more than `patience` seconds ago, oldest first."""
    rows = conn.execute(_UNATTENDED, {"class": _LOCK_CLASS, "patience": patience}).fetchall()
    return [run for (run,) in rows]


def carry_out(
    conn: Connection[Any],
    embedder: Embedder,
    run_id: int,
    *,
    max_bytes: int,
    progress: Callable[[Progress], None] | None = None,
    access: Access = LOCAL,
    parse: Parse = load,
) -> Run | None:
    """Does the run and returns how it ended; None if another process does it, or it has ended already.

    `conn` is in autocommit mode. An error is recorded in the run, and rises.
    """
    with _held(conn, run_id) as free:
        run = _begin(conn, run_id) if free else None
        if run is None:
            return None
        sources = [source for source in list_sources(conn) if source.collection in run.collections]
        only = None if run.documents is None else frozenset((source, name) for source, name in run.documents)
        extent = Extent(only, run.force, run.dry_run)
        try:
            tell = _teller(conn, run_id, _count_documents(conn, sources, extent), progress or (lambda _: None))
            report = index_sources(
                conn,
                embedder,
                sources,
                max_bytes=max_bytes,
                progress=tell,
                extent=extent,
                access=access,
                parse=parse,
            )
        except Cancelled:
            _finish(conn, run_id, "cancelled")
        except Exception as error:
            if not conn.closed:
                _finish(conn, run_id, "failed", error=f"something failed ({type(error).__name__}); the log says more")
            raise
        else:
            _finish(conn, run_id, "done", report=asdict(report))
        return read_run(conn, run_id)


def _begin(conn: Connection[Any], run_id: int) -> Run | None:
    """Makes the run ours. One that was begun too often has failed: it may be what ends its processes."""
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(_BEGIN, {"run": run_id, "attempts": ATTEMPTS}).fetchone()
    if run is None:
        found = read_run(conn, run_id)
        if found is not None and found.cancelled_by is not None:
            _finish(conn, run_id, "cancelled")
        elif found is not None:
            _finish(conn, run_id, "failed", error=f"it was begun {ATTEMPTS} times, and each time its process ended")
    return run


def _teller(
    conn: Connection[Any], run_id: int, total: int, show: Callable[[Progress], None]
) -> Callable[[Progress], None]:
    """Shows the progress, writes it into the run, and raises Cancelled once somebody asked it to stop."""
    written_at = float("-inf")

    def tell(progress: Progress) -> None:
        nonlocal written_at
        progress = replace(progress, total=max(total, progress.total))
        show(progress)
        now = time.monotonic()
        if now - written_at < PACE and progress.done < total:
            return
        written_at = now
        values = asdict(progress) | {"run": run_id}
        row = conn.execute(_PROGRESS, values).fetchone()
        if row and row[0] is not None:
            raise Cancelled

    return tell


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


def _finish(
    conn: Connection[Any], run_id: int, state: State, *, error: str | None = None, report: dict[str, Any] | None = None
) -> None:
    values = {"run": run_id, "state": state, "error": error, "report": None if report is None else Jsonb(report)}
    with conn.transaction():
        conn.execute(_FINISH, values)


@contextmanager
def _held(conn: Connection[Any], run_id: int) -> Iterator[bool]:
    """Whether nobody else works on the run; if so it is ours while the context lasts."""
    key = {"class": _LOCK_CLASS, "run": run_id}
    row = conn.execute("SELECT pg_try_advisory_lock(%(class)s, %(run)s::int)", key).fetchone()
    free = bool(row and row[0])
    try:
        yield free
    finally:
        if free and not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(class)s, %(run)s::int)", key)
