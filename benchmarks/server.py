"""A PostgreSQL of its own for a benchmark: the embedded one, with as much memory as a server would give it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from journeyman.servers.embedded_postgres import EmbeddedPostgres
from migrations import migrate

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}


@contextmanager
def benchmark_database(**settings: str) -> Iterator[str]:
    """The URL of an empty, migrated database. Server and data are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jm-bench-"))
    folder.chmod(0o755)  # the server may run as another user
    server = EmbeddedPostgres(folder / "postgres", folder / "s", folder / "postgres.log", durable=False)
    server.settings |= SETTINGS | settings
    try:
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as conn:
            migrate(conn)
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(folder)
