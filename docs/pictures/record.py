"""Record what people see of the real bot: conversations, modals and the Home tab, on the example company.

    python docs/pictures/record.py > scenes.json
    python docs/pictures/render.py scenes.json docs/pictures

The bot runs as a process with the default model in the tests' Slack workspace, installed from its manifest. Set
JOURNEYMAN_HOME to keep its model and its index for the next recording.
"""

import base64
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.bot_process import BotProcess  # noqa: E402 - the repository's root comes first
from tests.slack_workspace import Workspace  # noqa: E402
from tests.slack_workspace.looking import visible_text  # noqa: E402
from tests.slack_workspace.model import Message, View  # noqa: E402

PATIENCE = 300.0  # seconds; the default model is loaded before the first answer
CHUTE = "how often is the scrap chute of the HP-400 emptied, and who signs for it?"
RIGHT = "The scrap chute is emptied at every change of shift; the setter signs for it on the shift sheet."
Scene = dict[str, Any]


def main() -> None:
    """Index the example company, act every scene, and print them."""
    with tempfile.TemporaryDirectory() as folder, Workspace() as workspace:
        workspace.install(ROOT / "bot" / "manifest.yaml")
        workspace.timing.trigger = 60.0  # a busy machine may draw slowly
        home = Path(os.environ.get("JOURNEYMAN_HOME") or f"{folder}/home")
        settings = workspace.environment() | {"JOURNEYMAN_ADMINS": workspace.ada.id}
        with BotProcess(home, settings) as bot:
            bot.run("index", str(ROOT / "examples" / "company"))
            bot.start()
            workspace.wait_for(lambda: workspace.connections or bot.ended, PATIENCE)
            scenes = list(act(workspace))
        json.dump({"names": names(workspace), "scenes": scenes}, sys.stdout, ensure_ascii=False, indent=1)


def act(workspace: Workspace) -> Iterator[Scene]:
    """Everything that is recorded, in the order in which a team would meet it."""
    root = ask(workspace, "what does alarm A204 mean?")
    first = answered(workspace, root)
    workspace.post("ben", "maintenance", "and at what temperature may the unit be started again?", thread_ts=root.ts)
    answered(workspace, root, 2)
    yield thread(workspace, "conversation", root)
    yield modal(workspace, "passage", "ada", lambda: press_first(workspace, first, "show_passage"))

    workspace.close("ada", workspace.views(workspace.ada)[-1])

    unknown = ask(workspace, "which company delivers the lunch menu of our canteen on Fridays?")
    answered(workspace, unknown)
    yield thread(workspace, "abstention", unknown)

    wrong = answered(workspace, ask(workspace, CHUTE))
    workspace.press("ben", wrong, "answer_feedback", "negative")
    yield modal(workspace, "complaint", "ben", lambda: complain(workspace, wrong))
    form = workspace.views(workspace.ben)[-1]
    workspace.wait_until_settled(workspace.submit("ben", form, {"reason": "wrong", "correction": RIGHT}))

    yield modal(workspace, "review", "ada", lambda: workspace.slash("ada", "maintenance", "/journeyman", "review"))
    queue = workspace.views(workspace.ada)[-1]
    yield modal(workspace, "judge", "ada", lambda: workspace.press("ada", queue, "review_open"))
    judge = workspace.views(workspace.ada)[-1]
    workspace.wait_until_settled(workspace.submit("ada", judge, values_of(judge)))
    again = ask(workspace, CHUTE)
    answered(workspace, again)
    yield thread(workspace, "verified", again)

    workspace.slash("ben", "maintenance", "/ask", "what torque do the M24 die bolts get?")
    shared = lambda: [m for m in workspace.ephemerals(workspace.ben) if "share_answer" in json.dumps(m.blocks)]  # noqa: E731
    private = workspace.wait_for(shared, PATIENCE)[0]
    yield {"name": "private", "kind": "thread", "title": "maintenance", "messages": [as_dict(workspace, private)]}

    yield modal(workspace, "channel", "ada", lambda: workspace.slash("ada", "maintenance", "/journeyman", "channel"))
    workspace.slash("ada", "maintenance", "/reindex", "all --dry-run")
    done = workspace.wait_for(lambda: run_messages(workspace), PATIENCE)
    yield {"name": "reindex", "kind": "thread", "title": "maintenance", "messages": [as_dict(workspace, done[-1])]}
    yield home(workspace)


def ask(workspace: Workspace, text: str) -> Message:
    """Ada asks by mention."""
    return workspace.post("ada", "maintenance", f"{workspace.mention} {text}")


def answered(workspace: Workspace, root: Message, count: int = 1) -> Message:
    """The finished answer: it has buttons."""

    def finished() -> list[Message]:
        kinds = ("context_actions", "actions")
        return [m for m in workspace.replies_by_app(root) if any(b["type"] in kinds for b in m.blocks)][count - 1 :]

    return workspace.wait_for(finished, PATIENCE)[0]


def press_first(workspace: Workspace, message: Message, prefix: str) -> None:
    """Ada presses the first button with this action."""
    buttons = [block["accessory"] for block in message.blocks if "accessory" in block]
    found = next(button["action_id"] for button in buttons if button["action_id"].startswith(prefix))
    workspace.press("ada", message, found)


def complain(workspace: Workspace, message: Message) -> None:
    """Where a thumb down opened no form by itself, the button in the reply to it does."""
    if not workspace.views(workspace.ben):
        told = workspace.wait_for(lambda: workspace.views(workspace.ben) or workspace.ephemerals(workspace.ben))
        if isinstance(told[-1], Message):
            workspace.press("ben", told[-1], "complain")


def values_of(view: View) -> dict[str, str]:
    """What stands in a form's fields already."""
    fields = [block for block in view.blocks if block["type"] == "input"]
    return {block["block_id"]: block["element"].get("initial_value", "") for block in fields}


def run_messages(workspace: Workspace) -> list[Message]:
    """What the bot said about a run of the index that is over: there is nothing to cancel."""
    found = [m for m in workspace.messages("maintenance") if m.bot_id and "Dry run" in visible_text(m)]
    return [m for m in found if all(block["type"] != "actions" for block in m.blocks)]


def modal(workspace: Workspace, name: str, person: str, open_it: Callable[[], object]) -> Scene:
    """A modal that something opens."""
    someone = workspace.state.person(person)
    before = {view.id for view in workspace.views(someone)}
    open_it()
    view = workspace.wait_for(lambda: [v for v in workspace.views(someone) if v.id not in before], PATIENCE)[-1]
    return {"name": name, "kind": "modal", "view": view.source}


def home(workspace: Workspace) -> Scene:
    """The Home tab of an admin, with its pictures."""
    workspace.open_home("ada")
    view = workspace.wait_for(lambda: workspace.home(workspace.ada), PATIENCE)
    files = {
        name: "data:image/png;base64," + base64.b64encode(file["content"]).decode()
        for name, file in workspace.state.uploads.items()
        if file.get("content")
    }
    return {"name": "home", "kind": "home", "view": view.source, "files": files}


def thread(workspace: Workspace, name: str, root: Message) -> Scene:
    """A conversation."""
    messages = [as_dict(workspace, message) for message in [root, *workspace.thread(root)]]
    return {"name": name, "kind": "thread", "title": "maintenance", "messages": messages}


def as_dict(workspace: Workspace, message: Message) -> dict[str, Any]:
    """What is drawn of a message. A streamed text is Markdown, a posted one mrkdwn."""
    person = workspace.state.people[message.user]
    streamed, blocks = message.stream is not None, message.blocks if person.is_bot else []
    return {
        "name": "Journeyman" if person.is_bot else person.real_name,
        "app": person.is_bot,
        "only_you": message.ephemeral_to is not None,
        "ts": message.ts,
        "text": message.text if streamed or not blocks else "",
        "markdown": streamed,
        "tasks": list(message.stream.tasks.values()) if message.stream else [],
        "blocks": blocks,
    }


def names(workspace: Workspace) -> dict[str, str]:
    """How ids read: people and channels."""
    people = {
        person.id: "Journeyman" if person.is_bot else person.real_name for person in workspace.state.people.values()
    }
    return people | {channel.id: channel.name for channel in workspace.state.channels.values()}


if __name__ == "__main__":
    main()
