"""torch, transformers and peft from outside: whether they are installed, and keeping them off the console."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from logging import getLogger
from typing import Any

from finetune.errors import ModelUnusable


def require_libraries() -> None:
    """Raise ModelUnusable where the package was installed without its `model` extra."""
    if not all(find_spec(name) for name in ("torch", "transformers", "accelerate", "gguf", "bitsandbytes", "peft")):
        raise ModelUnusable(
            "The model's libraries are missing: install `journeyman[model]`, "
            "or name a model server in JOURNEYMAN_MODEL_URL."
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence progress bars, log lines and warnings inside the block, then put every setting back."""
    from transformers.utils import logging as library

    logging: Any = library
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    # When it is imported on a CPU with AVX512-BF16, it looks for a kernel of the hub and warns that it does without.
    bitsandbytes = getLogger("bitsandbytes")
    level = bitsandbytes.level
    bitsandbytes.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        bitsandbytes.setLevel(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """What a library says went wrong, without the pages that follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
