"""`/journeyman channel`: how this channel is answered, shown and set in a modal, by admins and the channel's creator.

Everybody may look; who may set it is asked when the form comes back, since a form is only what somebody sent us.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from slack_bolt import Ack, App

from bot.admin import audit
from bot.admin.authorization import is_admin
from bot.admin.channel_views import (
    ANSWERS,
    FORM,
    NOT_IN_DIRECT,
    NOT_SAVED,
    NOT_YOURS,
    channel_form,
    channel_in,
    saved_modal,
    settings_in,
)
from bot.admin.commands import Command, Subcommand
from bot.questions.channels import channel_settings, collections, languages, save_channel
from bot.questions.readers import personal, readable_collections
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)


def register(app: App, runtime: Runtime) -> None:
    """Registers the form; the command that opens it is a subcommand of `/journeyman`."""
    app.view(FORM)(partial(on_submitted, runtime=runtime))


def channel(command: Command, runtime: Runtime) -> str | None:
    """Opens the form, filled in with the channel's present settings."""
    if command.channel.startswith("D"):
        return NOT_IN_DIRECT
    principals = personal(runtime, command.person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        settings = channel_settings(conn, command.channel)
        names = sorted(readable_collections(conn, principals))
        form = channel_form(command.channel, settings, names, languages(conn))
    runtime.client.views_open(trigger_id=command.trigger_id, view=form)
    return None


SUBCOMMANDS = (Subcommand("channel", "/journeyman channel", "shows and sets how this channel is answered", channel),)


def on_submitted(ack: Ack, body: dict[str, Any], view: dict[str, Any], *, runtime: Runtime) -> None:
    """Saves the form if its sender may; it closes with a word about it, or stays and says why not."""
    place, person = channel_in(view), str(body["user"]["id"])
    try:
        principals = personal(runtime, person)
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            by_admin = is_admin(conn, runtime.client, person)
            if not may_set(conn, place, person, runtime, by_admin=by_admin):
                ack(response_action="errors", errors={ANSWERS: NOT_YOURS})
                return
            settings = settings_in(view)
            # Whom an admin sends is named by an admin; the channel's creator cannot give anybody that trust.
            trusted = settings.experts if by_admin else channel_settings(conn, place).trusted_experts
            settings = replace(settings, trusted_experts=trusted)
            if settings.collections is not None:  # what is searched by name is what was there when the form was opened
                before = channel_settings(conn, place).collections or ()
                readable = readable_collections(conn, principals)
                # One that its sender may not read was not in the form: it stays as it was set.
                untouched = {name for name in before if name not in readable}
                names = sorted((set(settings.collections) & readable | untouched) & set(collections(conn)))
                settings = replace(settings, collections=names or None)
            save_channel(conn, place, settings, person)
    except psycopg.Error as error:
        log.error("channel_not_saved", channel=place, error=error_code(error))
        ack(response_action="errors", errors={ANSWERS: NOT_SAVED})
        return
    ack(response_action="update", view=saved_modal(place, settings))


def may_set(conn: Connection[Any], place: str, person: str, runtime: Runtime, *, by_admin: bool) -> bool:
    """Whether the person is an admin or made the channel; the audit log has either."""
    allowed = by_admin or _made(place, person, runtime)
    audit.record(conn, person, "channel", allowed=allowed, detail={"channel": place})
    return allowed


def _made(place: str, person: str, runtime: Runtime) -> bool:
    """Whether Slack says that the person created the channel. Whoever is not known for sure to have, has not."""
    try:
        info = runtime.client.conversations_info(channel=place)["channel"]
    except SLACK_ERRORS as error:
        log.warning("creator_unknown", channel=place, error=error_code(error))
        return False
    return bool(info.get("creator")) and info["creator"] == person
