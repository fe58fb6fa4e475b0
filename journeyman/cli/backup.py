"""`journeyman backup`: all that people wrote and all that was learnt, in one folder."""

from dataclasses import asdict
from pathlib import Path

import click

from journeyman.backup import make_backup, read_backup
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, print_json, working
from journeyman.composition import application


@click.command()
@click.argument("into", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@json_option
@common_options
@pass_invocation
def backup(invocation: Invocation, into: Path, as_json: bool) -> None:
    """Write questions, answers, votes, documents, channel settings and adapters into a new folder in FOLDER.

    Bots and workers may go on meanwhile. The folder holds all that people wrote: keep it as safe as the database.

    \b
    Example:
      journeyman backup /mnt/backups
    """
    with working("Starting") as tell, application(invocation.settings()) as app:
        folder = make_backup(app.stack.database_url, app.home, into, tell)
        contents = read_backup(folder)
    if as_json:
        print_json({"folder": str(folder)} | asdict(contents))
    else:
        click.echo(folder)
        rows = contents.rows
        note(f"{rows['answer']} answers, {rows['feedback']} votes, {rows['document']} documents.")
