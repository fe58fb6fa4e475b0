"""Keeps transformers, peft and tqdm off the console while a model is loaded; errors rise as exceptions."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence progress bars, log lines and warnings inside the block, then put every setting back."""
    from transformers.utils import logging as library

    logging: Any = library
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def quiet_console() -> Iterator[None]:
    """As `quiet_transformers`, and drop what is written to the standard streams (GGUF's own progress bar)."""
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        quiet_transformers(),
    ):
        yield
