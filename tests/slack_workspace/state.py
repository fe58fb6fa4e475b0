"""The state of the workspace under one lock: who and what is there, and the clock that numbers it.

The server's thread and the test's thread both come here; releasing the lock wakes up whoever waits.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.slack_workspace.model import (
    App,
    Call,
    Channel,
    ChannelKind,
    Json,
    Message,
    Person,
    ResponseUrl,
    Status,
    Trigger,
    View,
)
from tests.slack_workspace.refusal import Refusal

# What an internal app with an agent's features asks for.
DEFAULT_SCOPES = frozenset(
    {"app_mentions:read", "assistant:write", "chat:write", "commands", "files:read", "files:write"}
    | {"channels:history", "groups:history", "im:history", "mpim:history"}
    | {"channels:read", "groups:read", "im:read", "im:write", "mpim:read"}
    | {"pins:read", "reactions:read", "reactions:write", "usergroups:read", "users:read", "users:read.email"}
)
DEFAULT_SUBSCRIPTIONS = frozenset(
    {"app_context_changed", "app_home_opened", "app_mention", "member_joined_channel"}
    | {
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "reaction_removed",
    }
)


def new_id(prefix: str) -> str:
    """An id as Slack's: a letter that names the kind, and ten more letters and digits."""
    return prefix + secrets.token_hex(5).upper()


@dataclass
class Timing:
    """How long things last, in seconds. Slack's own retries come at once, after 1 and after 5 minutes."""

    acknowledge: float = 3.0
    retries: tuple[float, ...] = (0.05, 0.5, 1.0)
    trigger: float = 3.0
    stream_idle: float | None = None
    status: float = 120.0


@dataclass
class State:
    """Everything that the workspace knows. Take `lock` around every use that is more than one look-up."""

    app: App
    scopes: set[str] = field(default_factory=lambda: set(DEFAULT_SCOPES))
    subscriptions: set[str] = field(default_factory=lambda: set(DEFAULT_SUBSCRIPTIONS))
    timing: Timing = field(default_factory=Timing)
    commands: frozenset[str] | None = None
    agent: bool = True
    home_tab: bool = True
    older: bool = False
    revoked: str | None = None
    base_url: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    usergroups: dict[str, list[str]] = field(default_factory=dict)
    modals: dict[str, list[View]] = field(default_factory=dict)
    homes: dict[str, View] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    prompts: dict[tuple[str, str | None], list[Json]] = field(default_factory=dict)
    titles: dict[tuple[str, str], str] = field(default_factory=dict)
    uploads: dict[str, Json] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    emit: Callable[[Json], None] = lambda event: None
    condition: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _last_ts: int = 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the state, and wake up the waiting when it is released."""
        with self.condition:
            yield
            self.condition.notify_all()

    def next_ts(self) -> str:
        """A message's timestamp: unique and increasing, as Slack's are within a channel."""
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add_person(self, name: str, **fields: object) -> Person:
        person = Person(
            id=str(fields.pop("id", new_id("U"))),
            name=name,
            real_name=str(fields.pop("real_name", name.title())),
            email=str(fields.pop("email", f"{name}@example.com")),
            team_id=self.app.team_id,
            **fields,  # type: ignore[arg-type]
        )
        self.people[person.id] = person
        return person

    def add_channel(self, name: str, kind: ChannelKind, members: set[str], creator: str) -> Channel:
        prefix = {"im": "D", "group": "G"}.get(kind, "C")
        channel = Channel(new_id(prefix), name, kind, members, self.app.team_id, creator)
        self.channels[channel.id] = channel
        return channel

    def person(self, ref: str) -> Person:
        """The person with this id or this name. Raises Refusal user_not_found."""
        found = self.people.get(ref) or next((p for p in self.people.values() if p.name == ref.lstrip("@")), None)
        if found is None:
            raise Refusal("user_not_found")
        return found

    def direct_message(self, user: str) -> Channel:
        """The conversation between a person and the app, made where there is none yet."""
        members = {self.person(user).id, self.app.bot_user_id}
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members == members:
                return channel
        return self.add_channel("", "im", members, self.app.bot_user_id)

    def channel(self, ref: str) -> Channel:
        """The channel with this id or name, whoever is in it. Raises Refusal channel_not_found."""
        by_name = (c for c in self.channels.values() if c.name and c.name == ref.lstrip("#"))
        found = self.channels.get(ref) or next(by_name, None)
        if found is None:
            raise Refusal("channel_not_found")
        return found

    def channel_of_app(self, ref: str) -> Channel:
        """A channel that the app may know of: a private one without the app does not exist for it."""
        if ref in self.people and ref != self.app.bot_user_id:
            return self.direct_message(ref)
        channel = self.channel(ref)
        if channel.kind != "channel" and self.app.bot_user_id not in channel.members:
            raise Refusal("channel_not_found")
        return channel

    def channel_to_write(self, ref: str) -> Channel:
        """A channel that the app may post to. Raises Refusal, for one not_in_channel."""
        channel = self.channel_of_app(ref)
        if channel.archived:
            raise Refusal("is_archived")
        if self.app.bot_user_id not in channel.members and "chat:write.public" not in self.scopes:
            raise Refusal("not_in_channel")
        return channel

    def find(self, channel: Channel, ts: str) -> Message | None:
        """The message with this timestamp that everybody sees, unless it was deleted."""
        for message in channel.messages:
            if message.ts == ts and not message.deleted and message.ephemeral_to is None:
                return message
        return None

    def message(self, channel: Channel, ts: str) -> Message:
        found = self.find(channel, ts)
        if found is None:
            raise Refusal("message_not_found")
        return found

    def thread_root(self, channel: Channel, thread_ts: str) -> Message:
        """The message that a reply goes under.

        Slack posts a reply to nothing where nobody sees it, and breaks the thread when it is given a reply's
        own timestamp; both are refused here, so that a test notices.
        """
        if not re.fullmatch(r"\d+\.\d{6}", thread_ts):
            raise Refusal("invalid_thread_ts")
        found = next((m for m in channel.messages if m.ts == thread_ts and m.ephemeral_to is None), None)
        if found is None or (found.deleted and not self.replies(channel, thread_ts)):
            raise Refusal("thread_not_found")
        if found.is_reply:
            raise Refusal("cannot_reply_to_message")
        return found

    def replies(self, channel: Channel, thread_ts: str) -> list[Message]:
        """The replies of a thread without its root, oldest first."""
        return [
            m
            for m in channel.messages
            if m.thread_ts == thread_ts and m.ts != thread_ts and not m.deleted and m.ephemeral_to is None
        ]

    def shown(self, message: Message) -> Json:
        """A message object with the thread's facts that Slack adds to a root."""
        shown = message.to_slack(self.app)
        channel = self.channels[message.channel]
        replies = [] if message.is_reply else self.replies(channel, message.ts)
        if replies:
            users = list(dict.fromkeys(reply.user for reply in replies))
            shown |= {
                "thread_ts": message.ts,
                "reply_count": len(replies),
                "reply_users": users,
                "reply_users_count": len(users),
                "latest_reply": replies[-1].ts,
            }
        return shown

    def issue_trigger(self, user: str, view_id: str | None = None) -> str:
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(16)}"
        self.triggers[trigger_id] = Trigger(user, time.time(), view_id)
        return trigger_id

    def exchange_trigger(self, trigger_id: str) -> Trigger:
        """Use up a trigger. Raises Refusal with the codes that views.open documents."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise Refusal("invalid_trigger_id")
        if trigger.exchanged:
            raise Refusal("exchanged_trigger_id")
        if time.time() - trigger.issued_at > self.timing.trigger:
            raise Refusal("expired_trigger_id")
        trigger.exchanged = True
        return trigger

    def issue_response_url(self, channel: str, user: str, message_ts: str | None = None) -> str:
        key = secrets.token_urlsafe(18)
        self.response_urls[key] = ResponseUrl(channel, user, time.time(), message_ts)
        return f"{self.base_url}/actions/{self.app.team_id}/{key}"
