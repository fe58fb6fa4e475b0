"""One at a time, over all processes and hosts: Postgres advisory locks, which end with their connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

SCAN = 0x7363616E  # "scan"


@contextmanager
def try_lock(conn: Connection[Any], key: int) -> Iterator[bool]:
    """Whether the lock was free; if so it is held while the context lasts. `conn` is in autocommit mode."""
    row = conn.execute("SELECT pg_try_advisory_lock(%(key)s)", {"key": key}).fetchone()
    held = bool(row and row[0])
    try:
        yield held
    finally:
        if held and not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(key)s)", {"key": key})
