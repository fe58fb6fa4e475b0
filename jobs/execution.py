"""Carrying a job out: by one process at a time, with its progress in the row, until it ends or is handed back.

Attempts are counted before the work begins, so that a job that ends its processes is given up.
"""

import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from jobs.progress import Progress, Tell
from jobs.rows import Job, finish_job, job_lock, read_job

ATTEMPTS = 10
"""Processes that may begin a job without any of them getting on. A document that ends them is set aside after three."""
PACE = 0.5  # seconds between two writes of the progress
DIED = "the process that worked on it ended; ask again to go on, what was finished stays"

_BEGIN = """
UPDATE job SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    heartbeat_at = now()
WHERE id = %(job)s AND state IN ('queued', 'running') AND attempts < %(attempts)s AND cancelled_by IS NULL
"""
# What stays done is one way of getting on, and having got further than any process before is the other.
_PROGRESS = """
UPDATE job SET message = %(message)s, done = %(done)s, total = greatest(%(total)s, total), counts = %(counts)s,
    heartbeat_at = now(), reached = greatest(%(done)s, reached),
    attempts = CASE WHEN %(done)s > reached OR %(lasting)s THEN 1 ELSE attempts END
WHERE id = %(job)s RETURNING cancelled_by
"""
_HAND_BACK = "UPDATE job SET state = 'queued', attempts = attempts - 1 WHERE id = %(job)s AND state = 'running'"


class Cancelled(Exception):
    """Somebody asked the job to stop."""


class HandedBack(Exception):
    """The process at work is asked to end: another one goes on with the job."""


def carry_out_job(
    conn: Connection[Any], job_id: int, work: Callable[[Tell], dict[str, Any]], show: Tell | None = None
) -> Job | None:
    """Does the job and returns how it ended; None if another process does it, or it has ended already.

    `conn` is in autocommit mode. `work` tells its progress, which `show` is shown and the row is given, and returns a
    report; telling raises Cancelled once somebody asked the job to stop. An error is recorded, and rises; so does
    HandedBack, which `show` may raise, after the job is queued again.
    """
    with job_lock(conn, job_id) as free:
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


def _begin(conn: Connection[Any], job_id: int) -> bool:
    """Makes the job ours. One that was begun too often has failed: it may be what ends its processes."""
    if conn.execute(_BEGIN, {"job": job_id, "attempts": ATTEMPTS}).rowcount:
        return True
    job = read_job(conn, job_id)
    if job is not None and job.cancelled_by is not None:
        finish_job(conn, job_id, "cancelled")
    elif job is not None:
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
        row = conn.execute(_PROGRESS, _as_values(progress) | {"job": job_id}).fetchone()
        if row and row[0] is not None:
            raise Cancelled

    return tell


def _as_values(progress: Progress) -> dict[str, Any]:
    return {
        "message": progress.message,
        "done": progress.done,
        "total": progress.total,
        "counts": Jsonb(dict(progress.counts)),
        "lasting": progress.lasting,
    }
