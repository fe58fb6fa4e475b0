"""The supervisor: children are kept alive and ended in order."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from journeyman.servers.supervisor import Child, describe_exit, end, supervise, tend

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Until it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_child_that_dies_is_started_again_and_it_is_said() -> None:
    """After a child's end there is a pause, a line that says so, and a new child."""
    said: list[str] = []
    child = Child("worker", SLEEP)
    tend(child, said.append)
    assert child.process is not None
    first = child.process.pid
    child.process.kill()
    wait_for(lambda: tend(child, said.append) or said)
    assert said == ["The worker ended (killed by SIGKILL); it starts again in 1 s."]
    assert child.process is None
    wait_for(lambda: tend(child, said.append) or child.process)
    assert child.process.pid != first
    end(child, said.append)


def test_a_child_that_keeps_failing_waits_longer_each_time() -> None:
    """The pause doubles up to a minute."""
    child, pauses = Child("bot", [sys.executable, "-c", "raise SystemExit(1)"]), []
    for _ in range(8):
        child.due = 0.0
        said: list[str] = []
        wait_for(lambda said=said: tend(child, said.append) or said)
        pauses.append(said[0].rsplit("in ", 1)[1])
    assert pauses == ["1 s.", "2 s.", "4 s.", "8 s.", "16 s.", "32 s.", "60 s.", "60 s."]


def test_children_end_in_order_and_with_their_groups(tmp_path: Path) -> None:
    """When it is time to stop, the last one started ends first, and no grandchild is left."""
    script = (
        "import os, signal, subprocess, sys, time\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "def end(*_):\n"
        "    open(sys.argv[1] + '/order', 'a').write(sys.argv[2]); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[1] + '/' + sys.argv[2], 'w').write(str(grandchild.pid))\n"
        "time.sleep(600)\n"
    )
    names = ["worker", "beat", "bot"]
    commands = {name: [sys.executable, "-c", script, str(tmp_path), name[:2]] for name in names}
    stop = threading.Event()
    thread = threading.Thread(target=supervise, args=(commands, stop, print))
    thread.start()
    files = [tmp_path / name[:2] for name in names]
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    stop.set()
    thread.join(30)
    assert (tmp_path / "order").read_text() == "bobewo"
    wait_for(lambda: all(is_gone(int(file.read_text())) for file in files))


def test_a_child_that_does_not_end_is_killed() -> None:
    """SIGTERM is a request with a time limit."""
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    said: list[str] = []
    child = Child("worker", [sys.executable, "-c", script])
    tend(child, said.append)
    assert child.process is not None
    pid = child.process.pid
    wait_for(lambda: ignores_sigterm(pid))
    end(child, said.append, patience=0.3)
    assert said == ["The worker does not end; it is killed."]
    assert not Path(f"/proc/{pid}").exists()


def test_exit_codes_in_words() -> None:
    """A signal has a name."""
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-signal.SIGSEGV) == "killed by SIGSEGV"


def is_gone(pid: int) -> bool:
    """Whether the process has ended, or only waits for its end to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ignores_sigterm(pid: int) -> bool:
    """Whether the process has come as far as ignoring SIGTERM."""
    mask = int(Path(f"/proc/{pid}/status").read_text().split("SigIgn:")[1].split()[0], 16)
    return bool(mask & 1 << (signal.SIGTERM - 1)) and os.path.exists(f"/proc/{pid}")
