"""Brings what happens in the workspace to the app and waits for its acknowledgement.

Two carriers do it: `socket_mode.py` and `signed_http.py`. An event that nobody acknowledges comes again
(at once, then twice more with growing pauses, https://docs.slack.dev/apis/events-api#retries);
an interaction that nobody acknowledges within three seconds has failed for the person.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State

Kind = Literal["events_api", "interactive", "slash_commands"]


@dataclass(frozen=True)
class Attempt:
    """One try to bring a payload: when (seconds since the epoch), which retry, why again, over what."""

    at: float
    number: int
    reason: str
    via: str


@dataclass(eq=False)
class Delivery:
    """Something that the app is owed: `response` is what it answered, `failure` why that went wrong."""

    kind: Kind
    payload: Json
    envelope_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged_at: float | None = None
    response: Any = None
    failure: str | None = None
    on_response: Callable[[Any], None] = lambda response: None
    on_failure: Callable[[str], None] = lambda reason: None

    @property
    def acknowledged(self) -> bool:
        return self.acknowledged_at is not None

    @property
    def settled(self) -> bool:
        """Whether it was acknowledged or given up."""
        return self.acknowledged or self.failure is not None

    @property
    def event(self) -> Json:
        return dict(self.payload.get("event") or {})

    @property
    def seconds_to_acknowledge(self) -> float | None:
        """From the last attempt to the acknowledgement."""
        return None if self.acknowledged_at is None else self.acknowledged_at - self.attempts[-1].at


class Undelivered(Exception):
    """The app did not take a payload; the message is Slack's retry reason. After a `final` one there is no retry."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Carrier(Protocol):
    """One way to the app."""

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Any:
        """Bring a payload and return the app's answer. Raises Undelivered."""


@dataclass
class Courier:
    """Keeps every delivery, oldest first. `deliver` may be called from any thread."""

    state: State
    carrier: Carrier
    loop: asyncio.AbstractEventLoop | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def deliver(self, delivery: Delivery) -> Delivery:
        with self.state.lock():
            self.deliveries.append(delivery)
        if self.loop is None or self.loop.is_closed():
            raise RuntimeError("The workspace is not running.")
        self.loop.call_soon_threadsafe(self._begin, delivery)
        return delivery

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.ensure_future(self._bring(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(self, delivery: Delivery) -> None:
        retries = self.state.timing.retries if delivery.kind == "events_api" else ()
        reason = ""
        for number, pause in enumerate((0.0, *retries)):
            await asyncio.sleep(pause)
            try:
                response = await self.carrier.carry(delivery, number, reason)
            except Undelivered as undelivered:
                reason = str(undelivered)
                if undelivered.final:
                    break
                continue
            self._settle(delivery, response)
            return
        with self.state.lock():
            delivery.failure = reason
            delivery.on_failure(reason)

    def _settle(self, delivery: Delivery, response: Any) -> None:
        with self.state.lock():
            delivery.acknowledged_at = time.time()
            delivery.response = response
            try:
                delivery.on_response(response)
            except Refusal as refusal:
                delivery.failure = refusal.error

    async def close(self) -> None:
        """Give up what is still under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
