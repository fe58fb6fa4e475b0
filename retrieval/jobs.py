"""Work as a row: asked for by anybody, carried out once by whichever process comes first, taken up again if that dies.

A message to a worker carries a job's id alone. A process holds an advisory lock while it works on a job, so that one
whose process died is known at once; attempts are counted before the work begins, so that a job that ends its processes
is given up. Kinds are names to this module: workers/topology.py says which task does which.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from structlog.contextvars import get_contextvars

from retrieval.indexing.index import Progress

ATTEMPTS = 10
"""Processes that may begin a job without any of them getting on. A document that ends them is set aside after three."""
PACE = 0.5  # seconds between two writes of the progress
KEPT_DAYS = 7
"""How long scans, builds and rounds that have ended are remembered, and"""
RUNS_KEPT_DAYS = 90
"""runs of the index, which somebody asked for."""

_LOCK_CLASS = 0x1DEA
_COLUMNS = """id, kind, target, state, attempts, done, total, document, started_by, cancelled_by, request_id, queued_at,
    started_at, heartbeat_at, finished_at, error, collections"""
_REQUEST = f"""
INSERT INTO job (kind, target, started_by, request_id)
VALUES (%(kind)s, %(target)s, %(started_by)s, %(request)s)
ON CONFLICT (kind, target) WHERE state IN ('queued', 'running') AND kind <> 'reindex' DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608
_OPEN_ONE = f"""
SELECT {_COLUMNS} FROM job WHERE kind = %(kind)s AND target = %(target)s AND state IN ('queued', 'running')
"""  # noqa: S608
_READ = f"SELECT {_COLUMNS} FROM job WHERE id = %(job)s"  # noqa: S608
_CURRENT = f"""
SELECT {_COLUMNS} FROM job
WHERE state IN ('queued', 'running') OR state = 'failed' AND finished_at > now() - interval '1 day' ORDER BY id
"""  # noqa: S608
_BEGIN = """
UPDATE job SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    heartbeat_at = now()
WHERE id = %(job)s AND state IN ('queued', 'running') AND attempts < %(attempts)s AND cancelled_by IS NULL
"""
# What a run embeds or removes stays done, but for one that does all again and one that writes nothing.
_PROGRESS = """
UPDATE job SET document = %(document)s, done = %(done)s, total = greatest(%(total)s, total),
    embedded = %(chunks)s, reused = %(reused)s, removed = %(removed)s, failed = %(failed)s, heartbeat_at = now(),
    reached = greatest(%(done)s, reached),
    attempts = CASE WHEN %(done)s > reached OR %(chunks)s + %(removed)s > 0 AND NOT (force OR dry_run)
        THEN 1 ELSE attempts END
WHERE id = %(job)s RETURNING cancelled_by
"""
_FINISH = """
UPDATE job SET state = %(state)s, error = %(error)s, report = coalesce(%(report)s, report), finished_at = now()
WHERE id = %(job)s AND state IN ('queued', 'running')
"""
_HAND_BACK = "UPDATE job SET state = 'queued', attempts = attempts - 1 WHERE id = %(job)s AND state = 'running'"
_CANCEL = """
UPDATE job SET cancelled_by = coalesce(cancelled_by, %(person)s)
WHERE id = %(job)s AND state IN ('queued', 'running')
"""
_FORGET = """
DELETE FROM job
WHERE finished_at < now() - make_interval(days => CASE kind WHEN 'reindex' THEN %(runs)s ELSE %(others)s END)
"""
# objsubid 2: a key of two integers, https://www.postgresql.org/docs/current/view-pg-locks.html
_LOCKED = """
EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %(class)s AND objid = j.id
    AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_WORKED_ON = f"SELECT {_LOCKED} FROM (SELECT %(job)s::bigint) AS j (id)"  # noqa: S608
_UNATTENDED = f"""
SELECT id, kind FROM job j
WHERE state IN ('queued', 'running') AND queued_at < now() - make_interval(secs => %(patience)s) AND NOT {_LOCKED}
ORDER BY id
"""  # noqa: S608

State = Literal["queued", "running", "done", "cancelled", "failed"]
Tell = Callable[[Progress], None]
DIED = "the process that worked on it ended; ask again to go on, what was finished stays"


class Cancelled(Exception):
    """Somebody asked the job to stop."""


class HandedBack(Exception):
    """The process at work is asked to end: another one goes on with the job."""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work as it stands. `done` of `total` are documents, of a build chunks; `heartbeat_at` is when its
    process last said so; `collections` are those of a run that somebody asked for.
    """

    id: int
    kind: str
    target: str
    state: State
    attempts: int
    done: int
    total: int
    document: str | None
    started_by: str
    cancelled_by: str | None
    request_id: str | None
    queued_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    error: str | None
    collections: list[str]


def request_job(conn: Connection[Any], kind: str, target: str, *, started_by: str) -> Job:
    """A new queued job, or the one of this kind about the same that is open already."""
    values = {"kind": kind, "target": target, "started_by": started_by, "request": current_request()}
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        while True:
            job = cursor.execute(_REQUEST, values).fetchone() or cursor.execute(_OPEN_ONE, values).fetchone()
            if job is not None:  # else the open one has just ended
                return job


def current_request() -> str | None:
    """The id by which the logs of this thread are tied together, kept with a job for the logs of its worker."""
    return get_contextvars().get("request")


def read_job(conn: Connection[Any], job_id: int) -> Job | None:
    """The job as it stands now."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_READ, {"job": job_id}).fetchone()


def current_jobs(conn: Connection[Any]) -> list[Job]:
    """Every job that is open, or that failed within a day, oldest first."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_CURRENT).fetchall()


def cancel_job(conn: Connection[Any], job_id: int, person: str) -> bool:
    """Asks a job to stop: at once if nobody works on it, else before its next batch. False if it has ended."""
    with conn.transaction():
        if conn.execute(_CANCEL, {"job": job_id, "person": person}).rowcount == 0:
            return False
        if not is_worked_on(conn, job_id):
            finish_job(conn, job_id, "cancelled")
        return True


def is_worked_on(conn: Connection[Any], job_id: int) -> bool:
    """Whether a process carries the job out now. Looks at the lock without taking it: a process that comes for the
    job at this moment must find it free.
    """
    row = conn.execute(_WORKED_ON, {"class": _LOCK_CLASS, "job": job_id}).fetchone()
    return bool(row and row[0])


def unattended_jobs(conn: Connection[Any], patience: float = 15.0) -> list[tuple[int, str]]:
    """Ids and kinds of open jobs that nobody works on, requested more than `patience` seconds ago, oldest first."""
    return conn.execute(_UNATTENDED, {"class": _LOCK_CLASS, "patience": patience}).fetchall()


def forget_jobs(conn: Connection[Any]) -> int:
    """Deletes jobs that ended long ago; returns how many."""
    return conn.execute(_FORGET, {"runs": RUNS_KEPT_DAYS, "others": KEPT_DAYS}).rowcount


def carry_out_job(
    conn: Connection[Any], job_id: int, work: Callable[[Tell], dict[str, Any]], show: Tell | None = None
) -> Job | None:
    """Does the job and returns how it ended; None if another process does it, or it has ended already.

    `conn` is in autocommit mode. `work` tells its progress, which `show` is shown and the row is given, and returns a
    report; telling raises Cancelled once somebody asked the job to stop. An error is recorded, and rises; so does
    HandedBack, which `show` may raise, after the job is queued again.
    """
    with held(conn, job_id) as free:
        if not free or not _begin(conn, job_id):
            return None
        try:
            report = work(_teller(conn, job_id, show or (lambda _: None)))
        except Cancelled:
            finish_job(conn, job_id, "cancelled")
        except HandedBack:
            conn.execute(_HAND_BACK, {"job": job_id})
            raise
        except Exception as error:
            if not conn.closed:
                error_text = f"something failed ({type(error).__name__}); the log says more"
                finish_job(conn, job_id, "failed", error=error_text)
            raise
        else:
            finish_job(conn, job_id, "done", report=report)
        return read_job(conn, job_id)


def finish_job(
    conn: Connection[Any], job_id: int, state: State, *, error: str | None = None, report: dict[str, Any] | None = None
) -> None:
    """Writes how an open job ended."""
    values = {"job": job_id, "state": state, "error": error, "report": None if report is None else Jsonb(report)}
    with conn.transaction():
        conn.execute(_FINISH, values)


@contextmanager
def held(conn: Connection[Any], job_id: int) -> Iterator[bool]:
    """Whether nobody else works on the job; if so it is ours while the context lasts."""
    key = {"class": _LOCK_CLASS, "job": job_id}
    row = conn.execute("SELECT pg_try_advisory_lock(%(class)s, %(job)s::int)", key).fetchone()
    free = bool(row and row[0])
    try:
        yield free
    finally:
        if free and not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(class)s, %(job)s::int)", key)


def _begin(conn: Connection[Any], job_id: int) -> bool:
    """Makes the job ours. One that was begun too often has failed: it may be what ends its processes."""
    if conn.execute(_BEGIN, {"job": job_id, "attempts": ATTEMPTS}).rowcount:
        return True
    found = read_job(conn, job_id)
    if found is not None and found.cancelled_by is not None:
        finish_job(conn, job_id, "cancelled")
    elif found is not None:
        finish_job(conn, job_id, "failed", error=f"it was begun {ATTEMPTS} times, and each time its process ended")
    return False


def _teller(conn: Connection[Any], job_id: int, show: Tell) -> Tell:
    """Shows the progress, writes it into the row, and raises Cancelled once somebody asked it to stop."""
    written_at = float("-inf")

    def tell(progress: Progress) -> None:
        nonlocal written_at
        show(progress)
        now = time.monotonic()
        if now - written_at < PACE and progress.done < progress.total:
            return
        written_at = now
        row = conn.execute(_PROGRESS, asdict(progress) | {"job": job_id}).fetchone()
        if row and row[0] is not None:
            raise Cancelled

    return tell
