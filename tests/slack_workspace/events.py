"""Event payloads as the Events API wraps them, sent where the app is subscribed, permitted and a member.

https://docs.slack.dev/apis/events-api and https://docs.slack.dev/reference/events.
"""

import re
import time

from tests.slack_workspace.model import Channel, Json, Message
from tests.slack_workspace.state import State, new_id

_MESSAGE_EVENTS = {
    "channel": ("message.channels", "channels:history"),
    "group": ("message.groups", "groups:history"),
    "im": ("message.im", "im:history"),
    "mpim": ("message.mpim", "mpim:history"),
}
_EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "member_joined_channel": "channels:read",
}


def wrap(state: State, event: Json) -> Json:
    """The outer body of an event callback."""
    app = state.app
    return {
        "token": app.verification_token,
        "team_id": app.team_id,
        "context_team_id": app.team_id,
        "context_enterprise_id": None,
        "api_app_id": app.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": new_id("Ev"),
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": app.team_id,
                "user_id": app.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{new_id('')}",
    }


def emit(state: State, event: Json, subscription: str | None = None, scope: str | None = None) -> None:
    """Send an event if the app subscribed to it and holds its scope."""
    name = subscription or str(event["type"])
    needed = scope or _EVENT_SCOPES.get(name)
    if name in state.subscriptions and (needed is None or needed in state.scopes):
        state.emit(event)


def emit_in_channel(state: State, channel: Channel, event: Json) -> None:
    """Send a message event to an app that is a member of the channel."""
    if state.app.bot_user_id in channel.members:
        subscription, scope = _MESSAGE_EVENTS[channel.kind]
        emit(state, event, subscription, scope)


def mentions_app(state: State, text: str) -> bool:
    return re.search(rf"<@{state.app.bot_user_id}(\|[^>]*)?>", text) is not None


def message_posted(state: State, channel: Channel, message: Message) -> None:
    """A message event, and an app_mention where the app is mentioned: two events, one client_msg_id."""
    event = message.to_slack(state.app) | {"channel": channel.id, "event_ts": message.ts}
    emit_in_channel(state, channel, event | {"channel_type": channel.kind})
    by_other = message.bot_id != state.app.bot_id and message.subtype is None
    if channel.kind != "im" and by_other and mentions_app(state, message.text):
        _mentioned(state, channel, event)


def _mentioned(state: State, channel: Channel, event: Json) -> None:
    if state.app.bot_user_id in channel.members:
        emit(state, event | {"type": "app_mention"})


def message_changed(state: State, channel: Channel, message: Message, previous: Json) -> None:
    """The message_changed event of an edit; an edit that brings a mention is an app_mention, too."""
    now = state.next_ts()
    event = {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": state.shown(message),
        "previous_message": previous,
        "channel": channel.id,
        "channel_type": channel.kind,
        "ts": now,
        "event_ts": now,
    }
    emit_in_channel(state, channel, event)
    by_person = channel.kind != "im" and message.bot_id is None
    if by_person and mentions_app(state, message.text) and not mentions_app(state, str(previous.get("text"))):
        _mentioned(state, channel, message.to_slack(state.app) | {"channel": channel.id, "event_ts": now})


def message_deleted(state: State, channel: Channel, previous: Json) -> None:
    now = state.next_ts()
    event = {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "deleted_ts": previous["ts"],
        "previous_message": previous,
        "channel": channel.id,
        "channel_type": channel.kind,
        "ts": now,
        "event_ts": now,
    }
    emit_in_channel(state, channel, event)


def reaction(state: State, channel: Channel, message: Message, user: str, name: str, kind: str) -> None:
    """reaction_added or reaction_removed."""
    event = {
        "type": kind,
        "user": user,
        "reaction": name,
        "item_user": message.user,
        "item": {"type": "message", "channel": channel.id, "ts": message.ts},
        "event_ts": state.next_ts(),
    }
    if state.app.bot_user_id in channel.members:
        emit(state, event)
