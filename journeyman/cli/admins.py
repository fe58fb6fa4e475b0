"""`journeyman admins`: who may administer the bot in Slack."""

from dataclasses import asdict

import click

from bot.admin import audit
from bot.admin.authorization import add_admin, configure_admins, list_admins, read_member, remove_admin
from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json
from journeyman.composition import application
from journeyman.errors import WrongInput


@click.command()
@click.argument("action", default="list", type=click.Choice(["list", "add", "remove"]))
@click.argument("member", required=False, metavar="[ID]")
@json_option
@common_options
@pass_invocation
def admins(invocation: Invocation, action: str, member: str | None, as_json: bool) -> None:
    """Show who may administer the bot in Slack, add one, or remove one, by the id of a person or a group.

    \b
    Example:
      journeyman admins
      journeyman admins add U012AB3CD
    """
    settings = invocation.settings()
    if action != "list" and (member is None or read_member(member) is None):
        raise click.UsageError("It takes the id of a person (U…) or of a user group (S…), which their profile shows.")
    with output_kept_clean(), application(settings) as app, app.connect() as conn:
        configure_admins(conn, settings.admins)
        if member is not None:
            audit.record(conn, PERSON, f"admins {action}", detail={"member": member})
        if action == "add" and member is not None:
            add_admin(conn, member, PERSON)
        elif action == "remove" and member is not None:
            removal = remove_admin(conn, member)
            if removal == "configured":
                raise WrongInput(f"{member} is named by JOURNEYMAN_ADMINS: take it away there.")
            if removal == "unknown":
                raise WrongInput(f"{member} is not an admin.")
            if removal == "last":
                raise WrongInput(f"{member} is the only admin: add another one first.")
        members = list_admins(conn)
    if as_json:
        print_json([asdict(admin) for admin in members])
        return
    for admin in members:
        click.echo(f"{admin.member}  {'JOURNEYMAN_ADMINS' if admin.configured else f'added by {admin.added_by}'}")
    if not members:
        note("There are none. `journeyman admins add ID` names the first one.")
