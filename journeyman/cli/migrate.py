"""`journeyman migrate`: the database's schema brought up to date."""

import click

from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json
from journeyman.composition import running_servers, update_schema


@click.command()
@json_option
@common_options
@pass_invocation
def migrate(invocation: Invocation, as_json: bool) -> None:
    """Bring the database's schema up to date. The other commands do so by themselves.

    \b
    Example:
      JOURNEYMAN_DATABASE_URL=postgresql://db.example/journeyman journeyman migrate
    """
    with output_kept_clean(), running_servers(invocation.settings()) as app:
        applied = update_schema(app.stack)
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo("\n".join(f"Applied {name}" for name in applied) or "The schema is up to date.")
