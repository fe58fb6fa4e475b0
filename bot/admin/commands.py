"""`/journeyman WORD …`: finds the word, asks whether the person may use it, and tells them what came of it.

Each word is one function, listed in `bot.listeners`. It answers with a text that the person alone sees, or with None
if it has shown something itself, such as a modal. Those for admins are authorized here and written to the audit log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import structlog
from slack_bolt import Ack, Respond
from structlog.contextvars import bound_contextvars

from bot.admin.authorization import authorize
from bot.questions import views
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import plain
from bot.slack.notify import post_direct
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

REFUSED = (
    "I am sorry, {command} is for my admins only. `/journeyman admins` says who they are; any of them can do this for "
    "you, or make you one."
)
ASK = "• `/ask QUESTION` an answer that you alone see"
REINDEX = "• `/reindex [all | collection | document] [--dry-run] [--force]` brings the index up to date _(admins)_"
FAILED = "I could not do that: something failed on my side, and my log says what."
NO_DATABASE = "I cannot do that right now: my database does not respond. Please try again in a few minutes."


@dataclass(frozen=True, slots=True)
class Command:
    """One use of a slash command; `rest` is what stands behind its first word."""

    person: str
    channel: str
    trigger_id: str
    rest: str
    respond: Respond


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A word of `/journeyman`: `usage` and `meaning` are its line in the help.

    One that `changes` something is acknowledged once it is done, so that it is not forgotten if this process is killed.
    """

    name: str
    usage: str
    meaning: str
    run: Callable[[Command, Runtime], str | None]
    admins: bool = False
    changes: bool = False


def on_command(
    ack: Ack, respond: Respond, command: dict[str, Any], *, words: Mapping[str, Subcommand], runtime: Runtime
) -> None:
    """`/journeyman`: acknowledged, and answered for the person alone."""
    name, _, rest = str(command.get("text") or "").strip().partition(" ")
    word = words.get(name.lower())
    if word is None:
        unknown = f"I don't know `/journeyman {plain(name)}`.\n\n" if name and name.lower() != "help" else ""
        ack(unknown + help_text(list(words.values())))
        return
    if not word.changes:
        ack()
    said = said_in(command, rest.strip(), respond)
    carry_out(said, f"/journeyman {word.name}", lambda: _run(word, said, runtime), ack, runtime)


def said_in(command: Mapping[str, Any], rest: str, respond: Respond) -> Command:
    """The parts of Slack's payload that words use."""
    return Command(
        person=str(command.get("user_id", "")),
        channel=str(command.get("channel_id", "")),
        trigger_id=str(command.get("trigger_id", "")),
        rest=rest,
        respond=respond,
    )


def carry_out(said: Command, command: str, run: Callable[[], str | None], ack: Ack, runtime: Runtime) -> None:
    """Runs a command, acknowledges it unless that was done before, and tells the person what it says.

    Never raises: a failure becomes a sentence.
    """
    try:
        with bound_contextvars(request=f"{command.strip('/').replace(' ', '-')}-{uuid4().hex[:12]}"):
            text = run()
    except psycopg.Error as error:
        log.error("command_failed", command=command, error=error_code(error))
        text = NO_DATABASE
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the person is told
        log.error("command_failed", command=command, error=error_code(error))
        text = FAILED
    if ack.response is None:
        ack()
    if text is not None:
        tell(said, text, runtime)


def tell(said: Command, text: str, runtime: Runtime) -> None:
    """Tells the person alone: where they typed the command, or in a direct message if Slack does not let us."""
    try:
        if said.respond.response_url and said.respond(text=text, response_type="ephemeral").status_code == 200:
            return
    except SLACK_ERRORS as error:
        log.warning("response_url_failed", error=error_code(error))
    try:
        runtime.client.chat_postEphemeral(channel=said.channel, user=said.person, text=text)
    except SLACK_ERRORS as error:
        log.warning("not_told_in_channel", error=error_code(error))
        send_direct(said.person, text, runtime)


def send_direct(person: str, text: str, runtime: Runtime) -> str | None:
    """A direct message; returns the id of its conversation, or None if Slack does not take it."""
    try:
        return post_direct(runtime.client, person, text=text)[0]
    except SLACK_ERRORS as error:
        log.error("not_told", error=error_code(error))
        return None


def help_text(words: Sequence[Subcommand]) -> str:
    """How to ask, and every word with its meaning."""
    lines = [f"• `{word.usage}` {word.meaning}{' _(admins)_' if word.admins else ''}" for word in words]
    return "\n".join([views.HELP, "", ASK, REINDEX, *lines])


def _run(word: Subcommand, said: Command, runtime: Runtime) -> str | None:
    if word.admins:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            if not authorize(conn, runtime.client, said.person, word.name, {"text": said.rest[:200]}):
                return REFUSED.format(command=f"`/journeyman {word.name}`")
    return word.run(said, runtime)
