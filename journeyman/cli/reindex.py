"""`journeyman reindex`: what is registered, indexed anew."""

from dataclasses import asdict

import click

from jobs.rows import cancel_job
from journeyman.cli.asking import PERSON
from journeyman.cli.indexing import describe_index, index_progress
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json
from journeyman.composition import application
from journeyman.errors import WrongInput
from journeyman.indexing import reindex as carry_out
from retrieval.indexing.reindexing import Run, find_target, known_collections, request_run
from retrieval.indexing.tally import IndexReport


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
    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app, app.connect() as conn, index_progress() as progress:
        documents = find_target(conn, target)
        if documents is None:
            choice = ", ".join(known_collections(conn)) or "none yet; `journeyman index PATH` adds documents"
            raise WrongInput(f"There is no collection or document named {target!r}. Collections: {choice}.")
        run = request_run(conn, documents, started_by=PERSON, force=force, dry_run=dry_run)
        try:
            row = carry_out(app.indexing, conn, run.id, progress) or run
        except (KeyboardInterrupt, SystemExit):
            cancel_job(conn, run.id, PERSON)
            raise
    if as_json:
        print_json(asdict(row) | row.counts)  # each count by its own name, as scripts read them
    else:
        click.echo(describe_run(row))
    return 0 if row.state == "done" else 1


def describe_run(run: Run) -> str:
    """How a run that somebody asked for ended."""
    if run.report is not None:
        wrote = "\nNothing was written: this was a dry run." if run.dry_run else ""
        return describe_index(IndexReport(**run.report)) + wrote
    return f"{run.target}: {run.state}" + (f" ({run.error})" if run.error else "")
