"""Keeps the children of `journeyman up` alive, and ends them in order.

Says on standard error what it does.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between a child's end and its next start, doubling
STABLE_SECONDS = 60.0  # a child that ran for so long starts again without a pause worth the name
STOP_SECONDS = 25.0  # a worker may finish the document that it is at
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Child:
    """One command that must keep running."""

    name: str
    command: Sequence[str]
    log: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0  # when to start it, on the monotonic clock


def supervise(
    commands: Mapping[str, Sequence[str]],
    stop: threading.Event,
    say: Callable[[str], None],
    log: Path | None = None,
) -> None:
    """Run the commands until `stop` is set, then end them, the last one first; returns when none is left.

    A child that ends is started again, after a pause that doubles from 1 s up to a minute while it keeps
    failing. What the children write goes to `log`, or where our own output goes.
    """
    children = [Child(name, command, log) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for child in children:
                tend(child, say)
            stop.wait(0.2)
    finally:
        for child in reversed(children):
            end(child, say)


def tend(child: Child, say: Callable[[str], None]) -> None:
    """Start the child when it is due; notice when it has ended."""
    now = time.monotonic()
    if child.process is None:
        if now >= child.due:
            child.process, child.started = launch(child), now
        return
    code = child.process.poll()
    if code is None:
        return
    pause = FIRST_PAUSE if now - child.started > STABLE_SECONDS else child.pause
    say(f"The {child.name} ended ({describe_exit(code)}); it starts again in {pause:.0f} s.")
    child.process, child.due, child.pause = None, now + pause, min(pause * 2, LONGEST_PAUSE)


def launch(child: Child) -> "subprocess.Popen[bytes]":
    """Start the child in a process group of its own: Ctrl-C reaches us alone, and we end the children in order."""
    with child.log.open("ab") if child.log else nullcontext() as log:
        return subprocess.Popen(child.command, process_group=0, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def end(child: Child, say: Callable[[str], None], *, patience: float = STOP_SECONDS) -> None:
    """End the child: SIGTERM, and SIGKILL to whatever is left of its group when it takes too long."""
    process = child.process
    if process is None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        say(f"The {child.name} does not end; it is killed.")
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    child.process = None


def describe_exit(code: int) -> str:
    """A return code in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def end_with_parent(parent: int) -> None:
    """In a child: have the kernel send us SIGTERM when `parent` ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)
