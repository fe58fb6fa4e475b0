"""What the commands accept that run one part until they are told to stop: --parent and --metrics-port."""

import click

from journeyman.cli.options import Invocation
from journeyman.settings import Settings

parent_option = click.option("--parent", type=int, hidden=True, help="End when this process ends.")
metrics_option = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve /metrics, /healthz and /readyz here; 0: not at all.  [default: JOURNEYMAN_METRICS_PORT]",
)


def service_settings(invocation: Invocation, metrics_port: int | None) -> Settings:
    """The settings, with what the command line says instead."""
    settings = invocation.settings(service=True)
    return settings if metrics_port is None else settings.model_copy(update={"metrics_port": metrics_port})
