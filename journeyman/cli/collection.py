"""`journeyman collection`: collections, and whom they are for."""

from dataclasses import asdict

import click

from bot.admin import audit
from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, check_collections, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json
from journeyman.composition import application
from journeyman.errors import WrongInput
from retrieval.collections import WrongAudience, list_audiences, principal, set_audience


@click.group()
@common_options
def collection() -> None:
    """Collections of documents, and who may be answered from them.

    \b
    Example:
      journeyman collection list
      journeyman collection audience hr --set group:S0123ABCD
    """


@collection.command("list")
@json_option
@common_options
@pass_invocation
def list_(invocation: Invocation, as_json: bool) -> None:
    """Show the collections with their audiences.

    \b
    Example:
      journeyman collection list
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        collections = list_audiences(conn)
    if as_json:
        print_json([asdict(row) for row in collections])
        return
    for row in collections:
        click.echo(f"{row.name}: {row.documents} documents, for {', '.join(row.people) or 'nobody'}")
    if not collections:
        note("There are no collections. `journeyman index PATH --collection NAME` makes one.")


@collection.command()
@click.argument("name", metavar="NAME")
@click.option("--set", "replaced", multiple=True, metavar="WHO", help="For these and nobody else; may be repeated.")
@click.option("--add", multiple=True, metavar="WHO", help="For these, too; may be repeated.")
@click.option("--remove", multiple=True, metavar="WHO", help="Not for these any more; may be repeated.")
@common_options
@pass_invocation
def audience(
    invocation: Invocation, name: str, replaced: tuple[str, ...], add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    """Say whom a collection is for: everyone (the members of the workspace), anyone (guests, too), a person (U…), a
    user group (S…) or a channel (C…). In a channel only what all of its members may read is used.

    \b
    Example:
      journeyman collection audience hr --set S0123ABCD --add U0456EFGH
      journeyman collection audience hr --set everyone
    """
    if not (replaced or add or remove):
        raise click.UsageError("Say for whom: --set, --add or --remove.")
    try:
        sets, adds, removes = ({principal(who) for who in option} for option in (replaced, add, remove))
    except WrongAudience as error:
        raise WrongInput(str(error)) from error
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        check_collections(conn, [name])
        (before,) = (row.audience for row in list_audiences(conn) if row.name == name)
        after = ((sets or set(before)) | adds) - removes
        set_audience(conn, name, after)
        audit.record(conn, PERSON, "collection audience", detail={"collection": name, "audience": sorted(after)})
    note(f"{name} is for {', '.join(sorted(after)) or 'nobody'} from the next question on.")
