"""An answer as it is seen in the terminal: what is being done, then the text as it comes, then its sources."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console

from journeyman.cli.terminal import printable
from retrieval.answering.answer import Done, Event, Reading, Searching, Source, Text


def describe_sources(sources: "Sequence[Source]") -> str:
    """The sources of an answer, a line each."""
    lines = []
    for source in sources:
        heading = f" › {source.heading}" if source.heading else ""
        place = source.url or source.document
        lines.append(printable(f"[{source.number}] {source.title}{heading} ({place})"))
    return "\n".join(lines)


@contextmanager
def answer_display() -> "Iterator[Callable[[Event], None]]":
    """Shows an answer as it comes: what is being done on standard error, the text on standard output.

    Text is shown piece by piece on a terminal, and at once where standard output is none.
    """
    console = Console(stderr=True)
    streaming = sys.stdout.isatty()
    status = console.status("Preparing the model")

    def show(event: "Event") -> None:
        if isinstance(event, Searching):
            status.update("Searching")
        elif isinstance(event, Reading):
            status.update(f"Reading {len(event.passages)} passages")
        elif isinstance(event, Text) and streaming:
            status.stop()
            click.echo(printable(event.text), nl=False)
        elif isinstance(event, Done):
            status.stop()
            click.echo("" if streaming else printable(event.answer.text))
            if event.answer.sources:
                click.echo("\n" + describe_sources(event.answer.sources))

    if console.is_terminal:
        status.start()
    try:
        yield show
    finally:
        status.stop()
