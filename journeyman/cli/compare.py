"""`journeyman compare`: RAG, fine-tuning, or both? The answer for one's own questions."""

from collections.abc import Sequence
from pathlib import Path

import click

from finetune.comparison.arms import compare_arms
from finetune.comparison.outcomes import ARMS, EXAMPLES
from finetune.comparison.report import Comparison
from finetune.comparison.rows import store
from finetune.dataset.storage import verified_passages
from finetune.registry import adapter_folder
from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars, write_chart
from journeyman.composition import Application, application
from journeyman.errors import WrongInput
from journeyman.rounds import comparison_parts
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.indexing.sources import VERIFIED

CHANGES = 5


@click.command()
@click.argument("questions", metavar="QUESTIONS.jsonl", type=click.Path(path_type=Path))
@click.option("--arms", metavar="NAMES", help="With commas: base, rag, rag+examples, finetuned, rag+finetuned.")
@click.option("--adapter", metavar="NAME", help="Of the tuned arms, or a folder.  [default: the one that answers]")
@click.option("--chart", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as a PNG.")
@click.option("--price-per-hour", type=click.FloatRange(0), metavar="PRICE", help="Of the machine that answers.")
@collection_option
@json_option
@common_options
@pass_invocation
def compare(
    invocation: Invocation,
    questions: Path,
    arms: str | None,
    adapter: str | None,
    chart: Path | None,
    price_per_hour: float | None,
    collection: str | None,
    as_json: bool,
) -> None:
    """Ask the same questions with and without documents, examples and adapter, and say what helps.

    The file is one as `journeyman evaluate` reads it; a line may also hold `answer`, a right one. What comes out is
    kept, and `/journeyman compare` posts it.

    \b
    Example:
      journeyman compare examples/questions/company.jsonl --arms base,rag --chart arms.png
    """
    settings = invocation.settings()
    labelled = load_questions(questions)
    with output_kept_clean(), application(settings) as app:
        with app.pool.connection() as conn:
            tuned = adapter_folder(conn, app.adapters, adapter)
            names = chosen_arms(arms, adapter=tuned is not None, examples=bool(verified_passages(conn, VERIFIED)))
            check_collections(conn, [collection] if collection else None)
        if tuned is None and arms is None:
            note("No adapter answers or is named (--adapter), so the model alone and with the documents are compared.")
        comparison = _compare(app, labelled, names, tuned, collection)
        with app.pool.connection() as conn:
            name = tuned.name if tuned else None
            store(conn, comparison, questions=questions.name, model=settings.model, adapter=name)
    if chart:
        write_chart(chart, comparison.chart())
    if as_json:
        print_json(comparison.as_dict())
    else:
        click.echo(describe(comparison, price_per_hour))


def _compare(
    app: Application,
    labelled: Sequence[LabelledQuestion],
    names: Sequence[str],
    adapter: Path | None,
    collection: str | None,
) -> Comparison:
    """Asks every arm every question, under a bar."""
    with progress_bars("answers") as bars:
        bar = bars.add_task("Asking", total=len(labelled) * len(names))
        collections = [collection] if collection else None
        parts = comparison_parts(app)
        return compare_arms(parts, labelled, names, adapter, collections, lambda: bars.advance(bar))


def chosen_arms(text: str | None, *, adapter: bool, examples: bool = False) -> list[str]:
    """The names in `text`, separated by commas; None: all that can be had, with an `adapter` and verified answers as
    `examples`. Raises WrongInput.
    """
    if text is None:
        return [arm for arm in ARMS if (adapter or "finetuned" not in arm) and (examples or arm != EXAMPLES)]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in ARMS]:
        raise WrongInput(f"There is no arm {unknown[0]!r}: choose from {', '.join(ARMS)}.")
    if len(set(names)) < 2:
        raise WrongInput("A comparison needs at least two arms, such as --arms base,rag.")
    if not adapter and any("finetuned" in name for name in names):
        raise WrongInput("There is no adapter to compare: name one with --adapter, or leave those arms out.")
    if not examples and EXAMPLES in names:
        raise WrongInput("There are no verified answers to show as examples: leave that arm out.")
    return list(dict.fromkeys(names))


def describe(comparison: Comparison, price_per_hour: float | None) -> str:
    """The table, what changed most, and the advice."""
    lines = [comparison.table(price_per_hour)]
    for gain in comparison.gains:
        changes = comparison.changes(gain.arm, gain.over)
        if not changes:
            continue
        lines += ["", f"{gain.arm} changed {len(changes)} answers of {gain.over}:"]
        lines += [
            f"  {change.id:<10}{change.before:.2f} → {change.after:.2f}  {change.question[:80]}"
            for change in changes[:CHANGES]
        ]
    return "\n".join([*lines, "", comparison.advice])
