"""Backups: make one beside everything that runs, and put one back."""

from pathlib import Path

import click

from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, print_json, working


@click.command()
@click.argument("into", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@json_option
@common_options
@pass_invocation
def backup(invocation: Invocation, into: Path, as_json: bool) -> None:
    """Write questions, answers, votes, documents, settings of channels and adapters into a new folder in FOLDER.

    Bots and workers may go on meanwhile. The folder holds all that people wrote: keep it as safe as the database.

    \b
    Example:
      journeyman backup /mnt/backups
    """
    from dataclasses import asdict

    from journeyman.backup import make_backup, read_backup
    from journeyman.composition import application

    with working("Starting") as tell, application(invocation.settings()) as app:
        folder = make_backup(app.stack.database_url, app.home, into, tell)
        made = read_backup(folder)
    if as_json:
        print_json({"folder": str(folder)} | asdict(made))
    else:
        click.echo(folder)
        note(f"{made.rows['answer']} answers, {made.rows['feedback']} votes, {made.rows['document']} documents.")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="BACKUP")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def restore(invocation: Invocation, folder: Path, yes: bool) -> None:
    """Put a backup in the place of all that the database holds now. Stop the bot, the workers and beat first.

    What the database held is backed up before, into the home's `backups`, so that a restore can be undone.

    \b
    Example:
      journeyman restore /mnt/backups/journeyman-2026-11-23T080000Z
    """
    from journeyman.backup import SAFETY, make_backup, read_backup, restore_backup
    from journeyman.composition import application

    found = read_backup(folder)
    if not yes:
        click.confirm(
            f"Replace all that the database holds by the backup of {found.made_at} "
            f"({found.rows['answer']} answers, {found.rows['document']} documents)?",
            abort=True,
            err=True,
        )
    with working("Starting") as tell, application(invocation.settings()) as app:
        url = app.stack.database_url
        undo = make_backup(url, app.home, app.home / "backups" / SAFETY, tell)
        restore_backup(folder, found, url, app.home, tell)
        app.migrate()
    note(f"Restored the backup of {found.made_at}. To undo it: journeyman restore {undo}")
