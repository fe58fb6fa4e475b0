"""Events that somebody counts on, kept in Postgres from before their acknowledgement until they are dealt with.

Slack does not deliver an acknowledged event again, so it is acknowledged once its row is there: a process that is
killed afterwards leaves the row, and another one deals with it. One thread writes: whatever came while it wrote last is
one statement, so a burst costs a few of them. The listeners begin when the burst has been acknowledged, for their work
would slow the acknowledgements down.

Kept are posts that address the bot, edits and deletions of posts, and thumbs. What is dealt with twice changes nothing:
`bot.events` knows posts, and Slack's own time orders the rest.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition, Thread
from threading import Event as Flag
from typing import Any

import structlog
from psycopg import Connection
from psycopg.types.json import Json
from slack_bolt import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.feedback.votes import thumb_of
from bot.runtime import Pool
from bot.slack.routing import Identity, change, route
from bot.slack.workspace import error_code

log = structlog.get_logger(__name__)

THREADS = 16  # events that are dealt with at a time
TIMEOUT = 2.0  # seconds to wait for Postgres: Slack waits three for the acknowledgement
HTTP_TIMEOUT = 2.5  # seconds until Slack is told to try again
CALM = 0.05  # seconds without a new event after which a burst has ended
LONGEST_BURST = 0.5  # seconds that listeners wait for a burst's end
TIDY = 0.2  # seconds in which rows that are done with are collected, to be deleted together
_KEEP = """
INSERT INTO inbox (post, event_id, event, owner)
SELECT posts, event_ids, events, %(owner)s FROM unnest(%(posts)s::text[], %(event_ids)s::text[], %(events)s::json[])
    AS came (posts, event_ids, events)
ON CONFLICT (post) DO NOTHING
"""
_DONE = "DELETE FROM inbox WHERE post = ANY(%(posts)s)"
_IS_KEPT = "SELECT EXISTS (SELECT FROM inbox WHERE post = %(post)s)"

Deal = Callable[[str, Mapping[str, Any]], None]
"""Deals with an event, given with its id. Never raises."""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event in the inbox. `key` is the same for all events that tell of the same thing."""

    key: str
    event_id: str
    event: Mapping[str, Any]
    acknowledge: Callable[[], None]


@dataclass(slots=True)
class Inbox:
    """The rows of `inbox` that are this process's own. Safe to use from several threads, from `start` to `end`."""

    pool: Pool
    owner: int
    bot: Identity
    _came: list[KeptEvent] = field(default_factory=list)
    _waiting: list[KeptEvent] = field(default_factory=list)  # written, and to be dealt with when the burst has ended
    _waiting_since: float = 0.0
    _in_hand: set[str] = field(default_factory=set)  # keys of what waits or is being dealt with
    _done: list[str] = field(default_factory=list)
    _changed: Condition = field(default_factory=Condition)
    _came_at: float = float("-inf")
    _ending: bool = False
    _writer: Thread | None = None
    _listening: ThreadPoolExecutor | None = None

    def start(self, deal: Deal) -> None:
        """Begins to write what comes, and to have it dealt with."""
        self._listening = ThreadPoolExecutor(THREADS, thread_name_prefix="inbox")
        self._writer = Thread(target=self._run, args=[deal, self._listening], name="inbox-writer", daemon=True)
        self._writer.start()

    def end(self) -> None:
        """Writes what is left to write. What nobody has begun to deal with stays for another process."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._writer is not None and self._listening is not None:
            self._listening.shutdown(wait=False, cancel_futures=True)
            self._writer.join(TIMEOUT)

    def keep(self, event_id: str, event: Mapping[str, Any], acknowledge: Callable[[], None]) -> bool:
        """Has the event written, then acknowledged, then dealt with; returns at once. False: nobody counts on it."""
        key = key_of(event_id, event, self.bot)
        if key is not None:
            self._add([KeptEvent(key, event_id, event, acknowledge)])
        return key is not None

    def keep_envelope(self, request: SocketModeRequest, acknowledge: Callable[[], None]) -> bool:
        """As `keep`, for what Socket Mode brings."""
        event = request.payload.get("event") if request.type == "events_api" else None
        return isinstance(event, dict) and self.keep(str(request.payload.get("event_id", "")), event, acknowledge)

    def take_over(self, left: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Has events dealt with that another process kept."""
        keyed = [(key_of(event_id, event, self.bot) or event_id, event_id, event) for event_id, event in left]
        self._add([KeptEvent(key, event_id, event, lambda: None) for key, event_id, event in keyed])

    def _add(self, kept: list[KeptEvent]) -> None:
        with self._changed:
            self._came += kept
            self._came_at = time.monotonic()
            self._changed.notify()

    def _run(self, deal: Deal, listening: ThreadPoolExecutor) -> None:
        while True:
            came, done = self._next()
            if came or done:
                self._write(came, done)
            for kept in came:
                kept.acknowledge()
            if self._ending:
                return
            self._queue(came)
            if self._waiting and self._is_calm():
                for kept in self._waiting:
                    listening.submit(self._deal, kept, deal)
                self._waiting = []

    def _next(self) -> tuple[list[KeptEvent], list[str]]:
        """Waits for something to do. Nothing to write: it is time to look whether the burst has ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._came or self._done or self._ending, CALM / 2 if self._waiting else None
            )
            if not (self._came or self._waiting):
                self._changed.wait_for(lambda: self._came or self._ending, TIDY)
            came, self._came = self._came, []
            done, self._done = self._done, []
        return came, done

    def _write(self, came: Sequence[KeptEvent], done: Sequence[str]) -> None:
        try:
            with self.pool.connection(timeout=TIMEOUT) as conn:
                _write_rows(conn, came, done, self.owner)
        except Exception as error:  # noqa: BLE001 - the edge: this thread outlives an event that it cannot write
            # Acknowledged all the same: the listeners tell people that Postgres is down.
            log.error("inbox_not_written", came=len(came), done=len(done), error=error_code(error))

    def _queue(self, came: Sequence[KeptEvent]) -> None:
        """What tells of the same thing as something in hand needs nothing more than its acknowledgement."""
        for kept in came:
            if kept.key not in self._in_hand:
                self._in_hand.add(kept.key)
                self._waiting_since = self._waiting_since if self._waiting else time.monotonic()
                self._waiting.append(kept)

    def _is_calm(self) -> bool:
        now = time.monotonic()
        return now - self._came_at >= CALM or now - self._waiting_since >= LONGEST_BURST

    def _deal(self, kept: KeptEvent, deal: Deal) -> None:
        deal(kept.event_id, kept.event)
        with self._changed:
            self._in_hand.discard(kept.key)
            self._done.append(kept.key)
            self._changed.notify()


def _write_rows(conn: Connection[Any], came: Sequence[KeptEvent], done: Sequence[str], owner: int) -> None:
    if came:
        given = {
            "posts": [kept.key for kept in came],
            "event_ids": [kept.event_id for kept in came],
            "events": [Json(kept.event) for kept in came],
            "owner": owner,
        }
        conn.execute(_KEEP, given)
    if done:
        conn.execute(_DONE, {"posts": list(done)})


def key_of(event_id: str, event: Mapping[str, Any], bot: Identity) -> str | None:
    """Under which key an event is kept, None if nobody counts on it.

    A mention and a message event of one post tell of the same thing.
    """
    kind = event.get("type")
    if kind in ("reaction_added", "reaction_removed"):
        counts = thumb_of(str(event.get("reaction", ""))) is not None and event.get("user") != bot.user_id
        return event_id if counts else None
    if kind not in ("message", "app_mention"):
        return None
    if change(event, bot) is not None:
        return event_id
    post = route(event, "", bot).post
    return _key_of_post(post.channel, post.ts) if post is not None and post.addressed else None


def is_kept(conn: Connection[Any], channel: str, ts: str) -> bool:
    """Whether a post waits for a listener, of whichever process."""
    row = conn.execute(_IS_KEPT, {"post": _key_of_post(channel, ts)}).fetchone()
    return bool(row and row[0])


def _key_of_post(channel: str, ts: str) -> str:
    return f"{channel}:{ts}"


def keep_first(body: dict[str, Any], next: Callable[[], Any], *, inbox: Inbox) -> Any:
    """Bolt's middleware, for HTTP: an event that is kept is acknowledged once it is, everything else passes."""
    event = body.get("event")
    written = Flag()
    if isinstance(event, dict) and inbox.keep(str(body.get("event_id", "")), event, written.set):
        in_time = written.wait(HTTP_TIMEOUT)
        return BoltResponse(status=200 if in_time else 503, body="")
    return next()
