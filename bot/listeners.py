"""Slack's events, buttons and commands: each listener translates and calls one function.

Bolt fills in arguments by their positional names and runs the first listener that matches, so there is one
`message` listener, and what we bind is keyword-only.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from slack_bolt import App
from structlog.contextvars import bound_contextvars

from bot.admin import channel_modal, collections, comparison, export, installation, reindexing, tuning
from bot.admin.commands import Word, on_command
from bot.admin.reindex_view import CANCEL_ACTION
from bot.feedback import review_listeners, thumbs
from bot.home import tab
from bot.inbox import Inbox, keep_first
from bot.questions import asking_privately, experts, passages
from bot.questions.asking import receive, receive_change
from bot.questions.experts import heard_expert
from bot.questions.suggestions import suggest
from bot.runtime import Runtime
from bot.slack.routing import change, route
from bot.slack.workspace import error_code

log = structlog.get_logger(__name__)

# What `/journeyman` understands: each module's words, in the order of the help.
WORDS: dict[str, Word] = {
    word.name: word
    for word in (
        *installation.WORDS,
        *channel_modal.WORDS,
        *collections.WORDS,
        *comparison.WORDS,
        *export.WORDS,
        *review_listeners.WORDS,
        *tuning.WORDS,
    )
}


def register(app: App, runtime: Runtime, inbox: Inbox) -> None:
    """Every listener of the bot, in one place."""
    app.middleware(partial(keep_first, inbox=inbox))
    app.event("app_mention")(partial(on_post, runtime=runtime))
    app.event("message")(partial(on_post, runtime=runtime))
    app.event("reaction_added")(partial(thumbs.on_reaction, runtime=runtime))
    app.event("reaction_removed")(partial(thumbs.on_reaction, runtime=runtime))
    app.event("app_home_opened")(partial(on_app_opened, runtime=runtime))
    thumbs.register(app, runtime)
    review_listeners.register(app, runtime)
    tab.register(app, runtime)
    asking_privately.register(app, runtime)
    channel_modal.register(app, runtime)
    experts.register(app, runtime)
    passages.register(app, runtime)
    app.command("/ask")(partial(asking_privately.on_ask, runtime=runtime))
    app.command("/journeyman")(partial(on_command, words=WORDS, runtime=runtime))
    app.command("/reindex")(partial(reindexing.on_reindex, runtime=runtime))
    app.action(CANCEL_ACTION)(partial(reindexing.on_cancel, runtime=runtime))
    app.error(on_error)


def on_post(body: dict[str, Any], event: dict[str, Any], *, runtime: Runtime) -> None:
    """A message that this bot may see."""
    event_id = str(body.get("event_id", ""))
    with bound_contextvars(request=event_id):
        if changed := change(event, runtime.identity):
            receive_change(changed, runtime)
        elif not heard_expert(event, event_id, runtime):
            receive(route(event, event_id, runtime.identity), runtime)


def on_kept(event_id: str, event: Mapping[str, Any], *, runtime: Runtime) -> None:
    """An event out of the inbox, which was acknowledged when it was put there. Never raises."""
    body = {"type": "event_callback", "event_id": event_id}
    try:
        if event["type"] in ("reaction_added", "reaction_removed"):
            with bound_contextvars(request=event_id):
                thumbs.on_reaction(dict(event), runtime=runtime)
        else:
            on_post(body, dict(event), runtime=runtime)
    except Exception as error:  # noqa: BLE001 - the edge: Bolt, which would log it, is not around us here
        on_error(error, body)


def on_app_opened(event: dict[str, Any], *, runtime: Runtime) -> None:
    """Somebody looks at one of the app's tabs."""
    if event.get("tab") == "home":
        tab.on_home_opened(event, runtime=runtime)
    elif event.get("tab") == "messages":
        suggest(str(event.get("channel", "")), str(event.get("user", "")), runtime)


def on_error(error: Exception, body: dict[str, Any]) -> None:
    """What no listener caught. Bolt would log the exception's text, which may hold a message's words."""
    log.error("listener_failed", type=body.get("type"), event_id=body.get("event_id"), error=error_code(error))
