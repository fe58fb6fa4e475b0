"""Work as a row: asked for once, counted before it begins, handed back, taken up again, given up, forgotten."""

from typing import Any

import psycopg
import pytest

from jobs.execution import ATTEMPTS, HandedBack, carry_out_job
from jobs.progress import Progress, Tell
from jobs.rows import Job, cancel_job, current_jobs, forget_jobs, job_lock, read_job, request_job, unattended_jobs

Conn = psycopg.Connection[Any]


@pytest.fixture
def db(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@pytest.fixture
def job(db: Conn) -> Job:
    return request_job(db, "build", "pump-model", started_by="U1")


def now(conn: Conn, job: Job) -> Job:
    found = read_job(conn, job.id)
    assert found is not None
    return found


def test_an_open_job_is_asked_for_once(db: Conn, job: Job) -> None:
    """Asking again gives the same; another target, or the same after its end, is another job."""
    assert request_job(db, "build", "pump-model", started_by="U2") == job
    assert request_job(db, "build", "other-model", started_by="U2").id != job.id
    carry_out_job(db, job.id, lambda tell: {"built": 4})
    assert now(db, job).state == "done"
    assert request_job(db, "build", "pump-model", started_by="U2").id > job.id


def test_a_job_is_done_once(db: Conn, database: str, job: Job) -> None:
    """Whoever comes while it is worked on, or afterwards, leaves it."""
    times = []

    def work(tell: Tell) -> dict[str, Any]:
        times.append(1)
        with psycopg.connect(database, autocommit=True) as other:
            assert carry_out_job(other, job.id, work) is None
        return {}

    assert carry_out_job(db, job.id, work) is not None
    assert carry_out_job(db, job.id, work) is None
    assert times == [1]


def die(conn: Conn, job: Job, *told: Progress) -> None:
    """A process tells this and ends."""

    def work(tell: Tell) -> dict[str, Any]:
        assert now(conn, job).attempts > 0
        for progress in told:
            tell(progress)
        raise KeyboardInterrupt  # nothing is written about it, as if the process were killed

    with pytest.raises(KeyboardInterrupt):
        carry_out_job(conn, job.id, work)


def test_attempts_are_counted_until_one_gets_on(db: Conn, job: Job) -> None:
    """A job whose processes die is given up, but not one that makes way, however often it is killed."""
    for _ in range(ATTEMPTS + 2):
        die(db, job, Progress("a", 1, 9, {"embedded": 3}, lasting=True))
    assert (now(db, job).state, now(db, job).attempts) == ("running", 1)
    for _ in range(ATTEMPTS - 1):
        die(db, job, Progress("b", 1, 9))
    assert now(db, job).attempts == ATTEMPTS
    assert carry_out_job(db, job.id, lambda tell: {}) is None
    assert (now(db, job).state, now(db, job).error) == (
        "failed",
        f"it was begun {ATTEMPTS} times, and each time its process ended",
    )


def test_getting_as_far_as_before_is_not_getting_on(db: Conn, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process begins at nothing; what does not last, the next one does again."""
    monkeypatch.setattr("jobs.execution.PACE", 0.0)
    made = {"embedded": 3}
    for attempt in range(1, ATTEMPTS + 1):
        die(db, job, Progress("", 0, 9), Progress("a", 8, 9, made), Progress("late", 9, 9, made))
        assert now(db, job).attempts == attempt
    assert carry_out_job(db, job.id, lambda tell: {}) is None
    assert now(db, job).state == "failed"


def test_a_row_has_what_was_told_last(db: Conn, job: Job) -> None:
    """The message, the parts and the figures of this kind of work, whatever they are called."""
    carry_out_job(db, job.id, lambda tell: tell(Progress("pump.md", 9, 9, {"embedded": 3, "seconds": 1.5})) or {})
    ended = now(db, job)
    assert (ended.message, ended.done, ended.total) == ("pump.md", 9, 9)
    assert ended.counts == {"embedded": 3, "seconds": 1.5}


def test_a_job_is_handed_back(db: Conn, job: Job) -> None:
    """Whoever shows the progress may say that this process ends: the attempt does not count."""

    def show(_: Progress) -> None:
        raise HandedBack

    def work(tell: Tell) -> dict[str, Any]:
        tell(Progress("a", 1, 9, {"embedded": 3}, lasting=True))
        raise AssertionError

    with pytest.raises(HandedBack):
        carry_out_job(db, job.id, work, show)
    assert (now(db, job).state, now(db, job).attempts) == ("queued", 0)
    assert carry_out_job(db, job.id, lambda tell: {}) is not None


def test_a_job_that_is_cancelled_ends_at_its_next_word(db: Conn, database: str, job: Job) -> None:
    """What it would have told after that is not heard."""

    def work(tell: Tell) -> dict[str, Any]:
        with psycopg.connect(database, autocommit=True) as other:
            assert cancel_job(other, job.id, "U2")
        tell(Progress("a", 1, 9))
        raise AssertionError

    ended = carry_out_job(db, job.id, work)
    assert ended is not None
    assert (ended.state, ended.cancelled_by) == ("cancelled", "U2")


def test_what_nobody_works_on_is_known(db: Conn, job: Job) -> None:
    """By its lock, not by its state; and only after a while, in which its message may be on its way."""
    assert unattended_jobs(db) == []
    assert unattended_jobs(db, patience=0) == [(job.id, "build")]
    with job_lock(db, job.id):
        assert unattended_jobs(db, patience=0) == []


def test_ended_jobs_are_forgotten(db: Conn, job: Job) -> None:
    """After a week, runs that somebody asked for after a quarter of a year; open ones never."""
    run = request_job(db, "reindex", "all", started_by="U1")
    scan = request_job(db, "scan", "sources", started_by="schedule")
    for ended in (job, run):
        carry_out_job(db, ended.id, lambda tell: {})
    assert forget_jobs(db) == 0
    db.execute("UPDATE job SET finished_at = finished_at - interval '8 days', queued_at = now() - interval '9 days'")
    assert forget_jobs(db) == 1
    assert read_job(db, job.id) is None
    assert read_job(db, run.id) is not None
    db.execute("UPDATE job SET finished_at = finished_at - interval '83 days'")
    assert forget_jobs(db) == 1
    assert [open_job.id for open_job in current_jobs(db)] == [scan.id]
