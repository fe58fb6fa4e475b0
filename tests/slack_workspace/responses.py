"""What the app answers to an interaction: in the acknowledgement itself, or later at the response_url.

https://docs.slack.dev/interactivity/handling-user-interaction and https://docs.slack.dev/surfaces/modals#response_actions.
"""

import time
from typing import Any

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.block_kit import accept_view
from tests.slack_workspace.methods import chat
from tests.slack_workspace.methods.views import put_view, replace_view
from tests.slack_workspace.model import Channel, Json, Message, ResponseUrl, View
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State

MOST_USES = 5
LIFETIME = 30 * 60


def apply_view_response(state: State, view: View, response: Any) -> None:
    """Do what a view_submission's acknowledgement asks for; a refused view is a failure for the person."""
    stack = state.modals.get(view.user, [])
    action = response.get("response_action") if isinstance(response, dict) else None
    try:
        if action == "errors":
            view.errors = _known_errors(view, response.get("errors") or {})
        elif action == "update":
            replace_view(state, view, accept_view(response.get("view"), "modal", older=state.older))
        elif action == "push":
            put_view(state, view.user, accept_view(response.get("view"), "modal", older=state.older), push=True)
        elif action == "clear":
            stack.clear()
        elif view in stack:
            stack.remove(view)
    except Refusal as refusal:
        view.failure = f"{refusal.error} {refusal.extra.get('errors', '')}".strip()


def _known_errors(view: View, errors: dict[str, str]) -> dict[str, str]:
    """Errors belong to input blocks of the view, by block id. Raises Refusal."""
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not errors or not errors.keys() <= inputs:
        raise Refusal.of("invalid_arguments", [f"errors must name input blocks: {', '.join(sorted(errors))}"])
    return errors


def post_command_response(state: State, channel: Channel, user: str, response: Any) -> None:
    """Post what the app answered to a slash command at once, for its user alone unless it says in_channel."""
    if not response:
        return
    body = response if isinstance(response, dict) else {"text": str(response)}
    if body.get("text") or body.get("blocks"):
        _post(state, channel, user, body)


def _post(state: State, channel: Channel, user: str, body: Json) -> Message:
    arguments = Arguments(body)
    content = chat.accept_content(state, arguments, chat.POST_LIMIT)
    if content.empty:
        raise Refusal("no_text")
    public = body.get("response_type") == "in_channel"
    thread_ts = arguments.text("thread_ts")
    message = chat.store_post(state, channel, content, thread_ts, ephemeral_to=None if public else user)
    if public:
        events.message_posted(state, channel, message)
    return message


def use_response_url(state: State, key: str, body: Json) -> None:
    """A post to a response_url: five within thirty minutes. Raises Refusal."""
    hook = state.response_urls.get(key)
    if hook is None or time.time() - hook.issued_at > LIFETIME:
        raise Refusal("expired_url")
    if hook.uses >= MOST_USES:
        raise Refusal("used_url")
    hook.uses += 1
    channel = state.channels[hook.channel]
    original = _original(channel, hook)
    if original is not None and body.get("delete_original"):
        chat.erase_message(state, channel, original)
    elif original is not None and body.get("replace_original"):
        content = chat.accept_content(state, Arguments(body), chat.POST_LIMIT)
        chat.change_message(state, channel, original, content)
    else:
        _post(state, channel, hook.user, body)


def _original(channel: Channel, hook: ResponseUrl) -> Message | None:
    """The message that the interaction came from, if the app may replace it."""
    for message in channel.messages:
        if message.ts == hook.message_ts and not message.deleted and message.bot_id is not None:
            return message
    return None
