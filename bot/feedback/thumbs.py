"""Listeners of feedback: thumbs pressed, thumbs put under an answer, and the form that asks what was wrong.

A thumb is counted first of all things that can fail, and whoever gave it learns what came of it.
"""

import re
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from slack_bolt import Ack, App

from bot.feedback import complaint_form
from bot.feedback.complaint_form import FormSubject
from bot.feedback.complaints import Reason, complain, goes_to_review
from bot.feedback.votes import Thumb, VoteChange, react, read_button, vote
from bot.questions import views
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import Block
from bot.slack.events import Reaction
from bot.slack.notify import notify
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)


def register(app: App, runtime: Runtime) -> None:
    """Registers the buttons and the form; reactions come through the inbox."""
    app.action(re.compile("|".join(views.THUMB_ACTIONS)))(partial(on_thumb, runtime=runtime))
    app.action(complaint_form.COMPLAIN)(partial(on_complain, runtime=runtime))
    app.view(complaint_form.COMPLAINT)(partial(on_complaint, runtime=runtime))


def on_thumb(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Counts a thumb under an answer, and tells only the person who pressed it. A thumb down asks what was wrong."""
    thumb = read_button(str(action.get("value", "")))
    if thumb is None:
        ack()
        log.warning("thumb_unknown", action_id=action.get("action_id"))
        return
    text = _counted(thumb, body["user"]["id"], runtime)
    ack()
    container = body.get("message") or body.get("container") or {}  # one that a person alone sees has no message
    subject = FormSubject(thumb.answer_id, body["channel"]["id"], container.get("thread_ts"))
    form_opened = thumb.value == -1 and _ask(subject, body, runtime)  # next: its trigger expires after three seconds
    offer = thumb.value == -1 and not form_opened and text == views.vote_counted(-1)
    blocks = complaint_form.with_button(text, subject.answer_id) if offer else None
    _notify(body["user"]["id"], subject, text, runtime, blocks, body.get("response_url"))


def on_reaction(reaction: Reaction, runtime: Runtime) -> None:
    """Counts a thumb that was put under an answer, or taken away, as a vote."""
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            change = react(conn, reaction)
    except psycopg.Error as error:
        log.error("reaction_not_counted", channel=reaction.channel, error=error_code(error))
        if reaction.present:
            where = FormSubject(UUID(int=0), reaction.channel, None)
            _notify(reaction.person, where, views.VOTE_FAILED, runtime)
        return
    if change is not None and reaction.present and reaction.vote == change.vote == -1:
        _offer_form(reaction, change, runtime)


def on_complain(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Opens the form for somebody who gave a thumb by a reaction, which opens none."""
    ack()
    container = body.get("container") or {}
    subject = FormSubject(UUID(str(action["value"])), body["channel"]["id"], container.get("thread_ts"))
    _ask(subject, body, runtime)


def on_complaint(ack: Ack, body: dict[str, Any], view: dict[str, Any], *, runtime: Runtime) -> None:
    """Keeps what the form says. It closes once that is kept; else it says why not and stays."""
    subject, form = complaint_form.read_subject(view), complaint_form.read_form(view)
    if subject is None or form.reason is None:
        ack(response_action="errors", errors={"reason": complaint_form.CHOOSE})
        return
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            text = _kept(conn, subject.answer_id, body["user"]["id"], form.reason, form.correction)
    except psycopg.Error as error:
        log.error("complaint_not_saved", answer_id=str(subject.answer_id), error=error_code(error))
        ack(response_action="errors", errors={"reason": complaint_form.NOT_KEPT})
        return
    ack()
    _notify(body["user"]["id"], subject, text, runtime)


def _kept(conn: psycopg.Connection[Any], answer_id: UUID, person: str, reason: Reason, correction: str | None) -> str:
    """Keeps a complaint and the vote that it is, too; returns what the person is told."""
    if not vote(conn, answer_id, person, -1) or not complain(conn, answer_id, person, reason, correction):
        return views.NO_SUCH_ANSWER
    return complaint_form.TO_REVIEW if goes_to_review(reason, correction) else complaint_form.TO_DOCUMENTS


def _counted(thumb: Thumb, person: str, runtime: Runtime) -> str:
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            exists = vote(conn, thumb.answer_id, person, thumb.value)
    except psycopg.Error as error:
        log.error("thumb_not_counted", answer_id=str(thumb.answer_id), error=error_code(error))
        return views.VOTE_FAILED
    return views.vote_counted(thumb.value) if exists else views.NO_SUCH_ANSWER


def _ask(subject: FormSubject, body: dict[str, Any], runtime: Runtime) -> bool:
    """Opens the form; False if Slack does not."""
    try:
        runtime.client.views_open(trigger_id=body["trigger_id"], view=complaint_form.complaint_form(subject))
    except SLACK_ERRORS as error:
        log.warning("form_not_opened", error=error_code(error))
        return False
    return True


def _offer_form(reaction: Reaction, change: VoteChange, runtime: Runtime) -> None:
    """A reaction brings no trigger for a modal, so a button asks for it."""
    text = views.vote_counted(-1)
    subject = FormSubject(change.answer_id, reaction.channel, change.thread_ts)
    _notify(reaction.person, subject, text, runtime, complaint_form.with_button(text, change.answer_id))


def _notify(
    person: str,
    subject: FormSubject,
    text: str,
    runtime: Runtime,
    blocks: list[Block] | None = None,
    response_url: str | None = None,
) -> None:
    client, thread_ts = runtime.client, subject.thread_ts
    notify(client, person, subject.channel, text, thread_ts=thread_ts, blocks=blocks, response_url=response_url)
