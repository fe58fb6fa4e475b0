"""Facts about processes that may be another's children, read from /proc: a pid file alone proves nothing."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def is_running(pid: int, name: str, argument: str = "") -> bool:
    """Whether `pid` is alive, is called `name` and has `argument` in its command line; a zombie is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    comm, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    return comm == name[:15] and state not in "ZX" and os.fsencode(argument) in command_line


def read_pid(file: Path) -> int | None:
    """The number in the first line of a pid file; None when there is no such file or number."""
    try:
        return int(file.read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None


def stop(pid: int, name: str, *, gently: signal.Signals, seconds: float, firmly: signal.Signals) -> None:
    """End a process: `gently`, or `firmly` if it is still there after `seconds`. Returns when it is gone."""
    for sign, patience in ((gently, seconds), (firmly, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_running(pid, name):
                return
            time.sleep(0.02)
