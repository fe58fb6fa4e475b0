"""`journeyman doctor`: every part checked, with what mends it."""

import sys
from dataclasses import asdict

import click

from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import output_kept_clean, print_json
from journeyman.doctor import BROKEN, examine


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
