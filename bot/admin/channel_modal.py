"""`/journeyman channel`: how this channel is answered, shown and set in a modal, by admins and the channel's creator.

Everybody may look; who may set it is asked when the form comes back, since a form is only what somebody sent us.
"""

from collections.abc import Sequence
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
from bot.questions.channels import ChannelSettings, channel_settings, collections, languages, save_channel
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
    channel_id, person = channel_in(view), str(body["user"]["id"])
    try:
        principals = personal(runtime, person)
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            by_admin = is_admin(conn, runtime.client, person)
            if not may_set(conn, channel_id, person, runtime, by_admin=by_admin):
                ack(response_action="errors", errors={ANSWERS: NOT_YOURS})
                return
            settings = _completed(conn, settings_in(view), channel_id, principals, by_admin=by_admin)
            save_channel(conn, channel_id, settings, person)
    except psycopg.Error as error:
        log.error("channel_not_saved", channel=channel_id, error=error_code(error))
        ack(response_action="errors", errors={ANSWERS: NOT_SAVED})
        return
    ack(response_action="update", view=saved_modal(channel_id, settings))


def _completed(
    conn: Connection[Any], settings: ChannelSettings, channel_id: str, principals: Sequence[str], *, by_admin: bool
) -> ChannelSettings:
    """Completes the form's settings with what its sender cannot set: whom admins trust, and what they may not read."""
    before = channel_settings(conn, channel_id)
    # Whom an admin sends is named by an admin; the channel's creator cannot give anybody that trust.
    settings = replace(settings, trusted_experts=settings.experts if by_admin else before.trusted_experts)
    if settings.collections is None:
        return settings
    # What is searched by name is what was there when the form was opened. What its sender may not read was not in it.
    readable = readable_collections(conn, principals)
    untouched = {name for name in before.collections or () if name not in readable}
    names = sorted((set(settings.collections) & readable | untouched) & set(collections(conn)))
    return replace(settings, collections=names or None)


def may_set(conn: Connection[Any], channel_id: str, person: str, runtime: Runtime, *, by_admin: bool) -> bool:
    """Whether the person is an admin or made the channel; the audit log has either."""
    allowed = by_admin or _made(channel_id, person, runtime)
    audit.record(conn, person, "channel", allowed=allowed, detail={"channel": channel_id})
    return allowed


def _made(channel_id: str, person: str, runtime: Runtime) -> bool:
    """Whether Slack says that the person created the channel. Whoever is not known for sure to have, has not."""
    try:
        info = runtime.client.conversations_info(channel=channel_id)["channel"]
    except SLACK_ERRORS as error:
        log.warning("creator_unknown", channel=channel_id, error=error_code(error))
        return False
    return bool(info.get("creator")) and info["creator"] == person
