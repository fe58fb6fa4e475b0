"""`journeyman bot`: the Slack bot."""

import os
import sys

import click

from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.service_options import metrics_option, parent_option, service_settings
from journeyman.servers.bot import run_bot


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
    run_bot(service_settings(invocation, metrics_port), parent)
    # All is closed. A thread that loads the model may be in native code, which aborts while Python takes itself apart.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
