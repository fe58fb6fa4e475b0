"""`python -m finetune.training [--watched] FOLDER`: the process of a training run.

With `--watched` it is told on its standard input to `wait` and to `go` on, and the end of that means that whoever
started it is gone. Without, it may be one of several that `accelerate launch` starts.
"""

import os
import sys
import threading
from pathlib import Path

from finetune.errors import ModelUnusable
from finetune.training.spec import TrainingFailed


def main(folder: Path, *, watched: bool) -> int:
    """The exit code: 0 with an adapter, 1 with a reason on standard error."""
    free = threading.Event()
    free.set()
    if watched:
        threading.Thread(target=_listen, args=(free,), name="parent", daemon=True).start()
    # The libraries take seconds to load, in which the end of whoever started this must be heard already.
    from finetune.training.run import train

    def wait() -> None:
        free.wait()

    try:
        train(folder, wait)
    except (TrainingFailed, ModelUnusable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def explain(error: Exception) -> str | None:
    """What hinders a run that it can do nothing about; None for a defect of ours."""
    kind, text = type(error).__name__, str(error)
    if kind == "OutOfMemoryError":
        return "The GPU has too little memory for this: try --quantize 4bit or a lower --rank."
    # A full disk: what is in the way of Python, of safetensors, and of torch.
    if isinstance(error, OSError) or kind == "SafetensorError" or "PytorchStreamWriter" in text:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else text.splitlines()[0]
        return f"The adapter could not be written: {reason}. What was trained so far is kept; make room and ask again."
    return None


def _listen(free: threading.Event) -> None:
    """Has the run wait and go on as its input says, and ends this process at the end of that."""
    for line in sys.stdin:
        if line.strip() == "wait":
            free.clear()
        else:
            free.set()
    os._exit(3)  # what comes after us goes on from the last checkpoint


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1]), watched="--watched" in sys.argv[1:]))
