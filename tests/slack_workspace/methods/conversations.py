"""conversations.info, list, members, history, replies, open, join. https://docs.slack.dev/reference/methods#conversations"""

import base64
import binascii
from typing import TypeVar

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.model import Channel, Json, Message
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method

Item = TypeVar("Item")
_SCOPE_OF_KIND = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
_KIND_OF_TYPE = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


def page(entries: list[Item], args: Arguments, default: int = 100, most: int = 1000) -> tuple[list[Item], str]:
    """One page and the cursor of the next (empty at the end). Raises Refusal invalid_cursor."""
    cursor, limit = args.text("cursor"), min(args.number("limit", default) or default, most)
    try:
        start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:")) if cursor else 0
    except (binascii.Error, ValueError):
        raise Refusal("invalid_cursor") from None
    following = start + limit
    more = base64.b64encode(f"next:{following}".encode()).decode() if following < len(entries) else ""
    return entries[start:following], more


def _need(state: State, channel: Channel, right: str) -> None:
    scope = f"{_SCOPE_OF_KIND[channel.kind]}:{right}"
    if scope not in state.scopes:
        raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(state.scopes)))


def _permitted(state: State, args: Arguments, right: str) -> Channel:
    channel = state.channel_of_app(args.required("channel"))
    _need(state, channel, right)
    return channel


def _readable(state: State, args: Arguments) -> Channel:
    """A channel whose messages the app may read: with the scope, and as a member."""
    channel = _permitted(state, args, "history")
    if state.app.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def info(state: State, args: Arguments) -> Json:
    channel = _permitted(state, args, "read")
    shown = channel.to_slack(state.app.bot_user_id)
    if args.flag("include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"channel": shown}


def list_all(state: State, args: Arguments) -> Json:
    kinds = [_KIND_OF_TYPE.get(word, "") for word in args.words("types")] or ["channel"]
    if "" in kinds:
        raise Refusal("invalid_types")
    me = state.app.bot_user_id
    found = [
        channel.to_slack(me)
        for channel in state.channels.values()
        if channel.kind in kinds
        and (channel.kind == "channel" or me in channel.members)
        and not (channel.archived and args.flag("exclude_archived"))
    ]
    shown, cursor = page(found, args)
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def members(state: State, args: Arguments) -> Json:
    channel = _permitted(state, args, "read")
    shown, cursor = page(sorted(channel.members), args)
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def _within(messages: list[Message], args: Arguments) -> list[Message]:
    oldest, latest = args.text("oldest") or "0", args.text("latest") or "9999999999.000000"
    inclusive = args.flag("inclusive")
    return [
        m for m in messages if float(oldest) < float(m.ts) < float(latest) or (inclusive and m.ts in (oldest, latest))
    ]


def history(state: State, args: Arguments) -> Json:
    channel = _readable(state, args)
    seen = [m for m in channel.messages if not m.deleted and m.ephemeral_to is None and not m.is_reply]
    shown, cursor = page(_within(seen, args)[::-1], args)
    answer: Json = {"messages": [state.shown(m) for m in shown], "has_more": bool(cursor), "pin_count": 0}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _tombstone(message: Message) -> Json:
    """What is left of a thread's root that was deleted while it has replies."""
    return {
        "type": "message",
        "subtype": "tombstone",
        "user": "USLACKBOT",
        "text": "This message was deleted.",
        "hidden": True,
        "ts": message.ts,
        "thread_ts": message.ts,
    }


def replies(state: State, args: Arguments) -> Json:
    """A thread, its root first; given a reply's timestamp, that reply alone, as Slack does."""
    channel = _readable(state, args)
    ts = args.required("ts")
    found = next((m for m in channel.messages if m.ts == ts and m.ephemeral_to is None), None)
    answers = state.replies(channel, ts)
    if found is None or (found.deleted and not answers):
        raise Refusal("thread_not_found")
    shown, cursor = page(_within(answers, args), args, default=1000)
    root = _tombstone(found) if found.deleted else state.shown(found)
    answer: Json = {"messages": [root, *(state.shown(m) for m in shown)], "has_more": bool(cursor)}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def open_direct(state: State, args: Arguments) -> Json:
    if args.text("channel"):
        channel = state.channel_of_app(args.required("channel"))
    else:
        users = [state.person(user) for user in args.words("users")]
        if not users:
            raise Refusal("users_list_not_supplied")
        if len(users) > 1:
            people = {person.id for person in users} | {state.app.bot_user_id}
            existing = (c for c in state.channels.values() if c.kind == "mpim" and c.members == people)
            channel = next(existing, None) or state.add_channel(
                "mpdm-" + "--".join(person.name for person in users) + "-1",
                "mpim",
                people,
                state.app.bot_user_id,
            )
        else:
            channel = state.direct_message(users[0].id)
    _need(state, channel, "write")
    full = channel.to_slack(state.app.bot_user_id) if args.flag("return_im") else {"id": channel.id}
    return {"channel": full}


def join(state: State, args: Arguments) -> Json:
    channel = state.channel_of_app(args.required("channel"))
    if channel.kind != "channel":
        raise Refusal("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refusal("is_archived")
    channel.members.add(state.app.bot_user_id)
    return {"channel": channel.to_slack(state.app.bot_user_id)}


_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
METHODS = {
    "conversations.info": Method(info, _READ),
    "conversations.list": Method(list_all, _READ),
    "conversations.members": Method(members, _READ),
    "conversations.history": Method(history, _HISTORY),
    "conversations.replies": Method(replies, _HISTORY),
    "conversations.open": Method(open_direct, ("im:write", "mpim:write")),
    "conversations.join": Method(join, ("channels:join",)),
}
