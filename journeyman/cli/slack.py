"""`journeyman slack`: what the Slack app needs."""

import sys

import click

from journeyman.cli.options import common_options
from journeyman.slack_manifest import manifest_text


@click.group()
@common_options
def slack() -> None:
    """What the Slack app needs.

    \b
    Example:
      journeyman slack manifest
    """


@slack.command()
@click.option("--url", metavar="URL", help="Your public address: events come there over HTTP, not over Socket Mode.")
@common_options
def manifest(url: str | None) -> None:
    """Print the app's manifest: paste it at https://api.slack.com/apps when you create the app.

    \b
    Example:
      journeyman slack manifest
      journeyman slack manifest --url https://journeyman.example.com
    """
    sys.stdout.write(manifest_text(url))
