"""Slack's events, buttons and commands: each listener translates and calls one function.

Events that the inbox takes come as values (`bot.slack.events`), everything else through Bolt. Bolt fills in arguments
by their positional names and runs the first listener that matches, so what we bind is keyword-only.
"""

from functools import partial
from typing import Any

import structlog
from slack_bolt import App
from structlog.contextvars import bound_contextvars

from bot.admin import channel_modal, collections, comparison, export, installation, reindexing, tuning
from bot.admin.commands import Subcommand, on_button, on_command, on_reindex
from bot.admin.reindex_view import CANCEL_ACTION
from bot.feedback import review_listeners, thumbs
from bot.home import tab
from bot.inbox import Inbox, receive_first
from bot.questions import asking_privately, experts, passages, sharing
from bot.questions.asking import receive, receive_change
from bot.questions.experts import receive_reply
from bot.questions.suggestions import suggest
from bot.runtime import Runtime
from bot.slack.events import Post, PostChange, Reaction, SlackEvent
from bot.slack.workspace import error_code

log = structlog.get_logger(__name__)

# What `/journeyman` understands: each module's subcommands, in the order of the help.
SUBCOMMANDS: dict[str, Subcommand] = {
    subcommand.name: subcommand
    for subcommand in (
        *installation.SUBCOMMANDS,
        *channel_modal.SUBCOMMANDS,
        *collections.SUBCOMMANDS,
        *comparison.SUBCOMMANDS,
        *export.SUBCOMMANDS,
        *review_listeners.SUBCOMMANDS,
        *tuning.SUBCOMMANDS,
    )
}


def register(app: App, runtime: Runtime, inbox: Inbox) -> None:
    """Registers every listener of the bot, in one place."""
    app.middleware(partial(receive_first, inbox=inbox))
    app.event("app_mention")(pass_over)
    app.event("message")(pass_over)
    app.event("reaction_added")(pass_over)
    app.event("reaction_removed")(pass_over)
    app.event("app_home_opened")(partial(on_app_opened, runtime=runtime))
    thumbs.register(app, runtime)
    review_listeners.register(app, runtime)
    tab.register(app, runtime)
    asking_privately.register(app, runtime)
    sharing.register(app, runtime)
    channel_modal.register(app, runtime)
    experts.register(app, runtime)
    passages.register(app, runtime)
    app.command("/ask")(partial(asking_privately.on_ask, runtime=runtime))
    app.command("/journeyman")(partial(on_command, subcommands=SUBCOMMANDS, runtime=runtime))
    app.command("/reindex")(partial(on_reindex, run=reindexing.reindex, runtime=runtime))
    app.action(CANCEL_ACTION)(partial(on_button, run=reindexing.cancel, runtime=runtime))
    app.error(on_error)


def on_event(event: SlackEvent, *, runtime: Runtime) -> None:
    """Deals with an event that the inbox took, and acknowledged. Never raises."""
    try:
        with bound_contextvars(request=event.event_id):
            match event:
                case Post():
                    on_post(event, runtime)
                case PostChange():
                    receive_change(event, runtime)
                case Reaction():
                    thumbs.on_reaction(event, runtime)
    except Exception as error:  # noqa: BLE001 - the edge: Bolt, which would log it, is not around us here
        on_error(error, {"type": "event_callback", "event_id": event.event_id})


def on_post(post: Post, runtime: Runtime) -> None:
    """Deals with a post: a reply in a thread may be an expert's, everything else may be a question."""
    if post.addressee in ("thread", "somebody") and receive_reply(post, runtime):
        return
    receive(post, runtime)


def pass_over() -> None:
    """Does nothing about events that the inbox does not take, such as what bots write: Bolt acknowledges them."""


def on_app_opened(event: dict[str, Any], *, runtime: Runtime) -> None:
    """Fills the tab of the app that somebody looks at."""
    if event.get("tab") == "home":
        tab.on_home_opened(event, runtime=runtime)
    elif event.get("tab") == "messages":
        suggest(str(event.get("channel", "")), str(event.get("user", "")), runtime)


def on_error(error: Exception, body: dict[str, Any]) -> None:
    """Logs what no listener caught. Bolt would log the exception's text, which may hold a message's words."""
    log.error("listener_failed", type=body.get("type"), event_id=body.get("event_id"), error=error_code(error))
