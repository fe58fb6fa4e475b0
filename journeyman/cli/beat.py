"""`journeyman beat`: the clock that enqueues what is due."""

import click

from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.service_options import metrics_option, parent_option, service_settings
from journeyman.servers.beat import run_beat


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
    run_beat(service_settings(invocation, metrics_port), parent)
