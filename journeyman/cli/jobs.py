"""`journeyman jobs`: work under way, and how to cancel it."""

from dataclasses import asdict

import click

from bot.admin import audit
from bot.admin.status import places, waits
from jobs.rows import Job, cancel_job, current_jobs, read_job
from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, printable
from journeyman.composition import application
from journeyman.errors import WrongInput


@click.command()
@click.argument("action", default="list", type=click.Choice(["list", "cancel"]))
@click.argument("number", required=False, type=int, metavar="[ID]")
@json_option
@common_options
@pass_invocation
def jobs(invocation: Invocation, action: str, number: int | None, as_json: bool) -> None:
    """List scans, runs, builds and rounds that are open, or failed within a day; or cancel one by its number.

    What a cancelled job has finished stays: each document is as it was, or whole.

    \b
    Example:
      journeyman jobs
      journeyman jobs cancel 12
    """
    if (action == "cancel") != (number is not None):
        raise click.UsageError("`cancel` takes the number of a job, and `list` takes none.")
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        if number is not None:
            if not cancel_job(conn, number, PERSON):
                raise WrongInput(f"Job {number} is not open: `journeyman jobs` lists those that are.")
            audit.record(conn, PERSON, "jobs cancel", detail={"job": number})
            row = read_job(conn, number)
            at_once = row is not None and row.state == "cancelled"
            note(f"Job {number} " + ("is cancelled." if at_once else "stops after what it has in hand."))
        rows = current_jobs(conn)
    if as_json:
        print_json([asdict(job) for job in rows])
    elif action == "list":
        ahead = places(rows)
        for job in rows:
            click.echo(describe_job(job, ahead.get(job.id, 0)))
        if not rows:
            note("There are none.")


def describe_job(job: "Job", ahead: int) -> str:
    """A job and how it stands; `ahead` of its kind come before it."""
    at = f", {job.heartbeat_at:%Y-%m-%d %H:%M:%S}" if job.heartbeat_at else ""
    stands = {"failed": job.error, "queued": waits(ahead)}.get(job.state)
    stands = stands or f"{job.done} of {job.total}, attempt {job.attempts}{at}"
    return printable(f"Job {job.id}, {job.kind} {job.target}: {job.state} ({stands}).")
