"""A round of fine-tuning from the command line: what it will cost, how far it is, and what the gate said."""

from typing import TYPE_CHECKING

import click

from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from finetune.model.loading import Quantize
    from finetune.rounds.rows import Round
    from finetune.training.spec import Method, Trained
    from jobs.progress import Progress


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
def finetune(
    invocation: Invocation,
    method: "Method | None",
    quantize: "Quantize | None",
    now: bool,
    dataset: int | None,
    rank: int,
    rslora: bool,
    epochs: float,
    learning_rate: float | None,
    max_steps: int | None,
    seed: int,
    cost: bool,
    stop: bool,
    worker: bool,
    as_json: bool,
) -> int:
    """Train an adapter on votes and corrections; it answers only if it proves better.

    Stopped with Ctrl-C, it is cancelled. Go back at any time with `journeyman model rollback`.

    \b
    Example:
      journeyman finetune
      journeyman finetune --method kto --quantize 4bit --now
    """
    from dataclasses import asdict, replace

    from finetune.rounds.rows import of_job, open_round, rounds
    from finetune.rounds.run import measure_costs, request_round
    from jobs.execution import carry_out_job
    from jobs.rows import cancel_job
    from journeyman.composition import application

    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        if stop:
            under_way = open_round(conn)
            stopped = under_way is not None and cancel_job(conn, under_way.job_id or 0, PERSON)
            rounds(conn, 0)  # one that nobody works on has ended with its job
            note(f"Round {under_way.id} is cancelled." if under_way and stopped else "No round is under way.")
            return 0
        usual = app.usual_request()
        request = replace(
            usual,
            method=method or usual.method,
            quantize=quantize,
            now=now,
            dataset=dataset,
            rank=rank,
            rslora=rslora,
            epochs=epochs,
            learning_rate=learning_rate,
            max_steps=max_steps,
            seed=seed,
        )
        if cost:
            with progress_bars("") as bars:
                bar = bars.add_task("Measuring", total=None)
                measured = measure_costs(
                    app.round_parts(),
                    request,
                    lambda one: bars.update(bar, description=one.message, completed=one.done),
                )
            if as_json:
                print_json({name: one if isinstance(one, str) else one.as_dict() for name, one in measured.items()})
            else:
                click.echo(describe_costs(measured, request.max_steps))
            return 0
        if worker:
            number = app.start_round(PERSON, request)
            note(
                f"Round {number} waits for a worker. `journeyman model list` and `journeyman status` say how far it is."
            )
            return 0
        found = request_round(conn, request, PERSON)
        job = found.job_id or 0
        with progress_bars("") as bars:
            bar = bars.add_task("Beginning", total=None)
            told = ""

            def show(progress: "Progress") -> None:
                nonlocal told
                is_estimate = "peak_megabytes" in progress.counts  # it stays in sight
                if is_estimate and progress.message != told:
                    told = progress.message
                    note(f"{told}.")
                bars.update(bar, description=progress.message, completed=progress.done, total=progress.total or None)

            try:
                carry_out_job(conn, job, lambda tell: app.finetune(conn, job, tell), show)
            except (KeyboardInterrupt, SystemExit):
                cancel_job(conn, job, PERSON)
                raise
        ended = of_job(conn, job) or found
    if as_json:
        print_json(asdict(ended))
    else:
        click.echo(describe_round(ended))
    if ended.state == "open":
        note("Another process is at work on it: `journeyman model list` tells how far it is.")
    return 0 if ended.state in ("promoted", "proved", "open") else 1


def describe_costs(measured: "Mapping[Quantize, Trained | str]", max_steps: int | None) -> str:
    """LoRA and QLoRA side by side: memory, speed, how long the whole would take."""
    from finetune.rounds.costs import COST_NAMES, duration, estimate

    lines = [f"{'':<7}{'memory':>9}{'tokens/s':>10}{'the whole':>11}"]
    for quantize, one in measured.items():
        if isinstance(one, str):
            lines.append(f"{COST_NAMES[quantize]:<7}{one}")
            continue
        told = estimate(one, max_steps)
        pace = f"{one.tokens_per_second:>10.0f}{duration(told['seconds']):>11}"
        lines.append(f"{COST_NAMES[quantize]:<7}{one.peak_megabytes / 1000:>6.1f} GB{pace}")
    both = [one for one in measured.values() if not isinstance(one, str)]
    if len(both) == 2:
        memory = both[1].peak_megabytes / both[0].peak_megabytes
        speed = both[1].tokens_per_second / both[0].tokens_per_second
        lines.append(f"QLoRA takes {memory:.0%} of LoRA's memory at {speed:.0%} of its speed.")
    return "\n".join(lines)


def describe_round(found: "Round") -> str:
    """A round in a few lines: how it ended, and what it cost."""
    lines = [f"Round {found.id}: {found.state}. {found.reason or ''}".rstrip()]
    if cost := _cost(found.cost):
        lines.append(cost)
    return "\n".join(lines)


def _cost(cost: "Mapping[str, Any]") -> str:
    if "seconds" not in cost:
        return f"  step {cost['step']} of {cost['steps']}, loss {cost['loss']:.3f}" if "step" in cost else ""
    thought = cost.get("estimate") or {}
    expected = f" (expected {thought['seconds']:.0f} s, {thought['peak_megabytes']} MB)" if thought else ""
    return (
        f"  {cost['seconds']:.0f} s on {cost['device']}, {cost['tokens']} tokens, {cost['tokens_per_second']:.0f} a "
        f"second, {cost['peak_megabytes']} MB at the most{expected}"
    )
