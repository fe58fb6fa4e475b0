"""RAG, fine-tuning, or both? `journeyman compare` answers it for one's own questions."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars, write_chart
from journeyman.errors import WrongInput

if TYPE_CHECKING:
    from finetune.comparison.report import Comparison

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
    from finetune.comparison.arms import compare_arms
    from finetune.comparison.rows import store
    from finetune.dataset.storage import verified_passages
    from finetune.registry import adapter_folder
    from journeyman.composition import application
    from retrieval.answering.measuring.evaluation import load_questions
    from retrieval.indexing.sources import VERIFIED

    settings = invocation.settings()
    labelled = load_questions(questions)
    with output_kept_clean(), application(settings) as app:
        collections = [collection] if collection else None
        with app.pool.connection() as conn:
            tuned = adapter_folder(conn, app.adapters, adapter)
            names = chosen_arms(arms, adapter=tuned is not None, examples=bool(verified_passages(conn, VERIFIED)))
            check_collections(conn, collections)
        if tuned is None and arms is None:
            note("No adapter answers or is named (--adapter), so the model alone and with the documents are compared.")
        with progress_bars("answers") as bars:
            bar = bars.add_task("Asking", total=len(labelled) * len(names))
            parts = app.comparison_parts()
            found = compare_arms(parts, labelled, names, tuned, collections, lambda: bars.advance(bar))
        with app.pool.connection() as conn:
            named = tuned.name if tuned else None
            store(conn, found, questions=questions.name, model=app.settings.model, adapter=named)
    if chart:
        write_chart(chart, found.chart())
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(describe(found, price_per_hour))


def chosen_arms(asked: str | None, *, adapter: bool, examples: bool = False) -> list[str]:
    """The names in `asked`, separated by commas; None: all that can be had, with an `adapter` and verified answers as
    `examples`. Raises WrongInput.
    """
    from finetune.comparison.outcomes import ARMS, EXAMPLES

    if asked is None:
        return [arm for arm in ARMS if (adapter or "finetuned" not in arm) and (examples or arm != EXAMPLES)]
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := [name for name in names if name not in ARMS]:
        raise WrongInput(f"There is no arm {unknown[0]!r}: choose from {', '.join(ARMS)}.")
    if len(set(names)) < 2:
        raise WrongInput("A comparison needs at least two arms, such as --arms base,rag.")
    if not adapter and any("finetuned" in name for name in names):
        raise WrongInput("There is no adapter to compare: name one with --adapter, or leave those arms out.")
    if not examples and EXAMPLES in names:
        raise WrongInput("There are no verified answers to show as examples: leave that arm out.")
    return list(dict.fromkeys(names))


def describe(found: "Comparison", price_per_hour: float | None) -> str:
    """The table, what changed most, and the advice."""
    lines = [found.table(price_per_hour)]
    for gain in found.gains:
        changes = found.changes(gain.arm, gain.over)
        if not changes:
            continue
        lines += ["", f"{gain.arm} changed {len(changes)} answers of {gain.over}:"]
        lines += [f"  {one.id:<10}{one.before:.2f} → {one.after:.2f}  {one.question[:80]}" for one in changes[:CHANGES]]
    return "\n".join([*lines, "", found.advice])
