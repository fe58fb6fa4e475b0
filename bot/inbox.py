"""Posts that address the bot, kept from their acknowledgement until a listener has dealt with them.

Slack does not deliver an acknowledged event again. In a burst events wait seconds for their listener, which begins the
answer's row that a restart finds: without this, a process killed in between would leave people without a word. Keeping
does not delay the acknowledgement: one thread writes what has come since it wrote last, some hundredths of a second
later. What is found at start may have been dealt with already; `bot.events` knows that.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from psycopg.types.json import Jsonb

from bot.routing import Identity, Route, route
from bot.runtime import Pool
from bot.workspace import error_code

log = structlog.get_logger(__name__)

TIMEOUT = 5.0  # seconds to wait for Postgres
CALM = 0.02  # seconds without a new post after which a burst has ended
PAUSE = 0.05  # seconds between two writes: what comes in between is written at once
LONGEST_BURST = 0.5  # seconds that a listener waits for a burst's end
_POSTS = ("message", "app_mention")
_KEEP = """
INSERT INTO inbox (post, event_id, event)
SELECT * FROM unnest(%(posts)s::text[], %(event_ids)s::text[], %(events)s::jsonb[])
ON CONFLICT (post) DO NOTHING
"""
_DONE = "DELETE FROM inbox WHERE post = ANY(%(posts)s)"
_LEFT = "SELECT event_id, event FROM inbox ORDER BY received_at, post"


@dataclass(slots=True)
class Inbox:
    """The rows of `inbox`. Safe to use from several threads; one of its own writes, from `start` to `end`."""

    pool: Pool
    _came: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)  # by post: event id and event
    _done: list[str] = field(default_factory=list)
    _changed: Condition = field(default_factory=Condition)
    _gate: Lock = field(default_factory=Lock)
    _came_at: float = float("-inf")
    _writer: Thread | None = None
    _ending: bool = False

    def start(self) -> None:
        """Begins to write."""
        self._writer = Thread(target=self._write, name="inbox", daemon=True)
        self._writer.start()

    def end(self) -> None:
        """Writes what is left to write, and ends."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._writer is not None:
            self._writer.join(TIMEOUT)

    def keep(self, event_id: str, event: Mapping[str, Any]) -> None:
        """Has the post written; returns at once."""
        with self._changed:
            self._came[post_of(event)] = (event_id, event)
            self._came_at = time.monotonic()
            self._changed.notify()

    def done(self, event: Mapping[str, Any]) -> None:
        """A listener has dealt with the post; its row goes, or is not written at all."""
        post = post_of(event)
        with self._changed:
            self._came.pop(post, None)
            self._done.append(post)
            self._changed.notify()

    def wait_for_calm(self) -> None:
        """Lets a burst be acknowledged before it is worked on: its work would slow the acknowledgements down."""
        until = time.monotonic() + LONGEST_BURST
        with self._gate:  # one looks, the others sleep
            while (now := time.monotonic()) < until and now - self._came_at < CALM:
                time.sleep(CALM)

    def left(self) -> list[tuple[str, dict[str, Any]]]:
        """Event ids and events that an earlier process left, oldest first; none if Postgres cannot be asked."""
        try:
            with self.pool.connection(timeout=TIMEOUT) as conn:
                return conn.execute(_LEFT).fetchall()
        except psycopg.Error as error:
            log.error("inbox_unknown", error=error_code(error))
            return []

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._came or self._done or self._ending)
                came, self._came = self._came, {}
                done, self._done = self._done, []
            if not (came or done):
                return
            try:
                with self.pool.connection(timeout=TIMEOUT) as conn:
                    _write_rows(conn, came, done)
            except psycopg.Error as error:  # the listeners tell people that Postgres is down
                log.error("inbox_not_written", came=len(came), done=len(done), error=error_code(error))
            if not self._ending:
                time.sleep(PAUSE)


def _write_rows(conn: Connection[Any], came: Mapping[str, tuple[str, Mapping[str, Any]]], done: list[str]) -> None:
    if came:
        event_ids = [event_id for event_id, _ in came.values()]
        events = [Jsonb(event) for _, event in came.values()]
        conn.execute(_KEEP, {"posts": list(came), "event_ids": event_ids, "events": events})
    if done:
        conn.execute(_DONE, {"posts": done})


def post_of(event: Mapping[str, Any]) -> str:
    """The post that an event tells of: a mention and a message event of one post are one."""
    return f"{event.get('channel')}:{event.get('ts')}"


def must_be_kept(routed: Route) -> bool:
    """Whether somebody waits for us: nobody misses what was not addressed to the bot."""
    return routed.post is not None and routed.post.addressed


def keep_first(body: dict[str, Any], next: Callable[[], Any], *, inbox: Inbox, bot: Identity) -> Any:
    """Bolt's middleware, just before it acknowledges: a post goes into the inbox, everything else passes."""
    event = body.get("event")
    if isinstance(event, dict) and event.get("type") in _POSTS and must_be_kept(route(event, "", bot)):
        inbox.keep(str(body.get("event_id", "")), event)
    return next()
