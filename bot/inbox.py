"""Events that somebody counts on, kept in Postgres from before their acknowledgement until they are dealt with.

Slack does not deliver an acknowledged event again, so it is acknowledged once its row is there: a process that is
killed afterwards leaves the row, and another one deals with it. One thread writes: whatever came while it wrote last is
one statement, so a burst costs a few of them. The listeners begin when the burst has been acknowledged, for their work
would slow the acknowledgements down.

Kept are posts that address the bot, edits and deletions of posts, and thumbs. What is dealt with twice changes nothing:
`bot.claims` knows posts, and Slack's own time orders the rest. Other posts, such as questions to a whole channel, are
acknowledged and dealt with as they come.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from threading import Event as Flag
from typing import Any

import structlog
from psycopg import Connection
from psycopg.types.json import Json
from slack_bolt import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.runtime import Pool
from bot.slack.events import Identity, Post, SlackEvent, read_event
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
    AS arrival (posts, event_ids, events)
ON CONFLICT (post) DO NOTHING
"""
_FORGET = "DELETE FROM inbox WHERE post = ANY(%(posts)s)"
_IS_KEPT = "SELECT EXISTS (SELECT FROM inbox WHERE post = %(post)s)"

Deal = Callable[[SlackEvent], None]
"""Deals with an event. Never raises."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event for us. `key` is the same for all events that tell of the same thing, None for one that nobody counts
    on: it is not kept. `payload` is as Slack sent it, and `event` what was read in it.
    """

    key: str | None
    event: SlackEvent
    payload: Mapping[str, Any]
    acknowledge: Callable[[], None]


@dataclass(slots=True)
class Inbox:
    """The rows of `inbox` that are this process's own. Safe to use from several threads, from `start` to `end`."""

    pool: Pool
    owner: int
    bot: Identity
    _unwritten: list[Arrival] = field(default_factory=list)
    _waiting: list[Arrival] = field(default_factory=list)  # written, and to be dealt with when the burst has ended
    _waiting_since: float = 0.0
    _in_hand: set[str] = field(default_factory=set)  # keys of what waits or is being dealt with
    _finished: list[str] = field(default_factory=list)
    _wake: Condition = field(default_factory=Condition)
    _last_arrival: float = float("-inf")
    _ending: bool = False
    _writer: Thread | None = None
    _dealing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "inbox"))
    _acknowledging: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "inbox-unkept"))
    _deal: Deal = field(default=lambda event: None)

    def start(self, deal: Deal) -> None:
        """Begins to write what arrives, and to have it dealt with."""
        self._deal = deal
        self._writer = Thread(target=self._run, name="inbox-writer", daemon=True)
        self._writer.start()

    def end(self) -> None:
        """Writes what is left to write. What nobody has begun to deal with stays for another process."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self._acknowledging.shutdown(wait=False, cancel_futures=True)
        self._dealing.shutdown(wait=False, cancel_futures=True)
        if self._writer is not None:
            self._writer.join(TIMEOUT)

    def receive(self, event_id: str, payload: Mapping[str, Any], acknowledge: Callable[[], None]) -> bool:
        """Reads an event; has it written if somebody counts on it, then acknowledged, then dealt with. Returns at once.

        False for an event that is not for us: nothing was done about it.
        """
        event = read_event(payload, event_id, self.bot)
        if event is None:
            return False
        arrival = Arrival(key_of(event), event, payload, acknowledge)
        if arrival.key is not None:
            self._add(arrival)
        else:
            with suppress(RuntimeError):  # this process is being stopped
                self._acknowledging.submit(self._pass_on, arrival)
        return True

    def receive_envelope(self, request: SocketModeRequest, acknowledge: Callable[[], None]) -> bool:
        """As `receive`, for what Socket Mode brings."""
        payload = request.payload.get("event") if request.type == "events_api" else None
        event_id = str(request.payload.get("event_id", ""))
        return isinstance(payload, dict) and self.receive(event_id, payload, acknowledge)

    def adopt(self, rows: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """Has events dealt with that another process kept: each a key, the event's id, and its payload."""
        for key, event_id, payload in rows:
            event = read_event(payload, event_id, self.bot)
            if event is None:  # it was for another identity of the bot
                self._forget(key)
            else:
                self._add(Arrival(key, event, payload, lambda: None))

    def _add(self, arrival: Arrival) -> None:
        with self._wake:
            self._unwritten.append(arrival)
            self._last_arrival = time.monotonic()
            self._wake.notify()

    def _pass_on(self, arrival: Arrival) -> None:
        """Acknowledges an event that nobody counts on at once, and has it dealt with."""
        arrival.acknowledge()
        with suppress(RuntimeError):
            self._dealing.submit(self._deal, arrival.event)

    def _run(self) -> None:
        while True:
            arrivals, finished = self._next()
            if arrivals or finished:
                self._write(arrivals, finished)
            for arrival in arrivals:
                arrival.acknowledge()
            if self._ending:
                return
            self._queue(arrivals)
            if self._waiting and self._is_calm():
                for arrival in self._waiting:
                    self._dealing.submit(self._deal_with, arrival)
                self._waiting = []

    def _next(self) -> tuple[list[Arrival], list[str]]:
        """Waits for something to do. Nothing to write: it is time to look whether the burst has ended."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._unwritten or self._finished or self._ending, CALM / 2 if self._waiting else None
            )
            if not (self._unwritten or self._waiting):
                self._wake.wait_for(lambda: self._unwritten or self._ending, TIDY)
            arrivals, self._unwritten = self._unwritten, []
            finished, self._finished = self._finished, []
        return arrivals, finished

    def _write(self, arrivals: Sequence[Arrival], finished: Sequence[str]) -> None:
        try:
            with self.pool.connection(timeout=TIMEOUT) as conn:
                _write_rows(conn, arrivals, finished, self.owner)
        except Exception as error:  # noqa: BLE001 - the edge: this thread outlives an event that it cannot write
            # Acknowledged all the same: the listeners tell people that Postgres is down.
            log.error("inbox_not_written", arrivals=len(arrivals), finished=len(finished), error=error_code(error))

    def _queue(self, arrivals: Sequence[Arrival]) -> None:
        """Queues what is new: what tells of the same thing as an event in hand needs its acknowledgement alone."""
        for arrival in arrivals:
            if arrival.key is not None and arrival.key not in self._in_hand:
                self._in_hand.add(arrival.key)
                self._waiting_since = self._waiting_since if self._waiting else time.monotonic()
                self._waiting.append(arrival)

    def _is_calm(self) -> bool:
        now = time.monotonic()
        return now - self._last_arrival >= CALM or now - self._waiting_since >= LONGEST_BURST

    def _deal_with(self, arrival: Arrival) -> None:
        self._deal(arrival.event)
        if arrival.key is not None:
            self._forget(arrival.key)

    def _forget(self, key: str) -> None:
        with self._wake:
            self._in_hand.discard(key)
            self._finished.append(key)
            self._wake.notify()


def _write_rows(conn: Connection[Any], arrivals: Sequence[Arrival], finished: Sequence[str], owner: int) -> None:
    if arrivals:
        rows = {
            "posts": [arrival.key for arrival in arrivals],
            "event_ids": [arrival.event.event_id for arrival in arrivals],
            "events": [Json(arrival.payload) for arrival in arrivals],
            "owner": owner,
        }
        conn.execute(_KEEP, rows)
    if finished:
        conn.execute(_FORGET, {"posts": list(finished)})


def key_of(event: SlackEvent) -> str | None:
    """Returns the key under which an event is kept, None if nobody counts on it.

    A mention and a message event of one post tell of the same thing.
    """
    if not isinstance(event, Post):
        return event.event_id
    return _key_of_post(event.channel, event.ts) if event.addressed else None


def is_kept(conn: Connection[Any], channel: str, ts: str) -> bool:
    """Says whether a post waits for a listener, in whichever process."""
    row = conn.execute(_IS_KEPT, {"post": _key_of_post(channel, ts)}).fetchone()
    return bool(row and row[0])


def _key_of_post(channel: str, ts: str) -> str:
    return f"{channel}:{ts}"


def receive_first(body: dict[str, Any], next: Callable[[], Any], *, inbox: Inbox) -> Any:
    """Acknowledges an event for us once it is kept, and lets everything else pass: Bolt's middleware, for HTTP."""
    payload = body.get("event")
    acknowledged = Flag()
    if isinstance(payload, dict) and inbox.receive(str(body.get("event_id", "")), payload, acknowledged.set):
        in_time = acknowledged.wait(HTTP_TIMEOUT)
        return BoltResponse(status=200 if in_time else 503, body="")
    return next()
