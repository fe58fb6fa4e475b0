"""The command line: every command translates its arguments, calls one function and prints what it returns.

Errors rise to `main`, which prints one sentence. Exit codes: 0 done, 1 it failed, 2 wrong use, 130 Ctrl-C.
"""

import os
import signal
import sys
from typing import NoReturn

import click

from journeyman import __version__
from journeyman.cli.admin import admins, export, reindex, slack, status
from journeyman.cli.backup import backup, restore
from journeyman.cli.collections import collection
from journeyman.cli.compare import compare
from journeyman.cli.dataset import dataset
from journeyman.cli.documents import calibrate, evaluate, index, search
from journeyman.cli.embedder import embedder
from journeyman.cli.finetune import finetune
from journeyman.cli.groundedness import groundedness
from journeyman.cli.jobs import jobs
from journeyman.cli.model import model
from journeyman.cli.options import Invocation, common_options
from journeyman.cli.questions import ask
from journeyman.cli.services import beat, bot, doctor, migrate, up, worker
from journeyman.cli.sources import source

INTERRUPTED = 130  # as shells report a command that Ctrl-C ended


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@common_options
@click.version_option(__version__, prog_name="journeyman")
def cli() -> None:
    """Cited answers from your own documents, in Slack and in the terminal.

    \b
    Example:
      journeyman index manuals/
      journeyman ask "What does alarm A204 mean?"
      journeyman up
    """


COMMANDS = (
    *(up, index, source, collection, search, ask, evaluate, calibrate, compare, groundedness),
    *(status, jobs, reindex, embedder, admins, slack, export),
    *(dataset, finetune, model),
    *(bot, worker, beat, migrate, doctor, backup, restore),
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    prepare_process()
    invocation = Invocation()
    try:
        result = cli.main(prog_name="journeyman", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
        code = result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.stdout.flush()
        # Everything is closed by now. Python itself would die of SIGINT, although it was caught, if it came while a
        # string was being executed, as dataclasses do on import (Py_RunMain, unhandled_keyboard_interrupt).
        os._exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nobody to tell
        code = 1
    except Exception as error:  # noqa: BLE001 - the command line's edge: every error becomes a sentence
        code = report(error, debug=invocation.debug)
    sys.exit(code)


def report(error: Exception, *, debug: bool) -> int:
    """Tell the person what failed; returns the exit code."""
    from journeyman.failures import explain

    if debug:
        import traceback

        traceback.print_exception(error)
    failure = explain(error)
    click.echo(f"Error: {failure.sentence}", err=True)
    return failure.exit_code


def prepare_process() -> None:
    """What must be set before numpy and torch are imported, and how SIGTERM ends us.

    Threads that wait must not spin: with OpenMP's default, one query embedding beside a busy process took
    300 ms in place of 19. An operator's own values stay.
    """
    threads = os.environ.get("JOURNEYMAN_THREADS") or "1"
    for name, value in {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }.items():
        os.environ.setdefault(name, value)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that contexts close; the servers are left tidily
