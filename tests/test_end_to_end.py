"""The whole of it as people use it: `journeyman up` as a process, the default model, and a conversation in Slack."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from journeyman.servers.stack import running_stack
from tests.slack_workspace import Workspace
from tests.slack_workspace.fixtures import workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

__all__ = ["workspace"]

EXAMPLES = Path(__file__).parent.parent / "examples"
START_SECONDS, ANSWER_SECONDS = 240.0, 180.0  # the first start builds the model; both on a busy machine


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the test's own, not in pytest's folder: root's PostgreSQL runs as a user who may not go there."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-end-"))
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_a_mention_to_a_cited_answer_and_a_thumb(workspace: Workspace, home: Path) -> None:
    """Ask by mention, read a cited answer in the thread, go on asking there, press a thumb, find it all in the rows."""
    journeyman(home, ["index", str(EXAMPLES / "company")])
    with running(home, ["up"], workspace.environment()) as log:
        connected(workspace, log)
        question = workspace.post("ada", "maintenance", f"{workspace.mention} What does alarm A204 mean?")
        answer = answered(workspace, question, log)
        assert answer.thread_ts == question.ts
        assert "[1]" in visible_text(answer)
        assert "A204" in visible_text(answer)
        follow_up = workspace.post("ben", "maintenance", "And what should I do about it?", thread_ts=question.ts)
        answered(workspace, follow_up, log, count=2)
        workspace.press("ada", answer, "answer_feedback", "negative")
        workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))
    with running_stack(home) as stack, psycopg.connect(stack.database_url) as conn:
        first, second = conn.execute(
            "SELECT state, question_ts, answer_ts, prompt <> '', jsonb_array_length(passages) > 0, history "
            "FROM answer ORDER BY asked_at"
        ).fetchall()
        votes = conn.execute("SELECT person, vote FROM feedback").fetchall()
    assert first == ("answered", question.ts, answer.ts, True, True, [])
    assert second[0] in ("answered", "abstained")
    assert [turn["role"] for turn in second[5]] == ["user", "assistant"]
    assert votes == [(workspace.ada.id, -1)]


def journeyman(home: Path, arguments: Sequence[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command(home, arguments), env=environment({}), cwd=home.parent, check=True, timeout=START_SECONDS)


@contextmanager
def running(home: Path, arguments: Sequence[str], settings: dict[str, str]) -> Iterator[Path]:
    """A command in the background, and the file with what it says; it must end by itself on SIGTERM."""
    log = home.parent / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            command(home, arguments),
            env=environment(settings),
            cwd=home.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def command(home: Path, arguments: Sequence[str]) -> list[str]:
    """`journeyman` from this environment, with a home of the test's own."""
    return [sys.executable, "-m", "journeyman", "--home", str(home), *arguments]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Nobody's settings but the test's, and one thread for each model beside the other tests."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYMAN_", "SLACK_"))}
    return ours | settings | {"JOURNEYMAN_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def connected(workspace: Workspace, log: Path) -> None:
    """Wait for the bot's connection."""
    _wait(workspace, lambda: workspace.connections > 0, START_SECONDS, log)


def answered(workspace: Workspace, root: Message, log: Path, count: int = 1) -> Message:
    """Wait for a finished answer: one with thumbs."""

    def finished() -> list[Message]:
        replies = workspace.replies_by_app(root)
        return [m for m in replies if any(block["type"] == "context_actions" for block in m.blocks)][count - 1 :]

    found: list[Message] = _wait(workspace, finished, ANSWER_SECONDS, log)
    return found[0]


def _wait(workspace: Workspace, seen: Any, seconds: float, log: Path) -> Any:
    try:
        return workspace.wait_for(seen, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"{error}\nThe process said:\n{log.read_text()[-4000:]}") from None
