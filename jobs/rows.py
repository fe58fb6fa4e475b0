"""Jobs as rows: asked for, read, cancelled, ended, forgotten; and which of them a process works on at the moment.

A message to a worker carries a job's id alone. A process holds an advisory lock while it works on a job, so that one
whose process died is known at once. Kinds are names to this module: workers/topology.py says which task does which.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from structlog.contextvars import get_contextvars

from jobs import locks

KEPT_DAYS = 7
"""Days for which scans, builds and rounds that have ended are remembered."""
RUNS_KEPT_DAYS = 90
"""Days for which runs of the index, which somebody asked for, are remembered."""

_COLUMNS = """id, kind, target, state, attempts, done, total, message, counts, started_by, cancelled_by, request_id,
    queued_at, started_at, heartbeat_at, finished_at, error, collections"""
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
_FINISH = """
UPDATE job SET state = %(state)s, error = %(error)s, report = coalesce(%(report)s, report), finished_at = now()
WHERE id = %(job)s AND state IN ('queued', 'running')
"""
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


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work as it stands. `message`, `done`, `total` and `counts` are what its process told last
    (jobs.progress.Progress), at `heartbeat_at`; `collections` are those of a run that somebody asked for.
    """

    id: int
    kind: str
    target: str
    state: State
    attempts: int
    done: int
    total: int
    message: str | None
    counts: dict[str, float]
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
    row = conn.execute(_WORKED_ON, {"class": locks.JOB_CLASS, "job": job_id}).fetchone()
    return bool(row and row[0])


def unattended_jobs(conn: Connection[Any], patience: float = 15.0) -> list[tuple[int, str]]:
    """Ids and kinds of open jobs that nobody works on, requested more than `patience` seconds ago, oldest first."""
    return conn.execute(_UNATTENDED, {"class": locks.JOB_CLASS, "patience": patience}).fetchall()


def forget_jobs(conn: Connection[Any]) -> int:
    """Deletes jobs that ended long ago; returns how many."""
    return conn.execute(_FORGET, {"runs": RUNS_KEPT_DAYS, "others": KEPT_DAYS}).rowcount


def finish_job(
    conn: Connection[Any], job_id: int, state: State, *, error: str | None = None, report: dict[str, Any] | None = None
) -> None:
    """Writes how an open job ended."""
    values = {"job": job_id, "state": state, "error": error, "report": None if report is None else Jsonb(report)}
    with conn.transaction():
        conn.execute(_FINISH, values)


@contextmanager
def job_lock(conn: Connection[Any], job_id: int) -> Iterator[bool]:
    """Whether nobody else works on the job; if so it is ours while the context lasts."""
    key = {"class": locks.JOB_CLASS, "job": job_id}
    row = conn.execute("SELECT pg_try_advisory_lock(%(class)s, %(job)s::int)", key).fetchone()
    free = bool(row and row[0])
    try:
        yield free
    finally:
        if free and not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(class)s, %(job)s::int)", key)
