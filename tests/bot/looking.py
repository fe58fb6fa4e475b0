"""What the bot's tests see in the tests' Slack and in the database: what stands in a thread, and what is streamed."""

import time
from typing import Any

from tests.bot.conftest import Rows
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

SHOWN = "Move the probe closer and try again [1]."


def times_shown(workspace: Workspace, root: Message, words: str = SHOWN) -> int:
    """How often the words stand in the thread."""
    return sum(what_stands_in(message).count(words) for message in workspace.thread(root) if message.bot_id)


def what_stands_in(message: Message) -> str:
    """What people read: once a message was updated, its blocks and nothing that was streamed before."""
    if message.states[-1].change == "updated":
        return "\n".join(block["text"]["text"] for block in message.blocks if block["type"] == "section")
    return visible_text(message)


def eventually(rows: Rows, query: str, expected: list[tuple[Any, ...]]) -> None:
    """The row is written just after the message is shown."""
    deadline = time.monotonic() + 60
    while (found := rows(query)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


def streamed(workspace: Workspace) -> Message | None:
    """A message that is being streamed and shows something."""
    messages = workspace.messages("maintenance")
    return next((m for m in messages if m.stream and m.stream.state == "in_progress" and m.text), None)


def has_thumbs(workspace: Workspace, root: Message) -> bool:
    """Whether the answer under the question is complete."""
    kinds = [block["type"] for message in workspace.thread(root) for block in message.blocks if message.bot_id]
    return "context_actions" in kinds or "actions" in kinds
