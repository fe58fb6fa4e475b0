"""pins.list. https://docs.slack.dev/reference/methods/pins.list"""

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method


def list_(state: State, args: Arguments) -> Json:
    channel = state.channel_of_app(args.required("channel"))
    if state.app.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    pinned = [message for message in channel.messages if message.ts in channel.pinned]
    return {"items": [{"type": "message", "channel": channel.id, "message": state.shown(m)} for m in pinned]}


METHODS = {"pins.list": Method(list_, ("pins:read",))}
"""What is pinned, as a list of items."""
