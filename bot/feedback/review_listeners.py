"""Listeners of the review queue: every one of them asks first whether the person is an admin, and audits it.

What changes something is acknowledged once it is done, so that no process that is killed forgets it; only a reply to be
approved, which takes an embedding, is acknowledged at once: until it is approved it stays in the queue. A form keeps
what was typed until it is saved: it closes, or says why not.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from slack_bolt import Ack, App

from bot.admin.authorization import authorize
from bot.admin.commands import REFUSED, Command, Subcommand
from bot.feedback import review_views
from bot.feedback.complaints import documents_fixed
from bot.feedback.review import (
    approve_reply,
    read_answer,
    reject,
    review_queue,
    save_verified,
    verified_answers,
    withdraw,
)
from bot.home.tab import refresh_home
from bot.questions.readers import may_read_answer, personal
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import Block
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

IN_A_MODAL = 20  # answers of the queue that it lists
_REFUSED = REFUSED.format(command="the review queue")


def register(app: App, runtime: Runtime) -> None:
    """Registers the queue's buttons and its form."""
    app.action(review_views.OPEN)(partial(on_open, runtime=runtime))
    app.action(review_views.REJECT)(partial(on_reject, runtime=runtime))
    app.action(review_views.FIXED)(partial(on_fixed, runtime=runtime))
    app.action(review_views.WITHDRAW)(partial(on_withdraw, runtime=runtime))
    app.action(review_views.APPROVE_REPLY)(partial(on_approve_reply, runtime=runtime))
    app.view(review_views.REVIEW)(partial(on_approve, runtime=runtime))


def review(command: Command, runtime: Runtime) -> str | None:
    """`/journeyman review` shows the queue in a modal."""
    principals = personal(runtime, command.person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        view = _queue(conn, principals)
    runtime.client.views_open(trigger_id=command.trigger_id, view=view)
    return None


SUBCOMMANDS = (
    Subcommand("review", "/journeyman review", "shows the answers that people found wrong", review, admins=True),
)


def on_open(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Opens one answer of the queue, on top of the queue's modal or from the Home tab."""
    ack()
    answer_id, person = UUID(str(action["value"])), str(body["user"]["id"])
    try:
        principals = personal(runtime, person)
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            view = _judge(conn, answer_id, person, principals, runtime)
    except psycopg.Error as error:
        log.error("answer_not_read", answer_id=str(answer_id), error=error_code(error))
        view = review_views.outcome_modal(review_views.NOT_SAVED)
    _show(body, view, runtime)


def on_approve(ack: Ack, body: dict[str, Any], view: dict[str, Any], *, runtime: Runtime) -> None:
    """Makes the text, as it is or edited, the verified answer, which search finds when this returns."""
    person, answer_id = body["user"]["id"], UUID(str(view["private_metadata"]))
    text = review_views.text_of(view)
    if not text:
        ack(response_action="errors", errors={"answer": review_views.WITHOUT_TEXT})
        return
    try:
        outcome = _approved(answer_id, text, review_views.text_of(view, "question"), person, runtime)
    except psycopg.Error as error:
        log.error("approval_not_saved", answer_id=str(answer_id), error=error_code(error))
        ack(response_action="errors", errors={"answer": review_views.NOT_SAVED})
        return
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the reviewer is told and keeps the text
        log.error("approval_not_saved", answer_id=str(answer_id), error=error_code(error))
        ack(response_action="errors", errors={"answer": review_views.FAILED})
        return
    ack(response_action="update", view=review_views.outcome_modal(outcome))
    _refresh(view, person, runtime)


def on_reject(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Takes the answer off the queue and leaves it as it was."""
    person, answer_id = body["user"]["id"], UUID(str(action["value"]))
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            outcome = _rejected(conn, answer_id, person, runtime)
    except psycopg.Error as error:
        log.error("rejection_not_saved", answer_id=str(answer_id), error=error_code(error))
        outcome = review_views.NOT_SAVED
    ack()
    _update(body["view"]["id"], review_views.outcome_modal(outcome), runtime)
    _refresh(body["view"], person, runtime)


def on_fixed(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Notes that the documents of an answer were repaired."""
    person, answer_id = body["user"]["id"], UUID(str(action["value"]))
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            if authorize(conn, runtime.client, person, "review fixed", {"answer": str(answer_id)}):
                documents_fixed(conn, answer_id, person)
    except psycopg.Error as error:
        log.error("fix_not_saved", answer_id=str(answer_id), error=error_code(error))
    ack()
    refresh_home(person, runtime)


def on_withdraw(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Takes a verified answer back: from now on nobody finds it."""
    person, number = body["user"]["id"], int(action["value"])
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            if authorize(conn, runtime.client, person, "review withdraw", {"verified": number}):
                withdraw(conn, number)
    except psycopg.Error as error:
        log.error("withdrawal_not_saved", number=number, error=error_code(error))
    ack()
    if body["view"]["type"] == "modal":
        _refresh_queue(body["view"]["id"], person, runtime)
    refresh_home(person, runtime)


def on_approve_reply(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Makes what an expert said in a channel a verified answer for all who could read it there."""
    ack()
    person, number = body["user"]["id"], int(action["value"])
    try:
        problem = _reply_approved(number, person, runtime)
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the reviewer is told
        log.error("reply_not_approved", number=number, error=error_code(error))
        problem = review_views.NOT_APPROVED
    if body["view"]["type"] == "modal":
        if problem is None:
            _refresh_queue(body["view"]["id"], person, runtime)
        else:
            _update(body["view"]["id"], review_views.outcome_modal(problem), runtime)
    refresh_home(person, runtime)


def _reply_approved(number: int, person: str, runtime: Runtime) -> str | None:
    """Returns what stands against it, None if the reply is approved."""
    principals = personal(runtime, person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        if not authorize(conn, runtime.client, person, "review approve", {"verified": number}):
            return _REFUSED
    verified = approve_reply(runtime, number, principals, approved_by=person)
    return review_views.NO_SUCH_REPLY if verified is None else None


def _queue(conn: psycopg.Connection[Any], principals: Sequence[str]) -> Block:
    return review_views.queue_modal(review_queue(conn, IN_A_MODAL), verified_answers(conn, principals, IN_A_MODAL))


def _judge(
    conn: psycopg.Connection[Any], answer_id: UUID, person: str, principals: Sequence[str], runtime: Runtime
) -> Block:
    if not authorize(conn, runtime.client, person, "review", {"answer": str(answer_id)}):
        return review_views.outcome_modal(_REFUSED)
    if not may_read_answer(conn, answer_id, principals):
        return review_views.outcome_modal(review_views.NOT_FOR_YOU)
    answer = read_answer(conn, answer_id)
    return (
        review_views.outcome_modal(review_views.NO_SUCH_ANSWER) if answer is None else review_views.judge_modal(answer)
    )


def _approved(answer_id: UUID, text: str, question: str, person: str, runtime: Runtime) -> str:
    principals = personal(runtime, person)
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        if not authorize(conn, runtime.client, person, "review approve", {"answer": str(answer_id)}):
            return _REFUSED
        if not may_read_answer(conn, answer_id, principals):
            return review_views.NOT_FOR_YOU
        answer = read_answer(conn, answer_id)
    if answer is None:
        return review_views.NO_SUCH_ANSWER
    author = next((complaint.person for complaint in answer.complaints if complaint.correction == text), None)
    verified = save_verified(runtime, answer_id, text, verified_by=person, written_by=author, question=question or None)
    return review_views.NO_SUCH_ANSWER if verified is None else review_views.approved(verified)


def _rejected(conn: psycopg.Connection[Any], answer_id: UUID, person: str, runtime: Runtime) -> str:
    if not authorize(conn, runtime.client, person, "review reject", {"answer": str(answer_id)}):
        return _REFUSED
    return review_views.REJECTED if reject(conn, answer_id, person) else review_views.DECIDED


def _show(body: dict[str, Any], view: Block, runtime: Runtime) -> None:
    """Opens a modal on top of the one in which a button was pressed, or as the first one."""
    try:
        if (body.get("view") or {}).get("type") == "modal":
            runtime.client.views_push(trigger_id=body["trigger_id"], view=view)
        else:
            runtime.client.views_open(trigger_id=body["trigger_id"], view=view)
    except SLACK_ERRORS as error:
        log.error("answer_not_shown", error=error_code(error))


def _refresh(view: dict[str, Any], person: str, runtime: Runtime) -> None:
    """Writes the queue below the form, and the one in the Home tab, anew without what was judged."""
    if view.get("previous_view_id"):
        _refresh_queue(view["previous_view_id"], person, runtime)
    refresh_home(person, runtime)


def _refresh_queue(view_id: str, person: str, runtime: Runtime) -> None:
    try:
        principals = personal(runtime, person)
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            view = _queue(conn, principals)
    except psycopg.Error as error:
        log.error("queue_not_read", error=error_code(error))
        return
    _update(view_id, view, runtime)


def _update(view_id: str, view: Block, runtime: Runtime) -> None:
    try:
        runtime.client.views_update(view_id=view_id, view=view)
    except SLACK_ERRORS as error:
        log.warning("view_not_updated", error=error_code(error))
