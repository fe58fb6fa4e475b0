"""However pytest ends, what it started ends, too: servers, workers, and the children of those."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PATIENCE = 120.0  # seconds, on a busy machine
# It starts the servers, a process that does not end when asked to, and says who runs and where.
TEST = """
import os, pathlib, subprocess, sys, tempfile, time

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"

def test_something(stack):
    deaf = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True)
    deaf.stdout.readline()
    homes = pathlib.Path(tempfile.gettempdir())
    pids = [int((file).read_text().split()[0]) for file in homes.glob("*/**/*.pid")]
    said = pathlib.Path({said!r})
    said.with_suffix(".new").write_text(" ".join([str(homes), *map(str, pids), str(deaf.pid), str(os.getpid())]))
    said.with_suffix(".new").rename(said)
    time.sleep(600)
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def runs(process: int) -> bool:
    """Whether it exists, and is more than an entry for its parent to read."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGKILL, []), (signal.SIGTERM, ["-n", "1"])],
    ids=["SIGINT", "SIGTERM", "SIGKILL", "SIGTERM of two processes"],
)
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals, options: list[str]) -> None:
    """PostgreSQL, Redis, a process that ignores SIGTERM and the workers of pytest-xdist are gone, and all files."""
    said = tmp_path / "said"
    (tmp_path / "test_it.py").write_text(TEST.replace("{said!r}", repr(str(said))))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    pytest_itself = subprocess.Popen(
        [*command, tmp_path / "test_it.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(said.exists, "the processes run")
    folder, *pids = said.read_text().split()
    assert len(pids) == 4
    assert all(runs(int(pid)) for pid in pids)
    pytest_itself.send_signal(number)
    pytest_itself.wait(PATIENCE)
    wait_for(lambda: not any(runs(int(pid)) for pid in pids), "the end of all of them")
    wait_for(lambda: not Path(folder).exists(), "the end of their files")
