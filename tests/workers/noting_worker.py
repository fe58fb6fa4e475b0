"""A real worker whose task notes in a file when it begins and ends, and in between takes as many tenths of a second as
its job's target says.

python -m tests.workers.noting_worker REDIS_URL DATABASE_URL FILE VISIBILITY_TIMEOUT [solo]
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

if "solo" not in sys.argv:
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # before Celery is imported, as `journeyman worker` does

import psycopg

from jobs.progress import Progress, Tell
from jobs.rows import read_job
from tests.workers.work import work
from workers.app import build_app, run_worker


def main(redis_url: str, database_url: str, file: str, visibility_timeout: str, pool: str = "prefork") -> int:
    """Work until SIGTERM."""

    def note(line: str) -> None:
        with Path(file).open("a") as notes:
            notes.write(line + "\n")

    def reindex(conn: psycopg.Connection[Any], job_id: int, show: Tell) -> None:
        job = read_job(conn, job_id)
        assert job is not None
        note(f"begin {os.getpid()}")
        for tenth in range(int(job.target)):
            time.sleep(0.1)
            show(Progress("", tenth, int(job.target)))
        note(f"end {os.getpid()}")

    app = build_app(
        redis_url,
        work(lambda: psycopg.connect(database_url, autocommit=True), reindex=reindex),
        scan_seconds=60,
        visibility_timeout=float(visibility_timeout),
    )
    return run_worker(app, name=f"noting-{os.getpid()}", solo=pool == "solo")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
