"""The commands of an administrator, with the words of `/journeyman`: status, reindex, export, admins, model, slack."""

import sys
from pathlib import Path

import click

from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import (
    describe_run,
    describe_status,
    index_progress,
    note,
    output_kept_clean,
    print_json,
)


@click.command()
@json_option
@common_options
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> None:
    """Show what was answered in the last 24 hours, what is indexed, which work is under way, and what is due when.

    \b
    Example:
      journeyman status
    """
    from dataclasses import asdict

    from bot.admin.status import read_status
    from journeyman.composition import application

    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        found, model, schedule = read_status(conn), app.model_state(), app.schedule()
    if as_json:
        print_json(asdict(found) | {"schedule": schedule, "model": asdict(model)})
    else:
        click.echo(describe_status(found, model, schedule))


@click.command()
@click.argument("target", default="all", metavar="[TARGET]")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--force", is_flag=True, help="Embed again what has not changed, too.")
@json_option
@common_options
@pass_invocation
def reindex(invocation: Invocation, target: str, dry_run: bool, force: bool, as_json: bool) -> int:
    """Index anew what is registered: all of it, a collection, or a document by its name, path or URL.

    Only one run of a collection goes on at a time, be it from here or from Slack's /reindex.

    \b
    Example:
      journeyman reindex maintenance --dry-run
    """
    from dataclasses import asdict

    from jobs.rows import cancel_job
    from journeyman.composition import application
    from journeyman.errors import WrongInput
    from retrieval.indexing.reindexing import find_target, known_collections, request_run

    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app, app.connect() as conn, index_progress() as progress:
        found = find_target(conn, target)
        if found is None:
            there = ", ".join(known_collections(conn)) or "none yet; `journeyman index PATH` adds documents"
            raise WrongInput(f"There is no collection or document named {target!r}. Collections: {there}.")
        run = request_run(conn, found, started_by=PERSON, force=force, dry_run=dry_run)
        try:
            ended = app.reindex(conn, run.id, progress) or run
        except (KeyboardInterrupt, SystemExit):
            cancel_job(conn, run.id, PERSON)
            raise
    if as_json:
        print_json(asdict(ended) | ended.counts)  # each count by its own name, as scripts read them
    else:
        click.echo(describe_run(ended))
    return 0 if ended.state == "done" else 1


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
    from bot.admin.export import export_lines
    from journeyman.composition import application

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


@click.command()
@click.argument("action", default="list", type=click.Choice(["list", "add", "remove"]))
@click.argument("member", required=False, metavar="[ID]")
@json_option
@common_options
@pass_invocation
def admins(invocation: Invocation, action: str, member: str | None, as_json: bool) -> None:
    """Show who may administer the bot in Slack, add one, or remove one, by the id of a person or a user group.

    \b
    Example:
      journeyman admins
      journeyman admins add U012AB3CD
    """
    from dataclasses import asdict

    from bot.admin import audit
    from bot.admin.authorization import add_admin, configure_admins, list_admins, read_member, remove_admin
    from journeyman.composition import application
    from journeyman.errors import WrongInput

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
        found = list_admins(conn)
    if as_json:
        print_json([asdict(admin) for admin in found])
        return
    for admin in found:
        click.echo(f"{admin.member}  {'JOURNEYMAN_ADMINS' if admin.configured else f'added by {admin.added_by}'}")
    if not found:
        note("There are none. `journeyman admins add ID` names the first one.")


@click.group()
@common_options
def slack() -> None:
    """What the Slack app needs.

    \b
    Example:
      journeyman slack manifest
    """


@slack.command()
@click.option("--url", metavar="URL", help="Your public address: events come there over HTTP, not over Socket Mode.")
@common_options
def manifest(url: str | None) -> None:
    """Print the app's manifest: paste it at https://api.slack.com/apps when you create the app.

    \b
    Example:
      journeyman slack manifest
      journeyman slack manifest --url https://journeyman.example.com
    """
    from journeyman.slack_manifest import manifest_text

    sys.stdout.write(manifest_text(url))
