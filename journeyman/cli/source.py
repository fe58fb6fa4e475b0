"""`journeyman source`: the sources of documents: add one, list, test and remove them."""

import os
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import click
from psycopg import Connection

from journeyman.cli.indexing import describe_index, index_progress
from journeyman.cli.options import (
    Invocation,
    audience_option,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import note, output_kept_clean, print_json, printable
from journeyman.composition import application
from journeyman.errors import WrongInput
from journeyman.indexing import index_sources, preview_source
from retrieval.indexing.preview import Preview
from retrieval.indexing.sources import (
    MissingPath,
    SourceRow,
    SourceSettings,
    add_source,
    list_sources,
    normal_uri,
    remove_source,
    source_extent,
    unregistered,
)

Command = TypeVar("Command", bound=Callable[..., Any])

FIRST = 5
"""Documents that `test` reads."""
_MINUTES = {"m": 1, "h": 60, "d": 1440}
_SCHEDULE = re.compile(r"([1-9]\d{0,5})\s*([mhd])")


class Schedule(click.ParamType[int]):
    """`30m`, `6h`, `2d`, or `manual`; in minutes, 0 for manual."""

    name = "schedule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "manual" or value == 0:
            return 0
        match = _SCHEDULE.fullmatch(str(value))
        if not match:
            self.fail("say 30m, 6h, 2d or manual.", param, ctx)
        return int(match[1]) * _MINUTES[match[2]]


def settings_options(command: Command) -> Command:
    """What may be set for a source, as the keyword arguments of retrieval.indexing.sources.SourceSettings."""
    options = (
        click.option("--include", multiple=True, metavar="GLOB", help="Only documents of such names; may be repeated."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="No documents of such names; may be repeated."),
        click.option("--query", metavar="SQL", help="For sql: sources, what to read."),
        click.option("--secret", metavar="NAME", help="The secret in the settings that it needs."),
        click.option(
            "--schedule",
            "every_minutes",
            type=Schedule(),
            metavar="TIME",
            help="How often to look through it: 30m, 6h, 2d, or manual.  [default: at every scan]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
@common_options
def source() -> None:
    """Where documents come from: folders, web pages, Git repositories, SQL queries, buckets, wikis, Slack.

    \b
    Example:
      journeyman source add https://wiki.example/sitemap.xml --schedule 6h
      journeyman source list
    """


@source.command()
@click.argument("address", metavar="ADDRESS")
@click.option("--collection", default="default", show_default=True, metavar="NAME", help="Where it belongs.")
@audience_option
@settings_options
@click.option("--later", is_flag=True, help="Do not index it now; the next scan does, unless it is manual.")
@json_option
@common_options
@pass_invocation
def add(
    invocation: Invocation,
    /,
    address: str,
    collection: str,
    audience: tuple[str, ...],
    later: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Register a source and index it. For one that is registered, the new settings take the place of the old.

    \b
    Example:
      journeyman source add manuals/ --exclude 'drafts/'
      journeyman source add contracts/ --collection hr --audience S0123ABCD
      journeyman source add https://wiki.example/sitemap.xml --include '*/docs/**' --schedule 6h
      journeyman source add git+https://github.com/example/handbook.git#main --secret github
      journeyman source add sql:plant/alarms --query "SELECT code, meaning FROM alarm ORDER BY code"
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        row = add_source(conn, address, collection, SourceSettings(**settings), audience or None)
        if later:
            note(f"Registered in {collection}: {printable(row.uri)}")
            return 0
        with index_progress() as progress:
            report = index_sources(app.indexing, conn, [row], progress)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(describe_index(report))
    return 1 if any(failure["document"] == row.uri for failure in report.failures) else 0


@source.command("list")
@collection_option
@json_option
@common_options
@pass_invocation
def list_(invocation: Invocation, collection: str | None, as_json: bool) -> None:
    """Show the sources: what each holds, when it is looked through, and what went wrong.

    \b
    Example:
      journeyman source list --collection maintenance
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        check_collections(conn, [collection] if collection else None)
        rows = [row for row in list_sources(conn) if collection in (None, row.collection)]
        extents = [source_extent(conn, row.id) for row in rows]
    if as_json:
        counted = zip(rows, extents, strict=True)
        print_json([asdict(row) | {"kind": row.kind, "documents": n, "passages": p} for row, (n, p) in counted])
        return
    for row, (documents, _) in zip(rows, extents, strict=True):
        click.echo(describe_source(row, documents))
    if not rows:
        note("There are no sources. `journeyman source add ADDRESS` adds one.")


@source.command()
@click.argument("address", metavar="ADDRESS")
@click.option("--collection", metavar="NAME", help="Where it is registered, if in several.")
@settings_options
@json_option
@common_options
@pass_invocation
def test(invocation: Invocation, /, address: str, collection: str | None, as_json: bool, **settings: Any) -> int:
    """Show what would be indexed: how many documents, and what becomes of the first. Nothing is written.

    The source need not be registered. If it is, its settings count where none are given.

    \b
    Example:
      journeyman source test https://wiki.example/sitemap.xml --include '*/docs/**'
    """
    with output_kept_clean(), application(invocation.settings()) as app:
        are_given = any(value not in (None, ()) for value in settings.values())
        with app.connect() as conn:
            row = None if are_given else _registered(conn, address, collection)
        row = row or unregistered(address, collection or "default", SourceSettings(**settings))
        preview = preview_source(app.indexing, row, FIRST)
    if as_json:
        print_json(asdict(preview))
    else:
        click.echo(describe_preview(preview))
    return 1 if preview.failures and not preview.read else 0


@source.command()
@click.argument("address", metavar="ADDRESS")
@click.option("--collection", metavar="NAME", help="Where it is registered, if in several.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def remove(invocation: Invocation, address: str, collection: str | None, yes: bool) -> None:
    """Forget a source with its documents. What people asked, answered and corrected stays.

    \b
    Example:
      journeyman source remove https://wiki.example/sitemap.xml
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        row = _registered(conn, address, collection)
        if row is None:
            place = f" in {collection}" if collection else ""
            raise WrongInput(f"There is no source {address}{place}: `journeyman source list` shows them.")
        documents, passages = source_extent(conn, row.id)
        question = (
            f"Remove {printable(row.uri)} from {row.collection}, with {documents} documents ({passages} passages)?"
        )
        if not yes:
            click.confirm(question, abort=True, err=True)
        remove_source(conn, row.uri, row.collection)
    note(f"Removed, with {documents} documents.")


def _registered(conn: "Connection[Any]", address: str, collection: str | None) -> "SourceRow | None":
    """The source that is registered at an address; also at a path where there is nothing any more. Raises WrongInput
    if there are several and no collection is named.
    """
    try:
        uri = normal_uri(address)
    except MissingPath:
        uri = os.path.abspath(os.path.expanduser(address))
    rows = [row for row in list_sources(conn) if row.uri == uri and collection in (None, row.collection)]
    if len(rows) > 1:
        names = ", ".join(row.collection for row in rows)
        raise WrongInput(f"{address} is a source of several collections: name one with --collection ({names}).")
    return rows[0] if rows else None


def describe_source(source: "SourceRow", documents: int) -> str:
    """A registered source in two lines: what it is, and when it is looked through."""
    schedules = {None: "at every scan", 0: "only when asked"}
    when = schedules.get(source.every_minutes, f"every {source.every_minutes} minutes")
    last = f"last {source.scanned_at:%Y-%m-%d %H:%M}" if source.scanned_at else "not looked through yet"
    patterns = [f"only {pattern}" for pattern in source.include] + [f"not {pattern}" for pattern in source.exclude]
    facts = [source.kind, f"{documents} documents", when, last, *patterns]
    lines = [f"{source.collection}: {source.uri}", "  " + ", ".join(facts)]
    if source.error:
        lines.append(f"  It could not be read: {source.error}")
    return printable("\n".join(lines))


def describe_preview(preview: "Preview") -> str:
    """What a source holds: how many documents, the first of them, and what failed."""
    lines = [f"{preview.kind}: {preview.count} documents."]
    lines += [f"  {name} ({passages} passages)" for name, passages in preview.read.items()]
    more = preview.count - len(preview.read) - len(preview.failures)
    lines += [f"  … and {more} more"] if more > 0 else []
    lines += [f"  {name}: {reason}" for name, reason in preview.failures.items()]
    return printable("\n".join(lines))
