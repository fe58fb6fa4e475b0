"""What is seen of a command: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from journeyman.errors import WrongInput

CONTROL_CHARACTERS = dict.fromkeys([*range(0x00, 0x09), 0x0B, 0x0C, *range(0x0D, 0x20), *range(0x7F, 0xA0)])


def printable(text: str) -> str:
    """Text of a document without control characters, which could drive the reader's terminal."""
    return text.translate(CONTROL_CHARACTERS)


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """The one document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


@contextmanager
def output_kept_clean(wanted: bool = True) -> Iterator[None]:
    """Send what libraries print to standard error for as long as the context lasts."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress_bars(unit: str) -> Iterator[Progress]:
    """Bars on standard error; nothing where that is no terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield bars


@contextmanager
def working(text: str) -> "Iterator[Callable[[str], None]]":
    """A line on standard error that says what is being done and shows that it goes on; nothing where that is no
    terminal.
    """
    console = Console(stderr=True)
    status = console.status(text)
    if console.is_terminal:
        status.start()
    try:
        yield lambda step: status.update(step)
    finally:
        status.stop()


def write_chart(path: Path, chart: bytes | None) -> None:
    """The picture as a file. Raises WrongInput where there is none, or the file cannot be written."""
    if chart is None:
        raise WrongInput("There is no picture, because matplotlib was not installed: pip install 'journeyman[charts]'.")
    try:
        path.write_bytes(chart)
    except OSError as error:
        raise WrongInput(f"{path} cannot be written ({error.strerror}): check the path.") from error
