"""`journeyman evaluate`: how good search and answers are, over questions with known answers."""

from pathlib import Path

import click

from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import output_kept_clean, print_json, progress_bars
from journeyman.composition import application
from retrieval.answering.measuring.evaluation import evaluate as evaluate_questions
from retrieval.answering.measuring.evaluation import load_questions


@click.command()
@click.argument("questions", metavar="QUESTIONS.jsonl", type=click.Path(path_type=Path))
@collection_option
@json_option
@common_options
@pass_invocation
def evaluate(invocation: Invocation, questions: Path, collection: str | None, as_json: bool) -> None:
    """Ask a set of questions with known answers, and print how good search and answers are.

    Prints hit@1, hit@5, MRR, answer hit rate, abstention precision and recall, with 95 % intervals.

    \b
    Example:
      journeyman evaluate examples/questions/company.jsonl --json > report.json
    """
    settings = invocation.settings()
    labelled = load_questions(questions)
    with output_kept_clean(), application(settings) as app, progress_bars("questions") as bars:
        names = [collection] if collection else None
        with app.pool.connection() as conn:
            check_collections(conn, names)
        bar = bars.add_task("Asking", total=len(labelled))
        report = evaluate_questions(app.answer, labelled, names, lambda _: bars.advance(bar))
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(report.table())
