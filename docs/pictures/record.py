"""Record a conversation about the example company: the real bot process in the tests' Slack workspace.

    python docs/pictures/record.py > docs/pictures/conversation.json

What was said goes to standard output, as messages with Slack's own blocks; `render.py` draws it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.slack_workspace import Workspace  # noqa: E402 - the repository's root comes first
from tests.slack_workspace.model import Message  # noqa: E402

ASKED = [
    ("ada", "{mention} what does alarm A205 mean?"),
    ("ben", "and how many filter elements WP-1010 are in stock?"),
    ("ada", "which company delivers the lunch menu of our canteen on Fridays?"),
]
PATIENCE = 300  # seconds; the default model is loaded before the first answer


@contextmanager
def running_bot(home: Path, workspace: Workspace) -> Iterator[None]:
    """The bot's process, from its start until the context ends."""
    environment = os.environ | workspace.environment() | {"JOURNEYMAN_HOME": str(home)}
    bot = subprocess.Popen([sys.executable, "-m", "journeyman", "bot"], env=environment, stdout=sys.stderr)
    try:
        workspace.wait_for(lambda: workspace.calls("apps.connections.open") or bot.poll(), PATIENCE)
        yield
    finally:
        bot.terminate()
        bot.wait(30)


def converse(workspace: Workspace) -> list[Message]:
    """Ask everything in one thread; returns the thread."""
    (person, text), *followups = ASKED
    root = workspace.post(person, workspace.maintenance, text.format(mention=workspace.mention))
    workspace.wait_for_reply(root, PATIENCE)
    for answered, (person, text) in enumerate(followups, start=1):
        workspace.post(person, workspace.maintenance, text, thread_ts=root.ts)
        workspace.wait_for_reply(root, PATIENCE, count=answered + 1)
    return [root, *workspace.thread(root)]


def as_dict(workspace: Workspace, message: Message) -> dict[str, Any]:
    """What is drawn of a message. A streamed text is Markdown, a posted one mrkdwn."""
    person = workspace.state.people[message.user]
    streamed, blocks = message.stream is not None, message.blocks if person.is_bot else []
    text = message.text.replace(workspace.mention, "@Journeyman")
    return {
        "name": "Journeyman" if person.is_bot else person.real_name,
        "app": person.is_bot,
        "ts": message.ts,
        "text": text if streamed or not blocks else "",
        "markdown": streamed,
        "blocks": blocks,
    }


def main() -> None:
    """Index the example company into a new home, ask, and print the conversation."""
    with tempfile.TemporaryDirectory() as folder, Workspace() as workspace:
        home = Path(os.environ.get("JOURNEYMAN_HOME", folder))
        index = [
            sys.executable,
            "-m",
            "journeyman",
            "--home",
            str(home),
            "index",
            str(ROOT / "examples/company"),
        ]
        subprocess.run(index, check=True, stdout=sys.stderr)
        with running_bot(home, workspace):
            thread = converse(workspace)
        json.dump([as_dict(workspace, message) for message in thread], sys.stdout, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
