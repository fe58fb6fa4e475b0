"""`journeyman status`: what was answered, what is indexed, which work goes on, and what is due when."""

from collections.abc import Mapping
from dataclasses import asdict, astuple

import click

from bot.admin.status import Status, read_status, waits
from bot.operations import ModelState
from journeyman.answering_model import model_state
from journeyman.cli.jobs import describe_job
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json, printable
from journeyman.composition import application
from journeyman.settings import Settings
from workers.schedule import beat_schedule


@click.command()
@json_option
@common_options
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> None:
    """Show what was answered in the last 24 hours, what is indexed, which work goes on, and what is due when.

    \b
    Example:
      journeyman status
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        figures, model, ticks = read_status(conn), model_state(app.answering_model), schedule(app.settings)
    if as_json:
        print_json(asdict(figures) | {"schedule": ticks, "model": asdict(model)})
    else:
        click.echo(describe_status(figures, model, ticks))


def schedule(settings: Settings) -> dict[str, float]:
    """What beat enqueues, and every how many seconds."""
    entries = beat_schedule(settings.scan_minutes * 60.0, settings.finetune_hours * 3600.0)
    return {name: float(entry["schedule"]) for name, entry in entries.items()}


def describe_status(status: Status, model: ModelState, schedule: Mapping[str, float]) -> str:
    """Answers, index, jobs, schedule (seconds between two ticks, by name) and model, a line each."""
    day = status.day
    lines = [
        f"Last 24 hours: {day.answered} answered, {day.abstained} where the documents don't say, {day.failed} failed, "
        f"{day.pending} under way; {day.thumbs_up} thumbs up, {day.thumbs_down} down."
    ]
    for name, documents, passages, scanned in map(astuple, status.collections):
        when = f"looked through {scanned:%Y-%m-%d %H:%M}" if scanned else "never looked through"
        lines.append(f"{printable(name)}: {documents} documents, {passages} passages, {when}.")
    if not status.collections:
        lines.append("Nothing is indexed yet.")
    for run in status.runs:
        ahead = status.ahead.get(run.id, 0)
        stands = waits(ahead) if run.state == "queued" else f"{run.done} of {run.total} documents (running)"
        lines.append(f"Being indexed: {printable(run.target)}, {stands}.")
    lines += [describe_job(job, status.ahead.get(job.id, 0)) for job in status.jobs]
    for attempt in status.set_aside:
        why = attempt.error or "each time the process that worked on it ended"
        lines.append(
            printable(f"Set aside: {attempt.name} in {attempt.collection}, after {attempt.attempts} attempts ({why}).")
        )
    ticks = [
        f"{name} every " + (f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h")
        for name, seconds in schedule.items()
    ]
    lines.append(f"Schedule: {', '.join(ticks)}.")
    for embedder in status.embedders:
        built = f", {embedder.share:.0%} built" if embedder.state == "building" else ""
        built += ", being worked on" if embedder.is_worked_on else ""
        lines.append(f"Embedding model ({embedder.state}): {printable(embedder.name)}{built}.")
    lines.append(f"Model: {model.name}, {model.place}, {model.adapter or 'no'} adapter.")
    if model.leads is not None:
        lines.append(f"Answers: {'the words of the model' if model.leads else 'quotes of the documents'} lead.")
    return "\n".join(lines)
