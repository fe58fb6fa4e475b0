"""Who goes first on a GPU that answering, embedding and fine-tuning share.

Whoever answers or embeds holds a shared advisory lock meanwhile, which costs nobody anything; fine-tuning looks between
two steps whether anybody does, and waits. The lock ends with its connection, so a process that is killed wants nothing.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg import Connection, OperationalError

from jobs import locks

Element = TypeVar("Element")

_WANTED = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %(key)s AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""  # objsubid 1: a key of one bigint, https://www.postgresql.org/docs/current/view-pg-locks.html


@contextmanager
def wanted(conn: Connection[Any]) -> Iterator[None]:
    """Others give way while the context lasts. `conn` is in autocommit mode, and kept until then."""
    conn.execute("SELECT pg_advisory_lock_shared(%(key)s)", {"key": locks.GPU})
    try:
        yield
    finally:
        with suppress(OperationalError):  # the lock ended with the connection
            conn.execute("SELECT pg_advisory_unlock_shared(%(key)s)", {"key": locks.GPU})


def is_wanted(conn: Connection[Any]) -> bool:
    """Whether somebody answers or embeds at this moment."""
    row = conn.execute(_WANTED, {"key": locks.GPU}).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class GpuPriority:
    """Who goes first in an installation. `answers_first`: training waits for whoever answers or embeds. `here`: this
    process has a GPU. `on_server`: answers come from a model server, which may share its GPU with training.
    """

    connect: Callable[[], AbstractContextManager[Connection[Any]]]
    answers_first: bool
    here: bool
    on_server: bool

    @contextmanager
    def embedding(self) -> Iterator[None]:
        """Training gives way while the context lasts, where this process embeds on a GPU."""
        with self._wanted(self.here):
            yield

    def answering(self, events: Iterator[Element]) -> Generator[Element]:
        """The events of an answer; training gives way from the first to the last, or until they are closed."""
        with self._wanted(self.here or self.on_server):
            yield from events

    def must_wait(self, conn: Connection[Any]) -> bool:
        """Whether training in this process is to wait, because somebody answers or embeds on the GPU."""
        return self.here and self.answers_first and is_wanted(conn)

    @contextmanager
    def _wanted(self, shared: bool) -> Iterator[None]:
        if not (shared and self.answers_first):
            yield
            return
        with self.connect() as conn, wanted(conn):
            yield
