"""The process that watches over a training run: it starts it, tells how far it is, lets it wait, and ends it."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from finetune.training.folder import RESULT, SPEC, read_progress
from finetune.training.spec import Step, Trained, TrainingFailed, TrainingSpec

POLL_SECONDS = 0.25
END_SECONDS = 5.0
PROBE_STEPS = 3
KILLS = 3
"""Times that a process of a run may be killed without the run having got further."""
ERRORS = "stderr.txt"
MESSAGE_CHARACTERS = 2000

OnStep = Callable[[Step | None], None]
"""Hears of each step, and of None several times a second while there is none; what it raises ends the process."""


def prepare(folder: Path, spec: TrainingSpec) -> None:
    """Makes the folder of a run, or finds it; one that was begun for another spec is begun anew."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SPEC
    if file.is_file() and TrainingSpec.load(file).digest == spec.digest:
        return
    for leftover in folder.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    aside = file.with_suffix(".writing")
    spec.save(aside)
    aside.rename(file)


def run(
    folder: Path,
    spec: TrainingSpec,
    on_step: OnStep = lambda _: None,
    must_wait: Callable[[], bool] = lambda: False,
    command: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Trained:
    """Carry out a run in a process of its own and wait for it; what was done before is gone on with.

    What `on_step` raises rises. While `must_wait` says so, the process pauses between two steps. `environment` is the
    process's, None for our own. Raises TrainingFailed with the reason.
    """
    prepare(folder, spec)
    command, kills, steps = command or [sys.executable, "-m", "finetune.training", "--watched"], 0, 0
    while not (folder / RESULT).is_file():
        status = _watch(folder, on_step, must_wait, command, environment)
        if (folder / RESULT).is_file():
            break
        if status >= 0:
            raise TrainingFailed(_reason(status, folder / ERRORS))
        # A signal: it goes on from its checkpoint, unless it is killed again and again before it gets any further.
        before, steps = steps, len(read_progress(folder))
        kills = 1 if steps > before else kills + 1
        if kills == KILLS:
            name = signal.Signals(-status).name
            raise TrainingFailed(f"It was killed {KILLS} times ({name}); too little memory? Try --quantize 4bit.")
    return Trained(**json.loads((folder / RESULT).read_text("utf-8")))


def probe(
    folder: Path,
    spec: TrainingSpec,
    on_step: OnStep = lambda _: None,
    must_wait: Callable[[], bool] = lambda: False,
    environment: Mapping[str, str] | None = None,
) -> Trained:
    """What a few steps of the run cost, and how many the whole has. Nothing of them stays; `run` takes them anew."""
    trial = folder.with_name(f".{folder.name}.probe")
    shutil.rmtree(trial, ignore_errors=True)
    try:
        short = replace(spec, max_steps=PROBE_STEPS, checkpoint_steps=PROBE_STEPS + 1)
        return run(trial, short, on_step, must_wait, environment=environment)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _watch(
    folder: Path,
    on_step: OnStep,
    must_wait: Callable[[], bool],
    command: list[str],
    environment: Mapping[str, str] | None,
) -> int:
    """The exit status of a process of the run, with its end."""
    with (folder / ERRORS).open("wb") as stream:
        child = subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # the trainer's own words, which could come behind the reason
            stderr=stream,
            env=environment,
        )
    try:
        _attend(child, folder, on_step, must_wait)
    finally:
        _end(child)
    return child.returncode


def _attend(child: "subprocess.Popen[bytes]", folder: Path, on_step: OnStep, must_wait: Callable[[], bool]) -> None:
    count, waiting = 0, False
    while True:
        ended = child.poll() is not None
        for step in read_progress(folder)[count:]:
            count += 1
            on_step(step)
        if ended:
            return
        on_step(None)
        if must_wait() != waiting:
            waiting = not waiting
            _say(child, "wait" if waiting else "go")
        time.sleep(POLL_SECONDS)


def _say(child: "subprocess.Popen[bytes]", word: str) -> None:
    assert child.stdin is not None  # noqa: S101 - it was opened as a pipe
    with contextlib.suppress(OSError):  # it has just ended
        child.stdin.write(f"{word}\n".encode())
        child.stdin.flush()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Closes the process's input, which makes it end; one that does not end is killed."""
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(OSError):
        child.stdin.close()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _reason(code: int, errors: Path) -> str:
    text = errors.read_text("utf-8", errors="replace").strip()
    last = text.splitlines()[-1] if text else f"it ended with status {code} and said nothing"
    return last[:MESSAGE_CHARACTERS]
