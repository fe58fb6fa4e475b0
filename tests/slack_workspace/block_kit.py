"""Rules for blocks, and for messages and views made of them: what Slack answers with invalid_blocks.

Limits: https://docs.slack.dev/reference/block-kit/blocks and https://docs.slack.dev/reference/views.
"""

import copy
import json
import secrets
from collections import Counter
from typing import Any

from tests.slack_workspace.elements import (
    IN_ACTIONS,
    IN_CONTEXT,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    element,
)
from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.schema import (
    Check,
    Findings,
    Shape,
    anything,
    check_shape,
    choice,
    flag,
    items,
    number,
    one_of,
    shape,
    some_of,
    string,
    text,
    typed,
    url,
)

MARKDOWN_LIMIT = 12_000
NEWEST_BLOCKS = frozenset({"alert", "card", "carousel", "context_actions", "markdown", "plan", "table", "task_card"})
_TASK_STATUS = choice("pending", "in_progress", "complete", "error")
_RICH_TEXT_PARTS = {
    name: shape("elements", {"elements": anything, "style": anything, "indent": anything, "border": anything})
    for name in ("rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted")
}
_CELLS = {
    "raw_text": shape("text", {"text": string(3000)}),
    "raw_number": shape("value", {"value": anything, "text": string(3000)}),
    "rich_text": shape("elements", {"elements": anything, "block_id": string(255)}),
}


def _block(required: str, fields: dict[str, Check], *also: Check) -> Shape:
    return shape(required, fields | {"block_id": string(255)}, *also)


_RICH_TEXT = _block("elements", {"elements": items(typed(_RICH_TEXT_PARTS), 100, 0)})


def _rich_text(value: Any, pointer: str, findings: Findings) -> None:
    typed({"rich_text": _RICH_TEXT})(value, pointer, findings)


_TASK_CARD = _block(
    "task_id title status",
    {
        "task_id": string(255),
        "title": string(3000),
        "status": _TASK_STATUS,
        "details": _rich_text,
        "output": _rich_text,
        "sources": items(element(frozenset({"url"})), 100, 0),
    },
)
_CARD = _block(
    "",
    {
        "hero_image": anything,
        "icon": anything,
        "title": text(150),
        "subtitle": text(150),
        "body": text(200),
        "actions": items(element(frozenset({"button"})), 5),
    },
    some_of("hero_image", "title", "actions", "body"),
)

BLOCKS: dict[str, Shape] = {
    "section": _block(
        "",
        {
            "text": text(3000),
            "fields": items(text(2000), 10),
            "accessory": element(IN_SECTION),
            "expand": flag,
        },
        some_of("text", "fields"),
    ),
    "divider": _block("", {}),
    "header": _block("text", {"text": text(150, plain=True), "level": number(1, 4)}),
    "image": _block(
        "alt_text",
        {"alt_text": string(2000), "image_url": url, "slack_file": anything, "title": text(2000, plain=True)},
        one_of("image_url", "slack_file"),
    ),
    "actions": _block("elements", {"elements": items(element(IN_ACTIONS), 25)}),
    "context": _block("elements", {"elements": items(element(IN_CONTEXT), 10)}),
    "context_actions": _block("elements", {"elements": items(element(IN_CONTEXT_ACTIONS), 5)}),
    "input": _block(
        "label element",
        {
            "label": text(2000, plain=True),
            "element": element(IN_INPUT),
            "hint": text(2000, plain=True),
            "optional": flag,
            "dispatch_action": flag,
        },
    ),
    "file": _block("external_id source", {"external_id": anything, "source": choice("remote")}),
    "markdown": _block("text", {"text": string(MARKDOWN_LIMIT)}),
    "rich_text": _RICH_TEXT,
    "table": _block(
        "rows",
        {"rows": items(items(typed(_CELLS), 20), 100), "column_settings": items(anything, 20, 0)},
    ),
    "video": _block(
        "alt_text title thumbnail_url video_url",
        {
            "alt_text": string(2000),
            "title": text(199, plain=True),
            "thumbnail_url": url,
            "video_url": url,
            "title_url": url,
            "description": text(200, plain=True),
            "author_name": string(49),
            "provider_name": string(3000),
            "provider_icon_url": url,
        },
    ),
    "task_card": _TASK_CARD,
    "plan": _block("title", {"title": string(3000), "tasks": items(typed({"task_card": _TASK_CARD}), 50, 0)}),
    "alert": _block("text", {"text": text(3000), "level": choice("default", "info", "warning", "error", "success")}),
    "card": _CARD,
    "carousel": _block("elements", {"elements": items(typed({"card": _CARD}), 10)}),
}
_INTERACTIVE = (IN_ACTIONS | IN_SECTION | IN_INPUT | IN_CONTEXT_ACTIONS) - {"image"}
IN_VIEWS = BLOCKS.keys() - (NEWEST_BLOCKS - {"alert"})


def _unique(values: list[tuple[str, str]], name: str, findings: Findings) -> None:
    counts = Counter(value for value, _ in values)
    for value, pointer in values:
        if counts[value] > 1:
            findings.add(pointer, f'`{name}` "{value}" already exists')


def interactive(block: Json) -> list[tuple[Json, str]]:
    """The elements of a block that have an action id, each with its place in the block."""
    if block.get("type") in ("actions", "context_actions", "context"):
        found = [(item, f"elements/{index}") for index, item in enumerate(block.get("elements") or [])]
    else:
        found = [(block[key], key) for key in ("accessory", "element") if block.get(key)]
    return [(item, place) for item, place in found if isinstance(item, dict) and item.get("type") in _INTERACTIVE]


def _check_ids(blocks: list[Json], pointer: str, findings: Findings) -> None:
    """Block ids are unique in a payload, action ids in their block."""
    named = [(str(b["block_id"]), f"{pointer}/{i}/block_id") for i, b in enumerate(blocks) if b.get("block_id")]
    _unique(named, "block_id", findings)
    for index, block in enumerate(blocks):
        actions = [
            (str(item["action_id"]), f"{pointer}/{index}/{place}/action_id")
            for item, place in interactive(block)
            if item.get("action_id")
        ]
        _unique(actions, "action_id", findings)


def _check_blocks(blocks: Any, pointer: str, most: int, findings: Findings) -> None:
    known = set(BLOCKS) - (NEWEST_BLOCKS if findings.older else set())
    allowed = frozenset(known if findings.surface == "message" else known & IN_VIEWS)
    items(typed(BLOCKS, allowed), most, 0)(blocks, pointer, findings)
    if not isinstance(blocks, list) or findings.messages:
        return
    _check_ids(blocks, pointer, findings)
    markdown = [block["text"] for block in blocks if block["type"] == "markdown"]
    if sum(map(len, markdown)) > MARKDOWN_LIMIT:
        findings.add(pointer, f"all markdown blocks together must be less than {MARKDOWN_LIMIT + 1} characters")


def _identified(blocks: list[Json]) -> list[Json]:
    """The blocks as Slack stores them, with ids where the app gave none."""
    stored = copy.deepcopy(blocks)
    for block in stored:
        block.setdefault("block_id", secrets.token_urlsafe(4)[:5])
        for item, _ in interactive(block):
            item.setdefault("action_id", secrets.token_urlsafe(4)[:5])
    return stored


def accept_blocks(blocks: Any, *, older: bool, most: int = 50) -> list[Json]:
    """Check a message's blocks and give them ids. Raises Refusal invalid_blocks."""
    findings = Findings(older=older)
    _check_blocks(blocks, "/blocks", most, findings)
    if findings.messages:
        raise Refusal.of("invalid_blocks", findings.messages)
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise Refusal.of("invalid_attachments", ["only_one_table_allowed"])
    return _identified(blocks)


_VIEW: dict[str, Check] = {
    "blocks": anything,
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
_MODAL = shape(
    "title blocks",
    _VIEW
    | {
        "title": text(24, plain=True),
        "submit": text(24, plain=True),
        "close": text(24, plain=True),
        "clear_on_close": flag,
        "notify_on_close": flag,
        "submit_disabled": flag,
    },
)
_HOME = shape("blocks", _VIEW)


def accept_view(view: Any, kind: str, *, older: bool) -> Json:
    """Check a modal or a Home tab and give its blocks ids. Raises Refusal, mostly invalid_arguments."""
    findings = Findings(older=older, surface=kind)
    if not isinstance(view, dict) or view.get("type") != kind:
        raise Refusal.of("invalid_arguments", [f"view must be of type {kind} [json-pointer:/view/type]"])
    if len(json.dumps(view)) > 250_000:
        raise Refusal("view_too_large")
    check_shape(_MODAL if kind == "modal" else _HOME, view, "/view", findings)
    _check_blocks(view.get("blocks"), "/view/blocks", 100, findings)
    blocks = view.get("blocks") or []
    if kind == "modal" and not view.get("submit") and any(block.get("type") == "input" for block in blocks):
        findings.add("/view", "missing required field: submit (a modal with an input block needs it)")
    if findings.messages:
        raise Refusal.of("invalid_arguments", findings.messages)
    return {**view, "blocks": _identified(blocks)}
