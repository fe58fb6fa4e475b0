"""`journeyman index`: folders, files or addresses registered as sources, and what changed in them indexed."""

from dataclasses import asdict

import click

from journeyman.cli.indexing import describe_index, index_progress
from journeyman.cli.options import Invocation, audience_option, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json
from journeyman.composition import application
from journeyman.indexing import index_paths


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--collection", default="default", show_default=True, metavar="NAME", help="Where they belong.")
@audience_option
@json_option
@common_options
@pass_invocation
def index(
    invocation: Invocation, paths: tuple[str, ...], collection: str, audience: tuple[str, ...], as_json: bool
) -> int:
    """Register folders, files or addresses as sources, and index what changed in them.

    Journeyman looks through registered sources again on schedule, as long as `journeyman up` runs. A document
    that cannot be read is reported, and the others go on. `journeyman source add` has more to set.

    \b
    Example:
      journeyman index manuals/ alarms.csv --collection maintenance
      journeyman index contracts/ --collection hr --audience S0123ABCD
    """
    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app, index_progress() as progress:
        report = index_paths(app.indexing, paths, collection, progress, audience or None)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(describe_index(report))
    documents = report.documents
    nothing_readable = documents["failed"] and not documents["new"] + documents["changed"] + documents["unchanged"]
    return 1 if nothing_readable else 0
