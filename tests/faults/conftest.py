"""Services as processes, with a Redis of their own that a test may stop and empty."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from journeyman.servers.embedded_redis import EmbeddedRedis

ROOT = Path(__file__).parents[2]
PATIENCE = 900.0  # seconds until a test gives up: not how long anything takes, but on a busy machine everything does


class Services:
    """Workers and beats on a database and a Redis; what they say is in `log`."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.database_url, self.log = folder, database_url, folder / "services.log"
        self.redis = EmbeddedRedis(folder / "redis", folder, folder / "redis.log")
        self.redis.start()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, home: Path | None = None, **variables: str) -> "subprocess.Popen[bytes]":
        """A command of Journeyman, in a session of its own, so that its children are killed with it."""
        environment = os.environ | {
            "JOURNEYMAN_DATABASE_URL": self.database_url,
            "JOURNEYMAN_REDIS_URL": self.redis.url,
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        home = home or self.folder / f"home-{len(self._processes)}"
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "journeyman", "--home", str(home), *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """kill -9 of the process and of its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def lose_redis(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        """Redis is killed, away for so long, and back without anything it knew."""
        self.redis.stop()
        shutil.rmtree(self.folder / "redis")
        until = time.monotonic() + seconds
        meanwhile()
        time.sleep(max(0.0, until - time.monotonic()))
        self.redis.start()

    def end(self) -> None:
        """No process is left."""
        for process in self._processes:
            if process.poll() is None:
                self.kill(process)
        self.redis.stop()

    def connect(self) -> "Connection[Any]":
        """An autocommit connection to the database."""
        return psycopg.connect(self.database_url, autocommit=True)


@pytest.fixture
def services(database: str) -> Iterator[Services]:
    """None is started yet, but for Redis."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-faults-"))
    found = Services(folder, database)
    try:
        yield found
    finally:
        found.end()
        shutil.rmtree(folder)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Until it is true; fails after PATIENCE, when nobody believes in it any more."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.1)


def said(log: Path, event: str, field: str) -> list[Any]:
    """This field of the event's lines; a log that is no terminal is JSON, line by line."""
    lines = log.read_text().splitlines() if log.exists() else []
    found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [line[field] for line in found if line["event"] == event]


def write_documents(folder: Path, count: int) -> Path:
    """So many documents, each with words of its own."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        text = f"# Pump {number}\n\nThe pump P{number} stands in hall {number % 7}. Its valve opens at {number} bar.\n"
        (folder / f"pump-{number:03}.md").write_text(text)
    return folder
