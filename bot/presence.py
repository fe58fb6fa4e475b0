"""Shows the other bots on the same database that this process lives, and hears what they tell it.

What a process begins has its number as `owner`, and a connection of its own holds the advisory lock of that number.
Postgres frees the lock with the process, however that ends, so what it left belongs to whoever looks next
(`bot.recovery`). After a restart of Postgres the lock is taken again within a second or so. Until then the others see
a free lock: so they look twice, and an owner that loses a row nevertheless stops writing about it.

The lock needs a session: through a pooler that shares sessions, such as PgBouncer's transaction mode, it does not work.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection, sql

from bot.questions.answers import CHANGED
from bot.runtime import Pool
from bot.slack.workspace import error_code

log = structlog.get_logger(__name__)

LOOK_EVERY = 3.0  # seconds between two looks at what others have left
RETRY = 0.5  # seconds after which a lost connection is opened again
TURN = 0.25  # seconds in which an end of this process is noticed
_HOLD = "SELECT pg_advisory_lock(%(owner)s)"
_RELEASE = "SELECT pg_advisory_unlock(%(owner)s)"
# So that a host that lost its power is not taken for alive for hours. Has no effect on a Unix socket.
_KEEPALIVE = """
SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false)
"""


@dataclass(slots=True)
class Presence:
    """Holds the lock of `owner` in a thread of its own, from `start` to `end`.

    `look` is called in it every LOOK_EVERY seconds while the lock is held, `on_change` with the id of an answer of ours
    whose question has changed. Neither may raise anything but psycopg.Error.
    """

    pool: Pool
    owner: int
    look: Callable[[], None]
    on_change: Callable[[UUID], None]
    _held: Flag = field(default_factory=Flag)
    _ending: Flag = field(default_factory=Flag)
    _holder: Thread | None = None

    def start(self, wait: float) -> None:
        """Begins to hold the lock; returns once it is held, or after `wait` seconds if Postgres does not answer."""
        self._holder = Thread(target=self._run, name="presence", daemon=True)
        self._holder.start()
        self._held.wait(wait)

    def end(self) -> None:
        """Lets go of the lock: what is unfinished is for others to finish."""
        self._ending.set()
        if self._holder is not None:
            self._holder.join(10 * TURN)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                # Not one of the pool's: it is held for as long as the process lives.
                conninfo = self.pool.conninfo if isinstance(self.pool.conninfo, str) else self.pool.conninfo()
                with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as conn:
                    self._hold(conn)
            except psycopg.Error as error:
                if self._held.is_set():
                    log.warning("presence_lost", error=error_code(error))
                self._held.clear()
                self._ending.wait(RETRY)

    def _hold(self, conn: Connection) -> None:
        conn.execute(_KEEPALIVE)
        conn.execute(_HOLD, {"owner": self.owner})
        conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANGED)))
        self._held.set()
        looked_at = float("-inf")
        while not self._ending.is_set():
            if time.monotonic() - looked_at >= LOOK_EVERY:
                looked_at = time.monotonic()
                self.look()
            for notice in conn.notifies(timeout=TURN):
                self.on_change(UUID(notice.payload))
        conn.execute(_RELEASE, {"owner": self.owner})  # the end of a closed session may take the server a while
