"""The commands that run parts: up, bot, worker, beat; and those that look after them: migrate, doctor."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json

if TYPE_CHECKING:
    from journeyman.settings import Settings

parent_option = click.option("--parent", type=int, hidden=True, help="End when this process ends.")
metrics_option = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve /metrics, /healthz and /readyz here; 0: not at all.  [default: JOURNEYMAN_METRICS_PORT]",
)


def service_settings(invocation: Invocation, metrics_port: int | None) -> "Settings":
    """The settings, with what the command line says instead."""
    settings = invocation.settings(service=True)
    return settings if metrics_port is None else settings.model_copy(update={"metrics_port": metrics_port})


@click.command()
@click.option(
    "--demo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="First index FOLDER/company, then answer the questions in FOLDER/questions/first.txt.",
)
@common_options
@pass_invocation
def up(invocation: Invocation, demo: Path | None) -> None:
    """Run everything: the servers, the schema, the workers, beat, and the Slack bot.

    Without Slack tokens, you can ask in the terminal instead. Ctrl-C stops all. Where JOURNEYMAN_METRICS_PORT is
    set, worker, beat, bot and trainer are watched there and at the next three ports.

    \b
    Example:
      journeyman up
      journeyman up --demo examples
    """
    from journeyman.cli.up import run

    settings = invocation.settings(service=True)
    run(settings, demo=demo, interactive=sys.stdin.isatty() and sys.stdout.isatty())


@click.command()
@parent_option
@metrics_option
@common_options
@pass_invocation
def bot(invocation: Invocation, parent: int | None, metrics_port: int | None) -> None:
    """Run the Slack bot: over Socket Mode with SLACK_APP_TOKEN, over HTTP with SLACK_SIGNING_SECRET.

    \b
    Example:
      SLACK_BOT_TOKEN=xoxb-… SLACK_APP_TOKEN=xapp-… journeyman bot
    """
    from journeyman.servers.services import run_bot

    run_bot(service_settings(invocation, metrics_port), parent)
    # All is closed. A thread that loads the model may be in native code, which aborts while Python takes itself apart.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@click.command()
@click.option("--queues", metavar="NAMES", help="Only these, comma separated: ingest, embed, finetune, control.")
@parent_option
@metrics_option
@common_options
@pass_invocation
def worker(invocation: Invocation, queues: str | None, parent: int | None, metrics_port: int | None) -> int:
    """Run a worker: it indexes what changed, when beat says so.

    On a GPU (JOURNEYMAN_DEVICE=cuda), the queues embed and finetune are worked on in one process, which loads a model
    once; without them a child process does the work.

    \b
    Example:
      journeyman worker
      journeyman worker --queues embed,finetune
    """
    from journeyman.servers.services import run_worker
    from workers.topology import QUEUES

    wanted = tuple(dict.fromkeys(name.strip() for name in queues.split(","))) if queues else QUEUES
    unknown = [name for name in wanted if name not in QUEUES]
    if unknown:
        raise click.UsageError(f"There is no queue named {unknown[0]!r}; there are: {', '.join(QUEUES)}.")
    return run_worker(service_settings(invocation, metrics_port), parent, wanted)


@click.command()
@parent_option
@metrics_option
@common_options
@pass_invocation
def beat(invocation: Invocation, parent: int | None, metrics_port: int | None) -> None:
    """Run the clock that enqueues what is due. Run one per installation.

    \b
    Example:
      journeyman beat
    """
    from journeyman.servers.services import run_beat

    run_beat(service_settings(invocation, metrics_port), parent)


@click.command()
@json_option
@common_options
@pass_invocation
def migrate(invocation: Invocation, as_json: bool) -> None:
    """Bring the database's schema up to date. The other commands do so by themselves.

    \b
    Example:
      JOURNEYMAN_DATABASE_URL=postgresql://db.example/journeyman journeyman migrate
    """
    from journeyman.composition import running_servers

    with output_kept_clean(), running_servers(invocation.settings()) as app:
        applied = app.migrate()
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo("\n".join(f"Applied {name}" for name in applied) or "The schema is up to date.")


@click.command()
@json_option
@common_options
@pass_invocation
def doctor(invocation: Invocation, as_json: bool) -> int:
    """Check every part, and say how to mend what is wrong.

    \b
    Example:
      journeyman doctor
    """
    from dataclasses import asdict

    from journeyman.doctor import BROKEN, examine

    settings = invocation.settings()
    checks = []
    with output_kept_clean():
        for check in examine(settings):
            checks.append(check)
            if not as_json:
                colour = {"ok": "green", "broken": "red"}.get(check.state)
                mark = click.style(f"{check.state:<7}", fg=colour)
                click.echo(f"{mark} {check.name}: {check.detail}", file=sys.__stdout__)
                if check.remedy:
                    click.echo(f"        → {check.remedy}", file=sys.__stdout__)
    healthy = all(check.state != BROKEN for check in checks)
    if as_json:
        print_json({"healthy": healthy, "checks": [asdict(check) for check in checks]})
    return 0 if healthy else 1
