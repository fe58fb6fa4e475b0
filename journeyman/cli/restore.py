"""`journeyman restore`: a backup put in the place of all that the database holds."""

from pathlib import Path

import click

from journeyman.backup import SAFETY, make_backup, read_backup, restore_backup
from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.terminal import note, working
from journeyman.composition import application, update_schema


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
    contents = read_backup(folder)
    if not yes:
        click.confirm(
            f"Replace all that the database holds by the backup of {contents.made_at} "
            f"({contents.rows['answer']} answers, {contents.rows['document']} documents)?",
            abort=True,
            err=True,
        )
    with working("Starting") as tell, application(invocation.settings()) as app:
        url = app.stack.database_url
        undo = make_backup(url, app.home, app.home / "backups" / SAFETY, tell)
        restore_backup(folder, contents, url, app.home, tell)
        update_schema(app.stack)
    note(f"Restored the backup of {contents.made_at}. To undo it: journeyman restore {undo}")
