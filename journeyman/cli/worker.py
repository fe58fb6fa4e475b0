"""`journeyman worker`: tasks taken from the queues and done."""

import os

import click

from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.service_options import metrics_option, parent_option, service_settings
from workers.topology import QUEUES, is_solo


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
    names = tuple(dict.fromkeys(name.strip() for name in queues.split(","))) if queues else QUEUES
    unknown = [name for name in names if name not in QUEUES]
    if unknown:
        raise click.UsageError(f"There is no queue named {unknown[0]!r}; there are: {', '.join(QUEUES)}.")
    settings = service_settings(invocation, metrics_port)
    solo = is_solo(names, on_gpu=settings.on_gpu)
    if not solo:
        # Before Celery is imported: SIGTERM then hands back a task that takes too long to finish. In the solo pool it
        # would only stop the task for as long; there tasks look for themselves (workers/leaving.py).
        os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from journeyman.servers.worker import run_worker

    return run_worker(settings, parent, names, solo=solo)
