"""`journeyman up` on a terminal without Slack: the example, then a conversation, then nothing is left."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from journeyman.servers.stack import Stack
from tests.finetune.model_server import model_server
from tests.journeyman.conftest import ROOT


class Terminal:
    """A person at a terminal: reads what appears there and types."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.seen = descriptor, ""
        os.set_blocking(descriptor, False)

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        """Until `text` appears after what was waited for before."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            try:
                self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.05)
        self.seen = self.seen.split(text, 1)[1]

    def type(self, line: str) -> None:
        """A line and the return key."""
        os.write(self.descriptor, line.encode() + b"\r")


@contextmanager
def at_a_terminal(
    command: list[str], environment: dict[str, str]
) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """The command with a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(ours), process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """An example like examples/, but small."""
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "pump.md").write_text("# Pump\n\nThe pump is blue and stands in hall 3.\n")
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "first.txt").write_text("Where does the blue pump stand?\n")
    return tmp_path


@pytest.mark.slow
def test_the_example_then_a_conversation(
    environment: dict[str, str], company: Path, stack: Stack, database: str
) -> None:
    """What `make run` does: index, ask the first questions, then let the person ask, judge, and leave."""
    up = [sys.executable, "-m", "journeyman", "up", "--demo", str(company)]
    with model_server() as url:
        own = {"JOURNEYMAN_MODEL_URL": url, "JOURNEYMAN_REDIS_URL": stack.redis_url.replace("db=0", "db=8")}
        variables = environment | own | {"JOURNEYMAN_MODEL": "test", "TERM": "dumb", "COLUMNS": "200"}
        with at_a_terminal(up, variables) as (terminal, process):
            terminal.wait_for("1 new")
            terminal.wait_for("Where does the blue pump stand?")
            terminal.wait_for("[1] Pump (pump.md)")
            terminal.wait_for("ask> ")
            terminal.type("What colour is the pump?")
            terminal.wait_for("[1] Pump (pump.md)")
            terminal.wait_for("ask> ")
            terminal.type("+")
            terminal.wait_for("Noted")
            terminal.type(":quit")
            assert process.wait(60) == 0
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT state FROM answer ORDER BY asked_at").fetchall() == [("answered",)] * 2
        votes = conn.execute("SELECT question, vote FROM feedback JOIN answer ON id = answer_id").fetchall()
    assert votes == [("What colour is the pump?", 1)]


@pytest.mark.slow
def test_without_a_terminal_the_example_ends_by_itself(
    environment: dict[str, str], company: Path, database: str
) -> None:
    """`make run` must not hang where nobody can type; a second start indexes nothing that did not change."""
    up = [sys.executable, "-m", "journeyman", "up", "--demo", str(company)]
    with model_server() as url:
        variables = environment | {"JOURNEYMAN_MODEL_URL": url, "JOURNEYMAN_MODEL": "test"}
        first, second = (
            subprocess.run(
                up, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200
            )
            for _ in range(2)
        )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "[1] Pump (pump.md)" in first.stdout
    assert "1 new" in first.stderr
    assert "1 unchanged" in second.stderr
    assert "embedded" not in second.stderr
