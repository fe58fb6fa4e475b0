"""The command line: every command translates its arguments, calls one function and prints what it returns.

Errors rise to `main`, which prints one sentence. Exit codes: 0 done, 1 it failed, 2 wrong use, 130 Ctrl-C.
"""

import os
import signal
import sys
from typing import NoReturn

import click

from journeyman import __version__
from journeyman.cli.lazy_group import LazyGroup
from journeyman.cli.options import Invocation, common_options

INTERRUPTED = 130  # as shells report a command that Ctrl-C ended


SUMMARIES: dict[str, str] = {
    "admins": "Show who may administer the bot in Slack, add one, or remove one, by the id of a person or a group.",
    "ask": "Answer a question from the documents, with sources.",
    "backup": "Write questions, answers, votes, documents, channel settings and adapters into a new folder in FOLDER.",
    "beat": "Run the clock that enqueues what is due.",
    "bot": "Run the Slack bot: over Socket Mode with SLACK_APP_TOKEN, over HTTP with SLACK_SIGNING_SECRET.",
    "calibrate": 'Fit when to say "the documents don\'t say" to questions of which it is known.',
    "collection": "Collections of documents, and who may be answered from them.",
    "compare": "Ask the same questions with and without documents, examples and adapter, and say what helps.",
    "dataset": "What fine-tuning learns from, made of votes and corrections.",
    "doctor": "Check every part, and say how to mend what is wrong.",
    "embedder": "The embedding model that documents are searched with.",
    "evaluate": "Ask a set of questions with known answers, and print how good search and answers are.",
    "export": "Write all questions, answers and votes as JSON lines, oldest first.",
    "finetune": "Train an adapter on votes and corrections; it answers only if it proves better.",
    "groundedness": "Judge how likely passages bear out each statement of answers.",
    "index": "Register folders, files or addresses as sources, and index what changed in them.",
    "jobs": "List scans, runs, builds and rounds that are open, or failed within a day; or cancel one by its number.",
    "migrate": "Bring the database's schema up to date.",
    "model": "The adapters that fine-tuning has made, and which one answers.",
    "reindex": "Index anew what is registered: all of it, a collection, or a document by its name, path or URL.",
    "restore": "Put a backup in the place of all that the database holds now.",
    "search": "Show the passages that fit best, best first.",
    "slack": "What the Slack app needs.",
    "source": "Where documents come from: folders, web pages, Git repositories, SQL queries, buckets, wikis, Slack.",
    "status": "Show what was answered in the last 24 hours, what is indexed, which work goes on, and what is due when.",
    "up": "Run everything: the servers, the schema, the workers, beat, and the Slack bot.",
    "worker": "Run a worker: it indexes what changed, when beat says so.",
}
"""What each command does, as its own help begins: shown by `journeyman --help` without importing any of them."""


@click.group(
    cls=LazyGroup,
    package=__name__,
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
