"""`/journeyman WORD …` and `/reindex`: who used the command, whether they may, and what they are told came of it.

Each subcommand is one function, listed in `bot.listeners`. It returns a text that the person alone sees, or None if it
has shown something itself, such as a modal. Those for admins are authorized here and written to the audit log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
    "you, or make you an admin."
)
ASK = "• `/ask QUESTION` gives an answer that you alone see"
REINDEX = "• `/reindex [all | collection | document] [--dry-run] [--force]` brings the index up to date _(admins)_"
FAILED = "I could not do that: something failed on my side, and my log says what."
NO_DATABASE = "I cannot do that right now: my database does not respond. Please try again in a few minutes."


@dataclass(frozen=True, slots=True)
class Command:
    """One use of a slash command, or of a button that stands for one; `rest` is what stands behind its first word."""

    person: str
    channel: str
    trigger_id: str
    rest: str
    respond: Respond
    ack: Ack


Run = Callable[[Command, Runtime], str | None]
"""Does what a command is for: returns what the person is told, None if they see something else."""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A word of `/journeyman`: `usage` and `meaning` are its line in the help.

    One that `changes` something is acknowledged once it is done, so that it is not forgotten if this process is killed.
    """

    name: str
    usage: str
    meaning: str
    run: Run
    admins: bool = False
    changes: bool = False


def on_command(
    ack: Ack, respond: Respond, command: dict[str, Any], *, subcommands: Mapping[str, Subcommand], runtime: Runtime
) -> None:
    """`/journeyman`: acknowledged, and answered for the person alone."""
    name, _, rest = str(command.get("text") or "").strip().partition(" ")
    subcommand = subcommands.get(name.lower())
    if subcommand is None:
        unknown = f"I don't know `/journeyman {plain(name)}`.\n\n" if name and name.lower() != "help" else ""
        ack(unknown + help_text(list(subcommands.values())))
        return
    if not subcommand.changes:
        ack()
    call = read_command(command, rest.strip(), respond, ack)
    carry_out(call, f"/journeyman {subcommand.name}", partial(_run, subcommand), runtime)


def on_reindex(ack: Ack, respond: Respond, command: dict[str, Any], *, run: Run, runtime: Runtime) -> None:
    """`/reindex`: acknowledged by `run` once the run is kept; what goes wrong, the person alone is told."""
    carry_out(read_command(command, str(command.get("text") or ""), respond, ack), "/reindex", run, runtime)


def on_button(
    ack: Ack, respond: Respond, body: dict[str, Any], action: dict[str, Any], *, run: Run, runtime: Runtime
) -> None:
    """A button that does what a command does, with its value as the command's text."""
    payload = {"user_id": body["user"]["id"], "channel_id": (body.get("channel") or {}).get("id", "")}
    carry_out(read_command(payload, str(action.get("value", "")), respond, ack), action["action_id"], run, runtime)


def read_command(payload: Mapping[str, Any], rest: str, respond: Respond, ack: Ack) -> Command:
    """Reads the parts of Slack's payload that commands use."""
    return Command(
        person=str(payload.get("user_id", "")),
        channel=str(payload.get("channel_id", "")),
        trigger_id=str(payload.get("trigger_id", "")),
        rest=rest,
        respond=respond,
        ack=ack,
    )


def carry_out(command: Command, name: str, run: Run, runtime: Runtime) -> None:
    """Runs a command, acknowledges it unless that was done before, and tells the person what it says.

    Never raises: a failure becomes a sentence.
    """
    try:
        with bound_contextvars(request=f"{name.strip('/').replace(' ', '-')}-{uuid4().hex[:12]}"):
            text = run(command, runtime)
    except psycopg.Error as error:
        log.error("command_failed", command=name, error=error_code(error))
        text = NO_DATABASE
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the person is told
        log.error("command_failed", command=name, error=error_code(error))
        text = FAILED
    if command.ack.response is None:
        command.ack()
    if text is not None:
        reply(command, text, runtime)


def reply(command: Command, text: str, runtime: Runtime) -> None:
    """Tells the person alone: where they typed the command, or in a direct message if Slack does not let us."""
    respond = command.respond
    try:
        if respond.response_url and respond(text=text, response_type="ephemeral").status_code == 200:
            return
    except SLACK_ERRORS as error:
        log.warning("response_url_failed", error=error_code(error))
    try:
        runtime.client.chat_postEphemeral(channel=command.channel, user=command.person, text=text)
    except SLACK_ERRORS as error:
        log.warning("person_not_told_in_channel", error=error_code(error))
        send_direct(command.person, text, runtime)


def send_direct(person: str, text: str, runtime: Runtime) -> str | None:
    """Sends a direct message; returns the id of its conversation, or None if Slack does not take it."""
    try:
        return post_direct(runtime.client, person, text=text)[0]
    except SLACK_ERRORS as error:
        log.error("person_not_told", error=error_code(error))
        return None


def help_text(subcommands: Sequence[Subcommand]) -> str:
    """Explains how to ask, and lists every subcommand with its meaning."""
    lines = [f"• `{word.usage}` {word.meaning}{' _(admins)_' if word.admins else ''}" for word in subcommands]
    return "\n".join([views.HELP, "", ASK, REINDEX, *lines])


def _run(subcommand: Subcommand, command: Command, runtime: Runtime) -> str | None:
    if subcommand.admins:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            if not authorize(conn, runtime.client, command.person, subcommand.name, {"text": command.rest[:200]}):
                return REFUSED.format(command=f"`/journeyman {subcommand.name}`")
    return subcommand.run(command, runtime)
