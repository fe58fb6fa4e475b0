"""`journeyman jobs`: what is under way, and how it is stopped."""

import json

import click
import psycopg
import pytest

from jobs.rows import job_lock, read_job, request_job
from journeyman.cli import cli
from journeyman.cli.options import Invocation
from tests.journeyman.conftest import Run, one_sentence

pytestmark = pytest.mark.slow


def test_work_is_listed_and_cancelled(journeyman: Run, database: str) -> None:
    """At once where nobody is at it, else after what is in hand; what has ended already is told."""
    with psycopg.connect(database, autocommit=True) as conn:
        scan = request_job(conn, "scan", "sources", started_by="schedule")
        builds = [request_job(conn, "build", name, started_by="U0ADA") for name in ("pump-model", "press-model")]
        listed = journeyman("jobs").stdout.splitlines()
        assert listed[0] == f"Job {scan.id}, scan sources: queued (waits for a worker)."
        assert listed[2] == f"Job {builds[1].id}, build press-model: queued (waits for a worker, 1 before it)."
        with job_lock(conn, scan.id):
            assert "stops after what it has in hand" in journeyman("jobs", "cancel", scan.id).stderr
        assert f"Job {builds[0].id} is cancelled." in journeyman("jobs", "cancel", builds[0].id).stderr
        asked, stopped = read_job(conn, scan.id), read_job(conn, builds[0].id)
        assert asked is not None
        assert stopped is not None
        assert (asked.state, asked.cancelled_by) == ("queued", "console")
        assert (stopped.state, stopped.cancelled_by) == ("cancelled", "console")
        audited = conn.execute("SELECT action, detail ->> 'job' FROM audit ORDER BY id").fetchall()
        assert audited == [("jobs cancel", str(scan.id)), ("jobs cancel", str(builds[0].id))]
    assert f"Job {builds[0].id} is not open" in one_sentence(journeyman("jobs", "cancel", builds[0].id))
    with pytest.raises(click.UsageError):
        cli.main(["jobs", "cancel"], standalone_mode=False, obj=Invocation())
    assert [job["id"] for job in json.loads(journeyman("jobs", "--json").stdout)] == [scan.id, builds[1].id]
