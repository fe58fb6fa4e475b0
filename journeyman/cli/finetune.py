"""`journeyman finetune`: a round of fine-tuning: what it will cost, how far it is, and what the gate said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import click
from psycopg import Connection

from finetune.rounds.parts import RoundRequest
from finetune.rounds.rows import Round, of_job, open_round, rounds
from finetune.rounds.run import measure_costs, request_round
from jobs.execution import carry_out_job
from jobs.progress import Progress, Tell
from jobs.rows import cancel_job
from journeyman.cli.asking import PERSON
from journeyman.cli.finetune_report import describe_costs, describe_round
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars
from journeyman.composition import Application, application
from journeyman.enqueueing import EnqueueingParts
from journeyman.rounds import finetune as carry_out
from journeyman.rounds import round_parts, start_round, usual_request
from journeyman.settings import Settings
from journeyman.worker_app import celery_app


@click.command()
@click.option("--method", type=click.Choice(["sft", "kto", "dpo"]), help="How to learn.  [default: the setting]")
@click.option("--quantize", type=click.Choice(["none", "4bit"]), help="4bit: QLoRA.  [default: as the model serves]")
@click.option("--now", is_flag=True, help="Learn from however little there is.")
@click.option("--dataset", type=int, metavar="ID", help="Learn from this one.  [default: make one of all votes]")
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, help="Of the adapter.")
@click.option("--rslora", is_flag=True, help="Scale by the root of the rank, for high ones.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=2.0, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), metavar="RATE", help="[default: by method]")
@click.option("--max-steps", type=click.IntRange(1), metavar="N", help="End sooner than the epochs do.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--cost", is_flag=True, help="Only measure what LoRA and QLoRA would take.")
@click.option("--stop", is_flag=True, help="Cancel the round that is under way, wherever it is.")
@click.option("--worker", is_flag=True, help="Have a worker do it, and do not wait for it.")
@json_option
@common_options
@pass_invocation
def finetune(invocation: Invocation, /, cost: bool, stop: bool, worker: bool, as_json: bool, **wishes: Any) -> int:
    """Train an adapter on votes and corrections; it answers only if it proves better.

    Stopped with Ctrl-C, it is cancelled. Go back at any time with `journeyman model rollback`.

    \b
    Example:
      journeyman finetune
      journeyman finetune --method kto --quantize 4bit --now
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        request = requested(app.settings, wishes)
        if stop:
            stop_round(conn)
            return 0
        if cost:
            show_costs(app, request, as_json=as_json)
            return 0
        if worker:
            leave_to_worker(app, request)
            return 0
        row = do_round(app, conn, request)
    if as_json:
        print_json(asdict(row))
    else:
        click.echo(describe_round(row))
    if row.state == "open":
        note("Another process is at work on it: `journeyman model list` tells how far it is.")
    return 0 if row.state in ("promoted", "proved", "open") else 1


def requested(settings: Settings, wishes: dict[str, Any]) -> RoundRequest:
    """What the round is to do, by the fields of RoundRequest; the settings' method where none is named."""
    usual = usual_request(settings)
    return replace(usual, **wishes | {"method": wishes["method"] or usual.method})


def stop_round(conn: Connection[Any]) -> None:
    """Cancels the round that is under way, and says so."""
    row = open_round(conn)
    is_cancelled = row is not None and cancel_job(conn, row.job_id or 0, PERSON)
    rounds(conn, 0)  # one that nobody works on has ended with its job
    note(f"Round {row.id} is cancelled." if row and is_cancelled else "No round is under way.")


def show_costs(app: Application, request: RoundRequest, *, as_json: bool) -> None:
    """Measures what LoRA and QLoRA would take, and prints it."""
    with progress_bars("") as bars:
        bar = bars.add_task("Measuring", total=None)
        costs = measure_costs(
            round_parts(app),
            request,
            lambda progress: bars.update(bar, description=progress.message, completed=progress.done),
        )
    if as_json:
        print_json({name: cost if isinstance(cost, str) else cost.as_dict() for name, cost in costs.items()})
    else:
        click.echo(describe_costs(costs, request.max_steps))


def leave_to_worker(app: Application, request: RoundRequest) -> None:
    """Asks for the round, and says where it is seen."""
    number = start_round(EnqueueingParts(app.connect, app.embedder, celery_app(app)), PERSON, request)
    note(f"Round {number} waits for a worker. `journeyman model list` and `journeyman status` say how far it is.")


def do_round(app: Application, conn: Connection[Any], request: RoundRequest) -> Round:
    """Does the round in this process, under a bar; returns it as it stands then. Ctrl-C cancels it."""
    row = request_round(conn, request, PERSON)
    job = row.job_id or 0
    with round_progress() as show:
        try:
            carry_out_job(conn, job, partial(carry_out, app, conn, job), show)
        except (KeyboardInterrupt, SystemExit):
            cancel_job(conn, job, PERSON)
            raise
    return of_job(conn, job) or row


@contextmanager
def round_progress() -> Iterator[Tell]:
    """A bar over the steps of a round; what training is thought to cost is noted once, so that it stays in sight."""
    with progress_bars("") as bars:
        bar = bars.add_task("Beginning", total=None)
        noted = ""

        def show(progress: Progress) -> None:
            nonlocal noted
            if "peak_megabytes" in progress.counts and progress.message != noted:
                noted = progress.message
                note(f"{noted}.")
            bars.update(bar, description=progress.message, completed=progress.done, total=progress.total or None)

        yield show
