"""Nothing that the tests started outlives them, however they end: a process beside pytest waits for its end, then ends
what is left of it and deletes its temporary files.

Fixtures end what they start, but nobody runs them after SIGTERM or SIGKILL. What belongs to a run carries its mark
in the environment, which children inherit, or works in its temporary folder: embedded servers get none of ours.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

MARK = "TESTS_OF_JOURNEYMAN"
PATIENCE = 5.0  # seconds in which a process may end by itself before it is killed


def watch() -> Path:
    """Give this run a mark and a temporary folder, and have both swept when this process has ended; returns the folder.

    pytest's own `tmp_path` stays where people look for it after a failure.
    """
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="journeyman-run-"))
    os.environ[MARK] = uuid4().hex
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    subprocess.Popen(
        [sys.executable, "-m", "tests.leftovers", str(os.getpid()), os.environ[MARK], str(folder)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for pytest; this one is still needed then
    )
    return folder


def sweep_after(parent: int, mark: str, folder: Path) -> None:
    """Wait until `parent`, whose child this process is, has ended; then leave nothing of it."""
    while os.getppid() == parent:
        time.sleep(0.3)
    end_all(mark, folder)
    for lock in folder.glob("**/run/start.lock"):  # of each home: the folder of its sockets lies outside
        shutil.rmtree(sockets_of(lock.parent.parent), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def end_all(mark: str, folder: Path) -> None:
    """Ask every process of the run to end, and kill those that have not after a while, and what they started."""
    asked = set[int]()
    deadline = time.monotonic() + PATIENCE
    while left := processes_of(mark, folder):
        late = time.monotonic() > deadline
        for process in left:
            if late or process not in asked:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        time.sleep(0.2)


def processes_of(mark: str, folder: Path) -> set[int]:
    """The process ids of a run, without this one's."""
    found = {int(place.name) for place in Path("/proc").glob("[0-9]*") if belongs(place, mark, folder)}
    return found - {os.getpid()}


def belongs(place: Path, mark: str, folder: Path) -> bool:
    """Whether the process at /proc/<id> carries the mark or works in the folder. One that is ending does not count."""
    try:
        if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
            return (place / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return (place / "cwd").resolve(strict=True).is_relative_to(folder)
    except OSError:  # gone meanwhile, or another user's
        return False


def sockets_of(home: Path) -> Path:
    """Where the servers of a home have their sockets."""
    from journeyman.servers.stack import runtime_folder

    return runtime_folder(home)


if __name__ == "__main__":
    sweep_after(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
