"""Slack's limits for blocks and views, as its documentation states them."""

from typing import Any

import pytest

from tests.slack_workspace.block_kit import accept_blocks, accept_view
from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(action_id: str = "a", **fields: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain("Press"), **fields}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def select(**fields: Any) -> Json:
    return {"type": "static_select", "action_id": "s", **fields}


def option(value: str = "v", text: str = "V") -> Json:
    return {"text": plain(text), "value": value}


def thumbs(**fields: Any) -> Json:
    button_object = {"text": plain("Good"), "value": "good"}
    element = {"type": "feedback_buttons", "action_id": "f", "positive_button": button_object}
    return {"type": "context_actions", "elements": [element | {"negative_button": button_object} | fields]}


def refused(*blocks: Any, older: bool = False) -> list[str]:
    """What Slack says about these blocks."""
    with pytest.raises(Refusal) as caught:
        accept_blocks(list(blocks), older=older)
    return list(caught.value.extra["errors"])


ACCEPTED = [
    section("x" * 3000),
    {"type": "section", "fields": [plain("x" * 2000)] * 10},
    section("x") | {"accessory": button()},
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider"},
    actions(*[button(f"a{n}") for n in range(25)]),
    actions(button(value="x" * 2000, style="danger"), select(options=[option()] * 100)),
    {"type": "context", "elements": [plain("x")] * 10},
    thumbs(),
    {
        "type": "context_actions",
        "elements": [{"type": "icon_button", "icon": "trash", "text": plain("Delete")}],
    },
    {"type": "markdown", "text": "x" * 12_000},
    {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 20] * 100},
    {"type": "task_card", "task_id": "1", "title": "Search", "status": "complete"},
    {
        "type": "plan",
        "title": "Plan",
        "tasks": [{"type": "task_card", "task_id": "1", "title": "t", "status": "error"}],
    },
    {"type": "input", "label": plain("x"), "element": {"type": "plain_text_input", "action_id": "i"}},
    {"type": "image", "alt_text": "x", "image_url": "https://example.com/x.png"},
    {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": []}]},
    {"type": "alert", "text": plain("x"), "level": "warning"},
]


@pytest.mark.parametrize("block", ACCEPTED, ids=lambda block: block["type"])
def test_a_block_at_its_limit_is_accepted_and_gets_an_id(block: Json) -> None:
    """A block at its limits is accepted; Slack adds the block id."""
    assert accept_blocks([block], older=False)[0]["block_id"]


REFUSED = [
    (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
    ({"type": "section", "text": "x"}, "must provide an object [json-pointer:/blocks/0/text]"),
    ({"type": "section", "fields": [plain("x" * 2001)]}, "must be less than 2001 characters"),
    ({"type": "section", "fields": [plain("x")] * 11}, "no more than 10 items allowed"),
    (section("x") | {"title": "x"}, "invalid additional property: title"),
    (section("x") | {"block_id": "x" * 256}, "must be less than 256 characters"),
    (section("x") | {"accessory": {"type": "feedback_buttons"}}, "unsupported type: feedback_buttons"),
    ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters"),
    ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "unsupported type: mrkdwn"),
    (actions(), "must not be empty [json-pointer:/blocks/0/elements]"),
    (actions(*[button(f"a{n}") for n in range(26)]), "no more than 25 items allowed"),
    (actions(button("x" * 256)), "must be less than 256 characters"),
    (actions(button("same"), button("same")), '`action_id` "same" already exists'),
    (actions(button(value="x" * 2001)), "must be less than 2001 characters"),
    (actions(button(value="")), "must be more than 0 characters"),
    (actions(button(style="blue")), "must be one of: primary, danger"),
    (actions(button(url="javascript:x")), "invalid url"),
    (actions({"type": "button", "text": plain("x" * 76)}), "must be less than 76 characters"),
    (actions({"type": "button"}), "missing required field: text [json-pointer:/blocks/0/elements/0]"),
    (actions(select()), "must define exactly one of `options`, `option_groups`"),
    (actions(select(options=[option()] * 101)), "no more than 100 items allowed"),
    (actions(select(options=[option(text="x" * 76)])), "must be less than 76 characters"),
    (actions(select(options=[option(value="x" * 151)])), "must be less than 151 characters"),
    (actions({"type": "overflow", "options": [option()] * 6}), "no more than 5 items allowed"),
    (actions({"type": "plain_text_input"}), "unsupported type: plain_text_input"),
    ({"type": "context", "elements": [plain("x")] * 11}, "no more than 10 items allowed"),
    ({"type": "context", "elements": [button()]}, "unsupported type: button"),
    ({"type": "context_actions", "elements": [button()]}, "unsupported type: button"),
    ({"type": "context_actions", "elements": thumbs()["elements"] * 6}, "no more than 5 items allowed"),
    (thumbs(positive_button={"text": plain("x")}), "missing required field: value"),
    (thumbs(negative_button={"text": plain("x" * 76), "value": "v"}), "must be less than 76 characters"),
    ({"type": "markdown", "text": "x" * 12_001}, "must be less than 12001 characters"),
    (
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * 101},
        "no more than 100 items allowed",
    ),
    ({"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}, "no more than 20 items allowed"),
    ({"type": "task_card", "task_id": "1", "title": "t", "status": "done"}, "must be one of: pending"),
    ({"type": "image", "alt_text": "x"}, "must define exactly one of `image_url`, `slack_file`"),
    ({"type": "input", "label": plain("x"), "element": button()}, "unsupported type: button"),
    ({"type": "paragraph"}, "unsupported type: paragraph [json-pointer:/blocks/0/type]"),
    ("text", "unsupported type: None [json-pointer:/blocks/0]"),
]


@pytest.mark.parametrize(("block", "finding"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_block_beyond_a_limit_is_refused_with_its_place(block: Any, finding: str) -> None:
    """A block that breaks a rule is refused, and the finding says which rule and where."""
    assert any(message.startswith(finding) for message in refused(block)), refused(block)


def test_a_message_has_at_most_fifty_blocks() -> None:
    """50 blocks are accepted, 51 are not."""
    assert len(accept_blocks([{"type": "divider"}] * 50, older=False)) == 50
    assert refused(*[{"type": "divider"}] * 51) == ["no more than 50 items allowed [json-pointer:/blocks]"]


def test_block_ids_are_unique_and_action_ids_only_within_their_block() -> None:
    """A block id may occur once in a message, an action id once in a block."""
    twice = {"type": "divider", "block_id": "same"}
    assert refused(twice, twice)[0] == '`block_id` "same" already exists [json-pointer:/blocks/0/block_id]'
    accept_blocks([actions(button("same")), actions(button("same"))], older=False)


def test_markdown_blocks_share_one_limit() -> None:
    """All markdown blocks of a message together have 12,000 characters."""
    assert "12001" in refused(*[{"type": "markdown", "text": "x" * 6001}] * 2)[0]


def test_a_message_has_one_table() -> None:
    """A second table is refused with its own code."""
    table = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}
    with pytest.raises(Refusal, match="invalid_attachments"):
        accept_blocks([table, table], older=False)


@pytest.mark.parametrize("block", [thumbs(), {"type": "markdown", "text": "x"}, ACCEPTED[12], ACCEPTED[13]])
def test_an_older_workspace_does_not_know_the_newest_blocks(block: Json) -> None:
    """In an older workspace the newest blocks are of an unsupported type."""
    assert refused(block, older=True)[0].startswith(f"unsupported type: {block['type']}")


def modal(*blocks: Any, **fields: Any) -> Json:
    return {"type": "modal", "title": plain("Title"), "blocks": list(blocks), **fields}


NOTE = {"type": "input", "label": plain("Note"), "element": {"type": "plain_text_input", "action_id": "note"}}


@pytest.mark.parametrize(
    ("view", "finding"),
    [
        (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(submit=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/submit/text]"),
        (modal(close=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/close/text]"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters"),
        (modal(callback_id="x" * 256), "must be less than 256 characters"),
        (modal(*[{"type": "divider"}] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
        (modal(NOTE), "missing required field: submit"),
        (modal(thumbs()), "unsupported type: context_actions"),
        (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown"),
        ({"type": "modal", "blocks": []}, "missing required field: title"),
        ({"type": "home", "blocks": []}, "view must be of type modal"),
        (
            modal(section("x" * 3001)),
            "must be less than 3001 characters [json-pointer:/view/blocks/0/text/text]",
        ),
    ],
)
def test_a_modal_beyond_a_limit_is_refused(view: Json, finding: str) -> None:
    """A modal that breaks a rule is refused with invalid_arguments and the place."""
    with pytest.raises(Refusal, match="invalid_arguments") as caught:
        accept_view(view, "modal", older=False)
    assert any(message.startswith(finding) for message in caught.value.extra["errors"])


def test_a_modal_and_a_home_tab_within_their_limits_are_accepted() -> None:
    """A modal with an input and a Home tab with sections are accepted."""
    assert accept_view(modal(NOTE, submit=plain("Send")), "modal", older=False)["blocks"][0]["block_id"]
    assert accept_view({"type": "home", "blocks": [section("x")]}, "home", older=False)


def test_a_home_tab_has_no_title() -> None:
    """Fields of modals are refused in a Home tab."""
    with pytest.raises(Refusal, match="invalid_arguments"):
        accept_view({"type": "home", "blocks": [], "title": plain("x")}, "home", older=False)
