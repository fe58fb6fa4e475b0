"""`journeyman ask`: one question, one streamed and cited answer."""

from pathlib import Path

import click

from journeyman.cli import asking
from journeyman.cli.answer_display import answer_display
from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import output_kept_clean, print_json
from journeyman.composition import application
from retrieval.answering.answer import Question


@click.command()
@click.argument("text")
@click.option("--history", type=click.Path(path_type=Path), metavar="FILE", help="Earlier turns: JSON, see below.")
@collection_option
@json_option
@common_options
@pass_invocation
def ask(invocation: Invocation, text: str, history: Path | None, collection: str | None, as_json: bool) -> None:
    """Answer a question from the documents, with sources.

    FILE is a JSON list of turns, oldest first, like [{"role": "user", "text": "…"}, {"role": "assistant",
    "text": "…"}].

    \b
    Example:
      journeyman ask "What does alarm A204 mean?"
      journeyman ask "And how do I clear it?" --history conversation.json
    """
    if not text.strip():
        raise click.UsageError("There is no question: TEXT is empty.")
    settings = invocation.settings()
    turns = asking.read_history(history) if history else ()
    question = Question(text, turns, [collection] if collection else None)
    with application(settings) as app:
        with app.pool.connection() as conn:
            check_collections(conn, question.collections)
        if not as_json:
            with answer_display() as show:
                asking.ask(app.pool, app.answer, question, show)
            return
        with output_kept_clean():
            stored = asking.ask(app.pool, app.answer, question, lambda _: None)
    print_json(asking.as_dict(stored))
