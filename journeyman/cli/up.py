"""`journeyman up`: everything under one process, with the bot, or without Slack tokens with a console."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import click
from slack_sdk import WebClient

from bot.feedback.votes import vote
from journeyman.cli.answer_display import answer_display
from journeyman.cli.asking import PERSON, StoredAnswer, ask
from journeyman.cli.console import converse
from journeyman.cli.indexing import describe_index, index_progress
from journeyman.cli.options import Invocation, common_options, pass_invocation
from journeyman.cli.terminal import note
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.servers.stack import prepare_home
from journeyman.servers.supervisor import supervise
from journeyman.settings import Settings, reveal, slack_is_set_up
from retrieval.answering.answer import Question


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
    settings = invocation.settings(service=True)
    run(settings, demo=demo, interactive=sys.stdin.isatty() and sys.stdout.isatty())


def run(settings: Settings, *, demo: Path | None, interactive: bool) -> None:
    """Run until Ctrl-C or SIGTERM; a demo without Slack or a terminal ends when all is answered."""
    slack = slack_is_set_up(settings)
    with application(settings) as app:
        if slack:
            check_tokens(settings)
        if demo is not None:
            show_demo(app, demo, questions=not slack)
        commands = child_commands(settings, slack=slack)
        if slack or (demo is None and not interactive):
            run_services(commands, "the Slack bot" if slack else "worker and beat (no Slack tokens, no terminal)")
        elif interactive:
            with services_beside(commands, prepare_home(settings.home) / "logs" / "services.log"):
                run_console(app)


def child_commands(settings: Settings, *, slack: bool) -> Mapping[str, Sequence[str]]:
    """The children's command lines, in the order in which they start."""
    # A round of fine-tuning may take hours, in which documents are indexed all the same.
    services = {
        "worker": ["worker", "--queues", "ingest,embed,control"],
        "beat": ["beat"],
        **({"bot": ["bot"]} if slack else {}),
        "trainer": ["worker", "--queues", "finetune"],
    }
    home = str(settings.home.expanduser().absolute())
    start = [sys.executable, "-m", "journeyman", "--home", home]
    end = ["--parent", str(os.getpid()), "--metrics-port"]
    port = settings.metrics_port
    return {
        name: [*start, *command, *end, str(port + i if port else 0)]
        for i, (name, command) in enumerate(services.items())
    }


def check_tokens(settings: Settings) -> None:
    """Ask Slack whether it takes the tokens: better one sentence now than a bot that dies again and again.

    Raises SlackApiError when Slack refuses one. That Slack does not answer may pass: the bot goes on trying.
    """
    client = WebClient(token=reveal(settings.slack_bot_token), base_url=settings.slack_api_url, timeout=10)
    try:
        client.auth_test()
        if settings.slack_app_token:
            client.apps_connections_open(app_token=settings.slack_app_token.get_secret_value())
    except OSError as error:
        note(f"Slack does not answer ({error}); the bot goes on trying.")


def run_services(commands: Mapping[str, Sequence[str]], what: str) -> None:
    """Supervise in the foreground until a signal."""
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    note(f"Running {what}. Ctrl-C stops all.")
    supervise(commands, stop, note)
    note("Stopped.")


@contextmanager
def services_beside(commands: Mapping[str, Sequence[str]], log: Path) -> Iterator[None]:
    """Supervise in a thread for as long as the context lasts; the terminal is for the conversation."""
    stop = threading.Event()
    thread = threading.Thread(target=supervise, args=(commands, stop, note, log), name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def show_demo(app: Application, folder: Path, *, questions: bool) -> None:
    """Index the example company and, if wanted, ask the first questions about it."""
    note("Indexing the example company …")
    with index_progress() as progress:
        report = index_paths(app.indexing, [folder / "company"], "default", progress)
    note(describe_index(report))
    if not questions:
        return
    note("Loading the model …")
    app.chain()
    for line in (folder / "questions" / "first.txt").read_text(encoding="utf-8").splitlines():
        if line.strip():
            click.secho(f"\n{line.strip()}", bold=True)
            with answer_display() as show:
                ask(app.pool, app.answer, Question(line.strip()), show)


def run_console(app: Application) -> None:
    """Answer the person at the terminal until they leave."""
    import readline  # noqa: F401 - its import gives `input` line editing and a history

    def ask_here(question: Question) -> StoredAnswer:
        with answer_display() as show:
            return ask(app.pool, app.answer, question, show)

    def vote_here(answer_id: UUID, value: int) -> None:
        with app.pool.connection() as conn:
            vote(conn, answer_id, PERSON, 1 if value > 0 else -1)

    converse(ask_here, vote_here, read=input, write=click.echo)
