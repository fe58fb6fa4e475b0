"""What fine-tuning learns from: make a dataset of votes and corrections, look at one, take it elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finetune.dataset.storage import StoredDataset


@click.group()
@common_options
def dataset() -> None:
    """What fine-tuning learns from, made of votes and corrections.

    \b
    Example:
      journeyman dataset build --evaluation questions.jsonl
      journeyman dataset show
    """


@dataset.command()
@click.option("--from-documents", type=click.IntRange(0), default=0, metavar="N", help="Also ask about N passages.")
@click.option(
    "--evaluation",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Questions to leave out, as `journeyman evaluate` reads them. Can be said several times.",
)
@click.option("--max-tokens", type=click.IntRange(64), default=2048, show_default=True, help="Of prompt and answer.")
@click.option("--oracle-share", type=click.FloatRange(0, 1), default=0.8, show_default=True, help="See docs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of order, sample and new questions' sides.")
@json_option
@common_options
@pass_invocation
def build(
    invocation: Invocation,
    from_documents: int,
    evaluation: tuple[Path, ...],
    max_tokens: int,
    oracle_share: float,
    seed: int,
    as_json: bool,
) -> None:
    """Make a dataset of all votes and approved corrections, and say what was left out and why.

    The same votes give the same dataset. With --from-documents the model itself writes questions and answers about
    passages, of which those are kept that the passage bears out: a start before there are votes.

    \b
    Example:
      journeyman dataset build --evaluation questions.jsonl
      journeyman dataset build --from-documents 200
    """
    from finetune.dataset.rows import Options
    from journeyman.composition import application
    from retrieval.answering.measuring.evaluation import load_questions

    questions = [labelled.question for file in evaluation for labelled in load_questions(file)]
    options = Options(max_tokens=max_tokens, oracle_share=oracle_share, seed=seed)
    with output_kept_clean(), application(invocation.settings()) as app, progress_bars("passages") as bars:
        bar = bars.add_task("Reading votes", total=from_documents or None)

        def tell(step: str) -> None:
            bars.update(bar, description=step)

        tell("Asking about passages" if from_documents else "Reading votes")
        made, kept = app.build_dataset(options, questions, from_documents, tell, lambda: bars.advance(bar))
    if as_json:
        print_json({"id": kept.id if kept else None, "hash": made.hash, "report": made.report})
        return
    click.echo(_table(made.report))
    if kept is None:
        note(
            "There is nothing to learn from yet. "
            + (
                "The passages bear out nothing that the model wrote: name a larger one in JOURNEYMAN_MODEL."
                if from_documents
                else "--from-documents 200 makes examples from the documents."
            )
        )
    else:
        note(f"Dataset {kept.id} is kept, hash {kept.hash[:12]}. To look at it: journeyman dataset show {kept.id}")


@dataset.command()
@click.argument("number", metavar="[ID]", type=int, required=False)
@json_option
@common_options
@pass_invocation
def show(invocation: Invocation, number: int | None, as_json: bool) -> None:
    """List the datasets, or show what became of the votes in one.

    \b
    Example:
      journeyman dataset show 3
    """
    from dataclasses import asdict

    from finetune.dataset.freezing import sweep
    from finetune.dataset.storage import read_datasets
    from journeyman.composition import application
    from journeyman.errors import WrongInput

    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        sweep(conn, app.datasets)
        found = read_datasets(conn, number)
    if number is not None and not found:
        raise WrongInput(f"There is no dataset {number}: `journeyman dataset show` lists those that there are.")
    if as_json:
        print_json([asdict(one) for one in found])
    elif number is not None:
        click.echo(f"{_line(found[0])}\n{_table(found[0].report)}")
    else:
        for one in found:
            click.echo(_line(one))
        if not found:
            note("There is no dataset yet: make one with `journeyman dataset build`.")


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--id", "number", type=int, metavar="ID", help="Which one.  [default: the newest]")
@common_options
@pass_invocation
def export(invocation: Invocation, folder: Path, number: int | None) -> None:
    """Copy a dataset's files into a new FOLDER: JSONL as TRL reads it, and a card for Hugging Face's datasets.

    In Python: datasets.load_dataset("FOLDER", "sft"). They hold people's questions: keep them as safe as the database.

    \b
    Example:
      journeyman dataset export ~/dataset-3 --id 3
    """
    from finetune.dataset.freezing import export as copy
    from finetune.dataset.freezing import find, sweep
    from journeyman.composition import application

    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        sweep(conn, app.datasets)
        chosen, source = find(conn, app.datasets, number)
        copy(source, folder)
    note(f"Dataset {chosen.id} is in {folder}.")


def _line(one: "StoredDataset") -> str:
    state = "stale: somebody had their data deleted" if one.stale_at else f"hash {one.hash[:12]}"
    gone = f", {one.deleted} of deleted answers" if one.deleted else ""
    old = f", {one.outdated} of documents that changed since" if one.outdated else ""
    return f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {one.examples} examples{gone}{old}  {state}"


def _table(report: "Mapping[str, int]") -> str:
    """What was counted, in the order in which it happens, and the files last."""
    files = {name: count for name, count in report.items() if name.startswith(("train.", "test.", "regression"))}
    steps = {name: count for name, count in report.items() if name not in files}
    return "\n".join(f"{count:>7}  {name}" for name, count in [*steps.items(), *files.items()])
