"""The pieces of Block Kit that messages, modals and the Home tab are made of: pure functions to Slack's JSON.

Their texts are mrkdwn already, or plain text where Slack takes nothing else:
https://docs.slack.dev/reference/block-kit/blocks/
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Block = dict[str, Any]

DIVIDER: Block = {"type": "divider"}


@dataclass(frozen=True, slots=True)
class Message:
    """One Slack message: `text` is what notifications and screen readers get."""

    text: str
    blocks: list[Block]


def section(mrkdwn: str) -> Block:
    """A paragraph of text."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn}}


def context(mrkdwn: str) -> Block:
    """A line of small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": mrkdwn}]}


def header(text: str) -> Block:
    """A heading, without any formatting."""
    return {"type": "header", "text": plain_text(text)}


def actions(*elements: Block) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list(elements)}


def button(label: str, action_id: str, value: str, **more: Any) -> Block:
    """A button that sends `value` when it is pressed; `more` is what else Slack knows of it, such as its style."""
    return {"type": "button", "action_id": action_id, "text": plain_text(label), "value": value, **more}


def confirmation(title: str, text: str, confirm: str, deny: str, **more: Any) -> Block:
    """What a button asks before it does anything."""
    parts = {"title": title, "text": text, "confirm": confirm, "deny": deny}
    return {**{name: plain_text(part) for name, part in parts.items()}, **more}


def modal(
    title: str, blocks: Iterable[Block], *, close: str = "Close", submit: str | None = None, **more: Any
) -> Block:
    """A modal; with a `submit` button it is a form. `more` is what Slack hands back with it, as its callback id."""
    form = {} if submit is None else {"submit": plain_text(submit)}
    return {
        "type": "modal",
        "title": plain_text(title),
        "close": plain_text(close),
        "blocks": list(blocks),
        **form,
        **more,
    }


def field(block_id: str, label: str, element: Block, **more: Any) -> Block:
    """A field of a form; its element has the same id, so that what was put in is found under it twice."""
    element = {**element, "action_id": block_id}
    return {"type": "input", "block_id": block_id, "label": plain_text(label), "element": element, **more}


def text_input(max_length: int, **more: Any) -> Block:
    """The element of a field for several lines of text."""
    return {"type": "plain_text_input", "multiline": True, "max_length": max_length, **more}


def plain_text(text: str) -> Block:
    """Text without any formatting, where Slack takes no other."""
    return {"type": "plain_text", "text": text}


def shortened(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def amount(number: int, noun: str) -> str:
    """A number of things, such as “1 document” and “2 documents”."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
