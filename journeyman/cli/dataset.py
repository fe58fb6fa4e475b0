"""`journeyman dataset`: what fine-tuning learns from: make a dataset of votes and corrections, look at one, take it
elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from finetune.dataset.freezing import export as copy
from finetune.dataset.freezing import find, sweep
from finetune.dataset.rows import Dataset, Options
from finetune.dataset.storage import StoredDataset, read_datasets
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars
from journeyman.composition import Application, application
from journeyman.errors import WrongInput
from journeyman.rounds import build_dataset
from retrieval.answering.measuring.evaluation import load_questions


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
    questions = [labelled.question for file in evaluation for labelled in load_questions(file)]
    options = Options(max_tokens=max_tokens, oracle_share=oracle_share, seed=seed)
    with output_kept_clean(), application(invocation.settings()) as app:
        rows, row = _build(app, options, questions, from_documents)
    if as_json:
        print_json({"id": row.id if row else None, "hash": rows.hash, "report": rows.report})
        return
    click.echo(_table(rows.report))
    if row is None:
        note("There is nothing to learn from yet. " + _remedy(from_documents))
    else:
        note(f"Dataset {row.id} is kept, hash {row.hash[:12]}. To look at it: journeyman dataset show {row.id}")


def _build(
    app: Application, options: Options, questions: Sequence[str], from_documents: int
) -> tuple[Dataset, StoredDataset | None]:
    """Makes the dataset, under a bar over the passages that are asked about."""
    with progress_bars("passages") as bars:
        step = "Asking about passages" if from_documents else "Reading votes"
        bar = bars.add_task(step, total=from_documents or None)
        return build_dataset(
            app,
            options,
            questions,
            from_documents,
            lambda step: bars.update(bar, description=step),
            lambda: bars.advance(bar),
        )


def _remedy(from_documents: int) -> str:
    if from_documents:
        return "The passages bear out nothing that the model wrote: name a larger one in JOURNEYMAN_MODEL."
    return "--from-documents 200 makes examples from the documents."


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
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        sweep(conn, app.datasets)
        datasets = read_datasets(conn, number)
    if number is not None and not datasets:
        raise WrongInput(f"There is no dataset {number}: `journeyman dataset show` lists those that there are.")
    if as_json:
        print_json([asdict(row) for row in datasets])
    elif number is not None:
        click.echo(f"{_line(datasets[0])}\n{_table(datasets[0].report)}")
    else:
        for row in datasets:
            click.echo(_line(row))
        if not datasets:
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
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        sweep(conn, app.datasets)
        row, source = find(conn, app.datasets, number)
        copy(source, folder)
    note(f"Dataset {row.id} is in {folder}.")


def _line(row: StoredDataset) -> str:
    state = "stale: somebody had their data deleted" if row.stale_at else f"hash {row.hash[:12]}"
    gone = f", {row.deleted} of deleted answers" if row.deleted else ""
    old = f", {row.outdated} of documents that changed since" if row.outdated else ""
    return f"{row.id}  {row.created_at:%Y-%m-%d %H:%M}  {row.examples} examples{gone}{old}  {state}"


def _table(report: Mapping[str, int]) -> str:
    """What was counted, in the order in which it happens, and the files last."""
    files = {name: count for name, count in report.items() if name.startswith(("train.", "test.", "regression"))}
    steps = {name: count for name, count in report.items() if name not in files}
    return "\n".join(f"{count:>7}  {name}" for name, count in [*steps.items(), *files.items()])
