"""The folder of a training run: what lies in it, its progress line by line, and files that are whole or not there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.files import WEIGHTS
from finetune.training.spec import Step

SPEC, PROGRESS, CHECKPOINTS, ADAPTER, RESULT = "spec.json", "progress.jsonl", "checkpoints", "adapter", "result.json"


def read_progress(folder: Path) -> list[Step]:
    """The steps of a run so far, up to the first line that is not whole."""
    file, steps = folder / PROGRESS, []
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        try:
            steps.append(Step(**json.loads(line)))
        except (ValueError, TypeError):
            break
    return steps


def add_step(folder: Path, step: Step) -> None:
    """Writes a step behind those before it."""
    with (folder / PROGRESS).open("a", encoding="utf-8") as stream:
        stream.write(_line(step))


def keep_steps(folder: Path, last: int) -> None:
    """Forgets the steps after the one with the number `last`."""
    lines = [_line(step) for step in read_progress(folder) if step.step <= last]
    write_whole(folder / PROGRESS, "".join(lines))


def is_whole(checkpoint: Path, processes: int) -> bool:
    """Whether so many processes can go on from it. The trainer writes its state last, but not aside; the optimizer's is
    `optimizer.pt`, or under FSDP `optimizer.bin` or a folder `optimizer_0`.
    """
    try:
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return any(checkpoint.glob("optimizer[._]*")) and all((checkpoint / name).is_file() for name in _files(processes))


def _files(processes: int) -> Iterator[str]:
    yield from (WEIGHTS, "scheduler.pt")
    yield from ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]


def write_whole(file: Path, text: str) -> None:
    """Writes a file aside, to the disk, and renames it, so that it is there as a whole or not at all."""
    aside = file.with_name(f".{file.name}.writing")
    aside.write_text(text, encoding="utf-8")
    sync(aside)
    aside.rename(file)


def sync(path: Path) -> None:
    """Waits until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _line(step: Step) -> str:
    values: dict[str, Any] = {name: getattr(step, name) for name in ("step", "steps", "loss", "tokens", "seconds")}
    return json.dumps(values) + "\n"
