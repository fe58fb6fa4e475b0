"""What Slack sends when a person presses, chooses, submits, closes, or types a command.

Shapes: https://docs.slack.dev/reference/interaction-payloads. A person can only do what is before them:
pressing what is not there, or submitting what Slack's client would not let go, raises `Impossible`.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.slack_workspace.block_kit import interactive
from tests.slack_workspace.model import Channel, Json, Message, Person, View
from tests.slack_workspace.state import State

# Which field of an answer holds the value, for each element that takes one as it is.
_PLAIN_VALUES = {
    "plain_text_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "number_input": "value",
    "rich_text_input": "rich_text_value",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_INITIAL = {
    "users_select": "initial_user",
    "channels_select": "initial_channel",
    "conversations_select": "initial_conversation",
    "datepicker": "initial_date",
    "timepicker": "initial_time",
    "datetimepicker": "initial_date_time",
}


class Impossible(AssertionError):
    """A test makes a person do what Slack's client would not let them do."""


def _options(element: Json) -> list[Json]:
    grouped = [option for group in element.get("option_groups") or [] for option in group["options"]]
    return [*(element.get("options") or []), *grouped]


def _option(element: Json, value: Any) -> Json:
    for option in _options(element):
        if option["value"] == value or option["text"]["text"] == value:
            return option
    raise Impossible(f"No option {value!r} in {element['action_id']}.")


def _feedback(element: Json, value: Any) -> Json:
    """One of the two thumbs, named `positive`, `negative` or by its value."""
    for name in ("positive", "negative"):
        button: Json = element[f"{name}_button"]
        if value in (name, button["value"]):
            return {"text": button["text"], "value": button["value"]}
    raise Impossible(f"A press on {element['action_id']} is `positive`, `negative` or one of its values.")


def answered(element: Json, value: Any) -> Json:
    """The part of an action or of a view's state that says what a person chose or typed."""
    kind = element["type"]
    if kind == "feedback_buttons":
        return {"type": kind, **_feedback(element, value)}
    if kind in ("button", "icon_button", "workflow_button"):
        if value not in (None, element.get("value")):
            raise Impossible(f"The button {element['action_id']} has the value {element.get('value')!r}.")
        return {"type": kind, **{key: element[key] for key in ("text", "value", "style") if key in element}}
    if kind in ("static_select", "radio_buttons", "overflow", "external_select"):
        return {"type": kind, "selected_option": None if value is None else _option(element, value)}
    if kind in ("checkboxes", "multi_static_select", "multi_external_select"):
        return {"type": kind, "selected_options": [_option(element, item) for item in value or []]}
    if kind in _PLAIN_VALUES:
        return {"type": kind, _PLAIN_VALUES[kind]: value}
    raise Impossible(f"Nobody can answer an element of type {kind}.")


def _initial(element: Json) -> Any:
    """What stands in an element before the person touches it."""
    if element.get("initial_option"):
        return element["initial_option"]["value"]
    if element.get("initial_options"):
        return [option["value"] for option in element["initial_options"]]
    return element.get(_INITIAL.get(element["type"], "initial_value"))


def _check_input(block: Json, element: Json, value: Any) -> None:
    """What Slack's client checks before it lets a form go."""
    name = element["action_id"]
    if value in (None, "", []):
        if not block.get("optional"):
            raise Impossible(f"The input {name} must be filled in.")
        return
    if element["type"] == "plain_text_input":
        least, most = element.get("min_length") or 0, element.get("max_length") or 3000
        if not least <= len(str(value)) <= most:
            raise Impossible(f"The input {name} takes {least} to {most} characters.")


def view_state(view: View, values: Mapping[str, Any]) -> Json:
    """The state of a view with a person's values, keyed by action id or block id. Raises Impossible."""
    state: Json = {}
    unused = set(values)
    for block in view.blocks:
        for element, _ in interactive(block):
            if element["type"] in ("button", "overflow", "workflow_button"):
                continue
            value = _initial(element)
            for key in (block["block_id"], element["action_id"]):
                if key in values:
                    value = values[key]
                    unused.discard(key)
            if block["type"] == "input":
                _check_input(block, element, value)
            state.setdefault(block["block_id"], {})[element["action_id"]] = answered(element, value)
    if unused:
        raise Impossible(f"The view has no input named {', '.join(sorted(unused))}.")
    return state


def find_element(blocks: Sequence[Json], action_id: str) -> tuple[Json, Json]:
    """The block and the element with this action id. Raises Impossible."""
    there = []
    for block in blocks:
        for element, _ in interactive(block):
            there.append(element["action_id"])
            if element["action_id"] == action_id:
                return block, element
    raise Impossible(f"Nothing named {action_id} to press; there is: {', '.join(there) or 'nothing'}.")


def _shared(state: State, person: Person, kind: str) -> Json:
    app = state.app
    user = {"id": person.id, "username": person.name, "name": person.name, "team_id": app.team_id}
    return {
        "type": kind,
        "team": {"id": app.team_id, "domain": app.team_domain},
        "user": user,
        "api_app_id": app.app_id,
        "token": app.verification_token,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _action(block: Json, element: Json, value: Any) -> Json:
    shared = {
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": f"{time.time():.6f}",
    }
    return {**answered(element, value), **shared}


def press_in_message(
    state: State, person: Person, channel: Channel, message: Message, action_id: str, value: Any
) -> Json:
    """block_actions from a message; an ephemeral one is not part of the payload."""
    block, element = find_element(message.blocks, action_id)
    ephemeral = message.ephemeral_to is not None
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": ephemeral,
    }
    if message.is_reply:
        container["thread_ts"] = message.thread_ts
    payload = _shared(state, person, "block_actions") | {
        "container": container,
        "trigger_id": state.issue_trigger(person.id),
        "channel": {"id": channel.id, "name": channel.shown_name},
        "state": {"values": {}},
        "response_url": state.issue_response_url(channel.id, person.id, message.ts),
        "actions": [_action(block, element, value)],
    }
    return payload if ephemeral else payload | {"message": state.shown(message)}


def press_in_view(state: State, person: Person, view: View, action_id: str, value: Any) -> Json:
    """block_actions from a modal or the Home tab."""
    block, element = find_element(view.blocks, action_id)
    return _shared(state, person, "block_actions") | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": state.issue_trigger(person.id, view.id if view.type == "modal" else None),
        "view": view.to_slack(state.app),
        "actions": [_action(block, element, value)],
    }


def submission(state: State, person: Person, view: View, values: Mapping[str, Any]) -> Json:
    return _shared(state, person, "view_submission") | {
        "trigger_id": state.issue_trigger(person.id, view.id),
        "view": view.to_slack(state.app, view_state(view, values)),
        "response_urls": [],
    }


def closing(state: State, person: Person, view: View, *, cleared: bool) -> Json:
    return _shared(state, person, "view_closed") | {"view": view.to_slack(state.app), "is_cleared": cleared}


def command(state: State, person: Person, channel: Channel, name: str, text: str) -> Json:
    """The form fields of a slash command."""
    return {
        "token": state.app.verification_token,
        "team_id": state.app.team_id,
        "team_domain": state.app.team_domain,
        "channel_id": channel.id,
        "channel_name": channel.shown_name,
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": text,
        "api_app_id": state.app.app_id,
        "is_enterprise_install": "false",
        "response_url": state.issue_response_url(channel.id, person.id),
        "trigger_id": state.issue_trigger(person.id),
    }


def shortcut(state: State, person: Person, callback_id: str, channel: Channel | None, message: Message | None) -> Json:
    """A global shortcut, or a message shortcut where there is a message."""
    kind = "shortcut" if message is None else "message_action"
    payload = _shared(state, person, kind) | {
        "callback_id": callback_id,
        "trigger_id": state.issue_trigger(person.id),
        "action_ts": f"{time.time():.6f}",
    }
    if message is None or channel is None:
        return payload
    return payload | {
        "message_ts": message.ts,
        "message": state.shown(message),
        "channel": {"id": channel.id, "name": channel.shown_name},
        "response_url": state.issue_response_url(channel.id, person.id, message.ts),
    }
