"""Who goes first on a GPU that answering, embedding and fine-tuning share.

Whoever answers or embeds holds a shared advisory lock meanwhile, which costs nobody anything; fine-tuning asks between
two steps whether anybody does, and waits. The lock ends with its connection, so a process that is killed wants nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from psycopg import Connection, OperationalError

_KEY = 0x63617264  # "card"
_WANTED = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %(key)s AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""  # objsubid 1: a key of one bigint, https://www.postgresql.org/docs/current/view-pg-locks.html


@contextmanager
def wanted(conn: Connection[Any]) -> Iterator[None]:
    """Others give way while the context lasts. `conn` is in autocommit mode, and kept until then."""
    conn.execute("SELECT pg_advisory_lock_shared(%(key)s)", {"key": _KEY})
    try:
        yield
    finally:
        with suppress(OperationalError):  # the lock ended with the connection
            conn.execute("SELECT pg_advisory_unlock_shared(%(key)s)", {"key": _KEY})


def is_wanted(conn: Connection[Any]) -> bool:
    """Whether somebody answers or embeds at this moment."""
    row = conn.execute(_WANTED, {"key": _KEY}).fetchone()
    return bool(row and row[0])
