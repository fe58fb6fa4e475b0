"""reactions.add, remove, get. https://docs.slack.dev/reference/methods#reactions"""

import re

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.model import Channel, Json, Message
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method


def react(state: State, channel: Channel, message: Message, user: str, name: str) -> None:
    """Add a reaction. Raises Refusal already_reacted or invalid_name."""
    if not re.fullmatch(r"[a-z0-9_+'\-]+(::skin-tone-[2-6])?", name):
        raise Refusal("invalid_name")
    users = message.reactions.setdefault(name, [])
    if user in users:
        raise Refusal("already_reacted")
    users.append(user)
    events.reaction(state, channel, message, user, name, "reaction_added")


def unreact(state: State, channel: Channel, message: Message, user: str, name: str) -> None:
    """Take a reaction back. Raises Refusal no_reaction."""
    users = message.reactions.get(name, [])
    if user not in users:
        raise Refusal("no_reaction")
    users.remove(user)
    events.reaction(state, channel, message, user, name, "reaction_removed")


def _item(state: State, args: Arguments) -> tuple[Channel, Message]:
    if not args.text("channel") or not args.text("timestamp"):
        raise Refusal("no_item_specified")
    channel = state.channel_of_app(args.required("channel"))
    return channel, state.message(channel, args.required("timestamp"))


def add(state: State, args: Arguments) -> Json:
    channel, message = _item(state, args)
    if state.app.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    react(state, channel, message, state.app.bot_user_id, args.required("name").strip(":"))
    return {}


def remove(state: State, args: Arguments) -> Json:
    channel, message = _item(state, args)
    unreact(state, channel, message, state.app.bot_user_id, args.required("name").strip(":"))
    return {}


def get(state: State, args: Arguments) -> Json:
    channel, message = _item(state, args)
    return {"type": "message", "channel": channel.id, "message": state.shown(message)}


METHODS = {
    "reactions.add": Method(add, ("reactions:write",)),
    "reactions.remove": Method(remove, ("reactions:write",)),
    "reactions.get": Method(get, ("reactions:read",)),
}
