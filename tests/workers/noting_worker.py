"""A real worker whose task notes in a file when it begins and ends, and in between takes as long as it is told.

python -m tests.workers.noting_worker REDIS_URL DATABASE_URL FILE VISIBILITY_TIMEOUT
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # before Celery is imported, as `journeyman worker` does

import psycopg

from retrieval.index import IndexReport
from workers.app import build_app, run_worker


def main(redis_url: str, database_url: str, file: str, visibility_timeout: str) -> int:
    """Work until SIGTERM."""

    def note(line: str) -> None:
        with Path(file).open("a") as notes:
            notes.write(line + "\n")

    def reindex(conn: psycopg.Connection[Any], tenths: int) -> None:
        note(f"begin {os.getpid()}")
        time.sleep(tenths / 10)
        note(f"end {os.getpid()}")

    app = build_app(
        redis_url,
        connect=lambda: psycopg.connect(database_url, autocommit=True),
        index_due=lambda conn: IndexReport(),
        reindex=reindex,
        scan_seconds=60,
        visibility_timeout=float(visibility_timeout),
    )
    return run_worker(app, name=f"noting-{os.getpid()}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
