"""Rules for the elements inside blocks and the composition objects inside elements.

Limits: https://docs.slack.dev/reference/block-kit/block-elements and .../composition-objects.
"""

from typing import Any

from tests.slack_workspace.schema import (
    Check,
    Findings,
    Shape,
    anything,
    choice,
    flag,
    items,
    nested,
    number,
    one_of,
    shape,
    string,
    text,
    typed,
    url,
)

CONFIRM = shape(
    "title text confirm deny",
    {
        "title": text(100, plain=True),
        "text": text(300),
        "confirm": text(30, plain=True),
        "deny": text(30, plain=True),
        "style": choice("primary", "danger"),
    },
)
OPTION = shape(
    "text value",
    {"text": text(75), "value": string(150), "description": text(75), "url": url},
)
OPTION_GROUP = shape("label options", {"label": text(75, plain=True), "options": items(nested(OPTION), 100)})
DISPATCH = shape("", {"trigger_actions_on": items(choice("on_enter_pressed", "on_character_entered"), 2)})
FEEDBACK_BUTTON = shape(
    "text value",
    {"text": text(75, plain=True), "value": string(2000), "accessibility_label": string(75)},
)

_ACTION: dict[str, Check] = {"action_id": string(255), "confirm": nested(CONFIRM)}
_INPUT: dict[str, Check] = _ACTION | {"focus_on_load": flag, "placeholder": text(150, plain=True)}
_TEXT_INPUT: dict[str, Check] = _INPUT | {
    "dispatch_action_config": nested(DISPATCH),
    "initial_value": string(3000, 0),
}


def _min_below_max(value: Any, pointer: str, findings: Findings) -> None:
    if value.get("min_length", 0) > value.get("max_length", 3000):
        findings.add(pointer, "min_length must not be more than max_length")


def _select(own: dict[str, Check], required: str = "", *also: Check) -> tuple[Shape, Shape]:
    """A select menu and its multi-select sister."""
    single = shape(required, _INPUT | own, *also)
    plural = {f"{name}s" if name.startswith("initial_") else name: check for name, check in own.items()}
    return single, shape(required, _INPUT | plural | {"max_selected_items": number(1, 100)}, *also)


_OPTIONS: dict[str, Check] = {
    "options": items(nested(OPTION), 100),
    "option_groups": items(nested(OPTION_GROUP), 100),
    "initial_option": anything,
}
_STATIC, _MULTI_STATIC = _select(_OPTIONS, "", one_of("options", "option_groups"))
_USERS, _MULTI_USERS = _select({"initial_user": anything})
_CHANNELS, _MULTI_CHANNELS = _select({"initial_channel": anything, "response_url_enabled": flag})
_CONVERSATIONS, _MULTI_CONVERSATIONS = _select(
    {
        "initial_conversation": anything,
        "default_to_current_conversation": flag,
        "response_url_enabled": flag,
        "filter": anything,
    }
)
_EXTERNAL, _MULTI_EXTERNAL = _select({"initial_option": anything, "min_query_length": number(0, 3000)})

IMAGE_ELEMENT = shape(
    "alt_text",
    {"alt_text": string(2000), "image_url": url, "slack_file": anything},
    one_of("image_url", "slack_file"),
)

ELEMENTS: dict[str, Shape] = {
    "button": shape(
        "text",
        _ACTION
        | {
            "text": text(75, plain=True),
            "url": url,
            "value": string(2000),
            "style": choice("primary", "danger"),
            "accessibility_label": string(75),
        },
    ),
    "icon_button": shape(
        "icon text",
        _ACTION
        | {
            "icon": choice("trash"),
            "text": text(75, plain=True),
            "value": string(2000),
            "accessibility_label": string(75),
            "visible_to_user_ids": items(anything, 100),
        },
    ),
    "feedback_buttons": shape(
        "positive_button negative_button",
        {
            "action_id": string(255),
            "positive_button": nested(FEEDBACK_BUTTON),
            "negative_button": nested(FEEDBACK_BUTTON),
        },
    ),
    "image": IMAGE_ELEMENT,
    "overflow": shape("options", _ACTION | {"options": items(nested(OPTION), 5)}),
    "checkboxes": shape(
        "options",
        _INPUT | {"options": items(nested(OPTION), 10), "initial_options": items(nested(OPTION), 10)},
    ),
    "radio_buttons": shape(
        "options", _INPUT | {"options": items(nested(OPTION), 10), "initial_option": nested(OPTION)}
    ),
    "datepicker": shape("", _INPUT | {"initial_date": string(10, 10)}),
    "timepicker": shape("", _INPUT | {"initial_time": string(5, 5), "timezone": anything}),
    "datetimepicker": shape("", _INPUT | {"initial_date_time": anything}),
    "static_select": _STATIC,
    "multi_static_select": _MULTI_STATIC,
    "external_select": _EXTERNAL,
    "multi_external_select": _MULTI_EXTERNAL,
    "users_select": _USERS,
    "multi_users_select": _MULTI_USERS,
    "conversations_select": _CONVERSATIONS,
    "multi_conversations_select": _MULTI_CONVERSATIONS,
    "channels_select": _CHANNELS,
    "multi_channels_select": _MULTI_CHANNELS,
    "plain_text_input": shape(
        "",
        _TEXT_INPUT | {"multiline": flag, "min_length": number(0, 3000), "max_length": number(1, 3000)},
        _min_below_max,
    ),
    "email_text_input": shape("", _TEXT_INPUT),
    "url_text_input": shape("", _TEXT_INPUT),
    "number_input": shape(
        "is_decimal_allowed",
        _TEXT_INPUT | {"is_decimal_allowed": flag, "min_value": anything, "max_value": anything},
    ),
    "rich_text_input": shape("", _TEXT_INPUT | {"initial_value": anything}),
    "file_input": shape("", _ACTION | {"filetypes": anything, "max_files": number(1, 10)}),
    "workflow_button": shape("text workflow", _ACTION | {"text": text(75, plain=True), "workflow": anything}),
    "url": shape("url text", {"url": url, "text": string(3000), "icon_url": url}),
    "plain_text": shape("text", {"text": string(3000), "emoji": flag}),
    "mrkdwn": shape("text", {"text": string(3000), "verbatim": flag}),
}

SELECTS = frozenset(name for name in ELEMENTS if name.endswith("_select"))
CHOICES = SELECTS | {"checkboxes", "radio_buttons", "datepicker", "timepicker"}
IN_ACTIONS = CHOICES | {"button", "overflow", "datetimepicker", "workflow_button"}
IN_SECTION = CHOICES | {"button", "overflow", "image", "workflow_button"}
IN_INPUT = CHOICES | {name for name in ELEMENTS if name.endswith("_input")} | {"datetimepicker"}
IN_CONTEXT = frozenset({"image", "plain_text", "mrkdwn"})
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})


def element(allowed: frozenset[str]) -> Check:
    """An element of one of these types."""
    return typed(ELEMENTS, allowed)


__all__ = [
    "ELEMENTS",
    "IN_ACTIONS",
    "IN_CONTEXT",
    "IN_CONTEXT_ACTIONS",
    "IN_INPUT",
    "IN_SECTION",
    "element",
]
