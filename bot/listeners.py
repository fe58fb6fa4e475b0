"""Slack's events, buttons and commands: each listener translates and calls one function.

Bolt fills in arguments by their positional names and runs the first listener that matches, so there is one
`message` listener, and what we bind is keyword-only.
"""

import re
from functools import partial
from typing import Any

import psycopg
import structlog
from slack_bolt import Ack, App

from bot import admin, reindexing, views
from bot.asking import INTAKE_TIMEOUT, Runtime, receive
from bot.commands import Word, on_command
from bot.feedback import Thumb, read_button, vote
from bot.reindex_view import CANCEL_ACTION
from bot.routing import route
from bot.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

# What `/journeyman` understands: each module's words, in the order of the help.
WORDS: dict[str, Word] = {word.name: word for word in (*admin.WORDS,)}


def register(app: App, runtime: Runtime) -> None:
    """Every listener of the bot, in one place."""
    app.event("app_mention")(partial(on_post, runtime=runtime))
    app.event("message")(partial(on_post, runtime=runtime))
    app.action(re.compile("|".join(views.THUMB_ACTIONS)))(partial(on_thumb, runtime=runtime))
    app.command("/journeyman")(partial(on_command, words=WORDS, runtime=runtime))
    app.command("/reindex")(partial(reindexing.on_reindex, runtime=runtime))
    app.action(CANCEL_ACTION)(partial(reindexing.on_cancel, runtime=runtime))
    app.error(on_error)


def on_post(body: dict[str, Any], event: dict[str, Any], *, runtime: Runtime) -> None:
    """A message that this bot may see. Bolt acknowledged it before it called us."""
    receive(route(event, str(body.get("event_id", "")), runtime.identity), runtime)


def on_thumb(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """A thumb under an answer: counted, and only the person who pressed it is told."""
    ack()
    thumb = read_button(str(action.get("value", "")))
    if thumb is None:
        log.warning("unknown_thumb", action_id=action.get("action_id"))
        return
    _tell(body, _counted(thumb, body["user"]["id"], runtime), runtime)


def on_error(error: Exception, body: dict[str, Any]) -> None:
    """What no listener caught. Bolt would log the exception's text, which may hold a message's words."""
    log.error("listener_failed", type=body.get("type"), event_id=body.get("event_id"), error=error_code(error))


def _counted(thumb: Thumb, person: str, runtime: Runtime) -> str:
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            known = vote(conn, thumb.answer_id, person, thumb.value)
    except psycopg.Error as error:
        log.error("thumb_not_counted", answer_id=str(thumb.answer_id), error=error_code(error))
        return views.VOTE_FAILED
    return views.vote_counted(thumb.value) if known else views.NO_SUCH_ANSWER


def _tell(body: dict[str, Any], text: str, runtime: Runtime) -> None:
    message = body.get("message") or {}
    try:
        runtime.client.chat_postEphemeral(
            channel=body["channel"]["id"],
            user=body["user"]["id"],
            thread_ts=message.get("thread_ts"),
            text=text,
        )
    except SLACK_ERRORS as error:
        log.warning("voter_not_told", error=error_code(error))
