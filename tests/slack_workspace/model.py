"""The things in a workspace and their JSON: people, channels, messages, streams, views, calls.

Shapes follow https://docs.slack.dev/reference/objects. Everything is guarded by the lock in `state.py`.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
ChannelKind = Literal["channel", "group", "im", "mpim"]


@dataclass(frozen=True)
class App:
    """The installed app, its team and its secrets."""

    team_id: str
    team_name: str
    team_domain: str
    app_id: str
    bot_id: str
    bot_user_id: str
    name: str
    bot_token: str
    app_token: str
    signing_secret: str
    verification_token: str

    def bot_profile(self) -> Json:
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "user_id": self.bot_user_id,
            "name": self.name,
            "deleted": False,
            "updated": 1700000000,
            "team_id": self.team_id,
            "icons": {},
        }


@dataclass(eq=False)
class Person:
    """A member of the workspace; the app's bot user is one, too."""

    id: str
    name: str
    real_name: str
    email: str
    team_id: str
    is_admin: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    deleted: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    timezone: str = "Europe/Berlin"

    def to_slack(self, *, email: bool) -> Json:
        profile: Json = {"real_name": self.real_name, "display_name": self.name, "team": self.team_id}
        if email and not self.is_bot:
            profile["email"] = self.email
        if self.is_bot:
            profile |= {"api_app_id": self.app_id, "bot_id": self.bot_id}
        return {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "tz": self.timezone,
            "tz_offset": 3600,
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1700000000,
        }


@dataclass(frozen=True)
class MessageState:
    """A message as it stood after one change. `at` is in seconds since the epoch."""

    at: float
    change: str
    text: str
    blocks: tuple[Json, ...]


@dataclass(eq=False)
class Stream:
    """A message that is being streamed. `mode` is fixed by the first content (streaming_mode_mismatch)."""

    state: Literal["in_progress", "completed", "expired", "stopped"] = "in_progress"
    mode: Literal["markdown_text", "chunks"] | None = None
    task_display_mode: str = "timeline"
    recipient_user_id: str | None = None
    touched_at: float = field(default_factory=time.time)
    tasks: dict[str, Json] = field(default_factory=dict)
    plan_title: str | None = None
    blocks: list[Json] = field(default_factory=list)


@dataclass(eq=False)
class Message:
    """A message as it is now; `states` is everything that it ever was, oldest first."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    parent_user_id: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    client_msg_id: str | None = None
    subtype: str | None = None
    metadata: Json | None = None
    edited: Json | None = None
    files: list[Json] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    ephemeral_to: str | None = None
    deleted: bool = False
    app_context: Json | None = None
    stream: Stream | None = None
    states: list[MessageState] = field(default_factory=list)

    def remember(self, change: str) -> None:
        """Append the message's present state to its history."""
        self.states.append(MessageState(time.time(), change, self.text, tuple(self.blocks)))

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    def to_slack(self, app: App) -> Json:
        """The message object of events, histories and interaction payloads."""
        shown: Json = {
            "type": "message",
            "user": self.user,
            "ts": self.ts,
            "text": self.text,
            "team": app.team_id,
        }
        if self.bot_id is not None:
            shown |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.bot_id == app.bot_id:
            shown["bot_profile"] = app.bot_profile()
        optional = {
            "client_msg_id": self.client_msg_id,
            "subtype": self.subtype,
            "thread_ts": self.thread_ts,
            "parent_user_id": self.parent_user_id,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "metadata": self.metadata,
            "edited": self.edited,
            "files": self.files,
            "app_context": self.app_context,
            "reactions": [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items() if users
            ],
        }
        return shown | {key: value for key, value in optional.items() if value}


@dataclass(eq=False)
class Channel:
    """A conversation of any kind. A direct message's members are the person and the bot user."""

    id: str
    name: str
    kind: ChannelKind
    members: set[str]
    team_id: str
    creator: str
    archived: bool = False
    ext_shared: bool = False
    messages: list[Message] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)

    @property
    def shown_name(self) -> str:
        """The name that interaction payloads and slash commands carry."""
        return {"im": "directmessage", "group": "privategroup"}.get(self.kind, self.name)

    def to_slack(self, bot_user_id: str) -> Json:
        shared = {
            "id": self.id,
            "created": 1700000000,
            "is_archived": self.archived,
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "context_team_id": self.team_id,
        }
        if self.kind == "im":
            other = next(iter(self.members - {bot_user_id}), bot_user_id)
            return shared | {"user": other, "is_user_deleted": False, "is_open": True, "priority": 0}
        return shared | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_ext_shared": self.ext_shared,
            "is_private": self.kind in ("group", "mpim"),
            "is_general": False,
            "is_member": bot_user_id in self.members,
            "creator": self.creator,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(eq=False)
class View:
    """A modal or a Home tab before a person. `errors` (by block id) and `failure` are shown to them."""

    id: str
    user: str
    source: Json
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    states: list[Json] = field(default_factory=list)

    @property
    def type(self) -> str:
        return str(self.source["type"])

    @property
    def callback_id(self) -> str:
        return str(self.source.get("callback_id") or "")

    @property
    def blocks(self) -> list[Json]:
        return list(self.source["blocks"])

    def to_slack(self, app: App, state: Json | None = None) -> Json:
        source = self.source
        return {
            "id": self.id,
            "team_id": app.team_id,
            "type": self.type,
            "blocks": source["blocks"],
            "private_metadata": source.get("private_metadata") or "",
            "callback_id": self.callback_id,
            "state": {"values": state or {}},
            "hash": self.hash,
            "title": source.get("title"),
            "clear_on_close": bool(source.get("clear_on_close")),
            "notify_on_close": bool(source.get("notify_on_close")),
            "close": source.get("close"),
            "submit": source.get("submit"),
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": app.app_id,
            "external_id": source.get("external_id") or "",
            "app_installed_team_id": app.team_id,
            "bot_id": app.bot_id,
        }


@dataclass(eq=False)
class Trigger:
    """The right to open one view, good once and for three seconds."""

    user: str
    issued_at: float
    view_id: str | None = None
    exchanged: bool = False


@dataclass(eq=False)
class ResponseUrl:
    """A webhook of one interaction: five posts within thirty minutes."""

    channel: str
    user: str
    issued_at: float
    message_ts: str | None = None
    uses: int = 0


@dataclass(frozen=True)
class Status:
    """What assistant.threads.setStatus set, and when."""

    channel: str
    thread_ts: str
    status: str
    loading_messages: tuple[str, ...]
    at: float


@dataclass(frozen=True)
class Call:
    """A Web API call that the app made and how it was answered; `error` is None where it was ok."""

    method: str
    args: Json
    at: float
    status: int
    error: str | None
    answer: Json
