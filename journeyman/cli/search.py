"""`journeyman search`: the passages that fit a text best."""

from dataclasses import asdict
from typing import Any

import click

from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import note, output_kept_clean, print_json, printable
from journeyman.composition import application
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import search_and_rerank
from retrieval.searching.scope import Scope


@click.command()
@click.argument("text")
@click.option("-k", "count", default=5, show_default=True, type=click.IntRange(1, 100), help="How many passages.")
@collection_option
@json_option
@common_options
@pass_invocation
def search(invocation: Invocation, text: str, count: int, collection: str | None, as_json: bool) -> None:
    """Show the passages that fit best, best first.

    \b
    Example:
      journeyman search "pre-charge pressure" -k 3
    """
    if not text.strip():
        raise click.UsageError("There is nothing to search for: TEXT is empty.")
    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app:
        names = (collection,) if collection else None
        with app.pool.connection() as conn:
            check_collections(conn, names)
        passages = search_and_rerank(app.pool, app.embedder, app.reranker, text, k=count, scope=Scope(names))
    if as_json:
        print_json([passage_as_dict(passage) for passage in passages])
        return
    for number, passage in enumerate(passages, 1):
        click.echo(describe_passage(number, passage))
    if not passages:
        note("Nothing was found. `journeyman index PATH` adds documents.")


def passage_as_dict(passage: "Passage") -> dict[str, Any]:
    """A passage as `search --json` gives it."""
    return asdict(passage) | {"ranks": dict(passage.ranks)}


def describe_passage(number: int, passage: "Passage") -> str:
    """A passage with where it stands, for people."""
    heading = f" › {passage.heading}" if passage.heading else ""
    head = click.style(f"{number}. {printable(passage.title + heading)}", bold=True)
    return f"{head}  {passage.score:.2f}\n{printable(passage.document)}\n{printable(passage.text)}\n"
