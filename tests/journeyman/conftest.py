"""Commands as processes, on the tests' servers."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from journeyman.servers.stack import Stack

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(stack: Stack, database: str, tmp_path: Path) -> dict[str, str]:
    """An environment in which commands use the tests' servers and a home of their own."""
    return os.environ | {
        "JOURNEYMAN_HOME": str(tmp_path / "home"),
        "JOURNEYMAN_DATABASE_URL": database,
        "JOURNEYMAN_REDIS_URL": stack.redis_url,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def journeyman(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs a command to its end, in an empty folder."""

    def run(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "journeyman", *map(str, arguments)],
            cwd=tmp_path,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )

    return run


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with a good document and a broken one."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "pump.md").write_text("# Pump\n\nThe pump is blue and stands in hall 3.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing of use")
    return folder


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """The error that a failed command told, and nothing else."""
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]
