"""`journeyman export`: all questions, answers and votes as JSON lines."""

from pathlib import Path

import click

from bot.admin.export import export_lines
from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.terminal import note
from journeyman.composition import application


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of stdout.")
@common_options
@pass_invocation
def export(invocation: Invocation, output: Path | None) -> None:
    """Write all questions, answers and votes as JSON lines, oldest first.

    \b
    Example:
      journeyman export > questions.jsonl
    """
    count = 0
    with (
        application(invocation.settings()) as app,
        app.connect() as conn,
        click.open_file(str(output) if output else "-", "w", encoding="utf-8") as file,
    ):
        for line in export_lines(conn):
            file.write(line + "\n")
            count += 1
    note(f"{count} questions.")
