"""What a test sees of the workspace: messages, views, statuses, calls, deliveries; and waiting for them."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.slack_workspace.courier import Courier, Delivery
from tests.slack_workspace.methods.assistant import current_status
from tests.slack_workspace.model import Call, Channel, Json, Message, Person, View
from tests.slack_workspace.state import State

Seen = TypeVar("Seen")
PATIENCE = 120.0  # seconds until a test gives up waiting, on a busy machine


def visible_text(message: Message) -> str:
    """Everything that a person reads in a message: its blocks, or its text without them; a stream's both."""
    texts = [message.text] if message.stream is not None or not message.blocks else []
    texts += _texts(message.blocks)
    if message.stream is not None:
        texts += [
            str(task[key]) for task in message.stream.tasks.values() for key in ("title", "details") if key in task
        ]
    return "\n".join(texts)


def _texts(value: Any) -> list[str]:
    """The strings under the keys that Slack shows, in order."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        if key in ("text", "title", "alt_text") and isinstance(item, str):
            found.append(item)
        elif key != "accessibility_label":
            found += _texts(item)
    return found


class Looking:
    """The half of `Workspace` that a test looks with."""

    def __init__(self, state: State, courier: Courier) -> None:
        self.state = state
        self.courier = courier

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that the app was owed, oldest first."""
        return list(self.courier.deliveries)

    @property
    def statuses(self) -> list[Any]:
        """Every status that was ever set or cleared, oldest first."""
        return list(self.state.statuses)

    def calls(self, method: str | None = None) -> list[Call]:
        """The Web API calls that the app made, oldest first."""
        with self.state.lock():
            return [call for call in self.state.calls if method in (None, call.method)]

    def messages(self, channel: Channel | str, *, seen_by: Person | None = None) -> list[Message]:
        """What stands in a channel now with its threads, oldest first; ephemeral ones for `seen_by` alone."""
        with self.state.lock():
            place = channel if isinstance(channel, Channel) else self.state.channel(channel)
            reader = seen_by.id if seen_by else None
            return [m for m in place.messages if not m.deleted and m.ephemeral_to in (None, reader)]

    def thread(self, root: Message) -> list[Message]:
        """The replies under a message, oldest first."""
        with self.state.lock():
            return self.state.replies(self.state.channels[root.channel], root.thread_ts or root.ts)

    def replies_by_app(self, root: Message) -> list[Message]:
        """The app's replies under a message that are no longer being streamed."""
        return [
            m
            for m in self.thread(root)
            if m.bot_id == self.state.app.bot_id and (m.stream is None or m.stream.state != "in_progress")
        ]

    def ephemerals(self, user: Person) -> list[Message]:
        """What the app showed to one person alone, in any channel, oldest first."""
        with self.state.lock():
            everything = [m for channel in self.state.channels.values() for m in channel.messages]
            return sorted((m for m in everything if m.ephemeral_to == user.id and not m.deleted), key=lambda m: m.ts)

    def status(self, root: Message) -> str:
        """The app's status under a message now, empty where there is none."""
        with self.state.lock():
            return current_status(self.state, root.channel, root.thread_ts or root.ts)

    def suggested_prompts(self, channel: Channel, thread_ts: str | None = None) -> list[Json]:
        return self.state.prompts.get((channel.id, thread_ts), [])

    def views(self, user: Person) -> list[View]:
        """The modals that a person has open, the topmost last."""
        with self.state.lock():
            return list(self.state.modals.get(user.id, []))

    def home(self, user: Person) -> View | None:
        """What was last published to a person's Home tab."""
        return self.state.homes.get(user.id)

    def event_deliveries(self, event_type: str) -> list[Delivery]:
        """The deliveries of one type of event."""
        return [d for d in self.deliveries if d.event.get("type") == event_type]

    def wait_for(self, predicate: Callable[[], Seen], timeout: float = PATIENCE) -> Seen:
        """Wait until the predicate is true, and return its value. Raises TimeoutError with what was seen."""
        deadline = time.monotonic() + timeout
        while True:
            seen = predicate()
            if seen:
                return seen
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"Not within {timeout} s.\n{self.describe()}")
            # The predicate runs without the lock, so it may be slow; what it missed it sees next time.
            with self.state.condition:
                self.state.condition.wait(min(left, 0.05))

    def wait_for_reply(self, root: Message, timeout: float = PATIENCE, count: int = 1) -> Message:
        """Wait until the app has finished `count` replies under a message, and return the last of them."""
        return self.wait_for(lambda: self.replies_by_app(root)[count - 1 :], timeout)[0]

    def wait_until_settled(self, delivery: Delivery, timeout: float = PATIENCE) -> Delivery:
        """Wait until a delivery was acknowledged or given up."""
        self.wait_for(lambda: delivery.settled, timeout)
        return delivery

    def describe(self) -> str:
        """The last calls and deliveries, for the message of a failed test."""
        calls = [f"  {call.method}: {call.error or 'ok'}" for call in self.state.calls[-12:]]
        owed = [
            f"  {d.event.get('type') or d.payload.get('type') or d.payload.get('command')}: "
            f"{'acknowledged' if d.acknowledged else d.failure or 'waiting'} ({len(d.attempts)} attempts)"
            for d in self.courier.deliveries[-12:]
        ]
        return "\n".join(["Last calls:", *calls, "Last deliveries:", *owed])
