"""What the documents don't say, people may: a channel's experts are asked in the thread, and their reply can be kept.

The request is a row, so that it is made once, and that an expert's reply in its thread is known for what it is: it is
no question to the bot. One click makes the reply a verified answer, which search finds from then on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import class_row
from slack_bolt import Ack, App

from bot.admin import audit
from bot.admin.authorization import is_admin
from bot.claims import claim_event
from bot.feedback.review import ExpertReply, save_verified
from bot.questions import views
from bot.questions.channels import channel_settings
from bot.questions.classifier import question_score
from bot.questions.expert_views import (
    APPROVED_BEFORE,
    ASKED_BEFORE,
    NO_EXPERTS,
    NO_EXPERTS_HERE,
    NOT_FOUND,
    NOT_POSTED,
    NOT_YOURS,
    offer_message,
    request_text,
    saved_here_text,
    saved_text,
)
from bot.questions.readers import said_to
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import section
from bot.slack.events import Post, clean_reply, kind_of
from bot.slack.notify import notify
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

LEAST_WORDS = 3  # of a reply that is worth keeping

_ANSWER = """
SELECT id, channel, coalesce(thread_ts, question_ts) AS thread_ts, question, asked_by FROM answer
WHERE id = %(id)s AND channel IS NOT NULL AND (NOT private OR asked_by = %(person)s)
"""
_REQUEST = """
INSERT INTO expert_request (answer_id, channel, thread_ts, asked_by, experts, posted, owner)
VALUES (%(id)s, %(channel)s, %(thread_ts)s, %(pressed_by)s, %(experts)s, false, %(owner)s)
ON CONFLICT (answer_id) DO NOTHING
RETURNING answer_id
"""
_POSTED = "UPDATE expert_request SET thread_ts = %(thread_ts)s, posted = true WHERE answer_id = %(id)s"
_ADOPT = """
UPDATE expert_request r SET owner = %(owner)s FROM answer a
WHERE a.id = r.answer_id AND NOT r.posted AND (r.owner IS NULL OR r.owner = ANY(%(gone)s))
RETURNING r.answer_id AS id, r.channel, nullif(r.thread_ts, '') AS thread_ts, a.question, a.asked_by,
          r.asked_by AS pressed_by, r.experts
"""
_WITHDRAW = "DELETE FROM expert_request WHERE answer_id = %(id)s"
_OPEN = """
SELECT answer_id FROM expert_request
WHERE channel = %(channel)s AND thread_ts = %(thread_ts)s AND %(person)s = ANY (experts) AND saved_at IS NULL
ORDER BY asked_at DESC
LIMIT 1
"""
_EXPERTS = "SELECT experts, channel, thread_ts FROM expert_request WHERE answer_id = %(id)s"
_APPROVED = "SELECT EXISTS (SELECT FROM verified_answer WHERE answer_id = %(id)s AND NOT awaits_admin)"
_SAVED = "UPDATE expert_request SET saved_at = now() WHERE answer_id = %(id)s"


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """A question that people may answer; `thread_ts` is None for one that was asked privately."""

    id: UUID
    channel: str
    thread_ts: str | None
    question: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class ExpertRequest:
    """A question that goes to `experts`, because `pressed_by` wants it to; the rest as in `UnansweredQuestion`."""

    id: UUID
    channel: str
    thread_ts: str | None
    question: str
    asked_by: str
    pressed_by: str
    experts: Sequence[str]


class NotSaved(Exception):
    """A reply that is not kept; the message tells its sender why."""


def register(app: App, runtime: Runtime) -> None:
    """Registers the button below "the documents don't say", and the one below an expert's reply."""
    app.action("ask_person")(partial(on_ask_person, runtime=runtime))
    app.action("save_reply")(partial(on_save, runtime=runtime))


def on_ask_person(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Mentions the channel's experts in the question's thread, once."""
    person, channel = body["user"]["id"], body["channel"]["id"]
    request: ExpertRequest | str
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            request = begin_request(conn, UUID(str(action["value"])), person, runtime.owner)
    except psycopg.Error as error:
        log.error("experts_not_asked", error=error_code(error))
        request = views.NO_DATABASE
    ack()
    if isinstance(request, str):
        _notify(channel, person, body, request, runtime)
        return
    try:
        post_request(request, runtime)
    except psycopg.Error as error:
        log.error("expert_request_not_saved", error=error_code(error))


def on_save(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Keeps an expert's reply as a verified answer: for the experts who were asked, and for admins."""
    person, channel = body["user"]["id"], body["channel"]["id"]
    answer_id, _, ts = str(action.get("value", "")).partition(" ")
    try:
        text = _save(UUID(answer_id), ts, person, runtime)
    except NotSaved as error:
        ack()
        _notify(channel, person, body, str(error), runtime)
    except psycopg.Error as error:
        log.error("reply_not_saved", error=error_code(error))
        ack()
        _notify(channel, person, body, views.NO_DATABASE, runtime)
    else:
        ack()
        _show_saved(channel, body, person, text, runtime)


def receive_reply(post: Post, runtime: Runtime) -> bool:
    """Whether a post in a thread is an expert's reply; offers to keep it as an answer if it may be one.

    A reply that mentions the bot, or asks something, is none. While Postgres is down nobody is known as an expert.
    """
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            reply = {"channel": post.channel, "thread_ts": post.thread_ts, "person": post.person}
            row = conn.execute(_OPEN, reply).fetchone()
            if row is None:
                return False
            new = claim_event(conn, f"expert:{post.channel}:{post.ts}")
    except psycopg.Error as error:
        log.error("expert_unknown", error=error_code(error))
        return False
    if new and is_worth_keeping(post.text):
        _offer(row[0], post, runtime)
    return True


def is_worth_keeping(text: str) -> bool:
    """Says whether a reply may be an answer: neither small talk, nor a question back, nor a word or two."""
    return kind_of(text) == "question" and len(text.split()) >= LEAST_WORDS and question_score(text) < 0.5


def begin_request(conn: Connection[Any], answer_id: UUID, person: str, owner: int) -> ExpertRequest | str:
    """Begins a request to be posted by `owner`, or says why not: a private question is its asker's to tell."""
    with conn.cursor(row_factory=class_row(UnansweredQuestion)) as cursor:
        question = cursor.execute(_ANSWER, {"id": answer_id, "person": person}).fetchone()
    if question is None:
        return views.NO_SUCH_ANSWER
    experts = channel_settings(conn, question.channel).experts
    if not experts:
        return NO_EXPERTS_HERE if question.channel.startswith("D") else NO_EXPERTS
    parameters = {"id": answer_id, "channel": question.channel, "thread_ts": question.thread_ts or "", "owner": owner}
    if conn.execute(_REQUEST, {**parameters, "pressed_by": person, "experts": list(experts)}).fetchone() is None:
        return ASKED_BEFORE
    return ExpertRequest(**asdict(question), pressed_by=person, experts=experts)


def post_request(request: ExpertRequest, runtime: Runtime) -> None:
    """Mentions the experts; who pressed the button is told if Slack does not let us. Raises psycopg.Error."""
    text = request_text(request.experts, request.asked_by, request.question)
    try:
        response = runtime.client.chat_postMessage(channel=request.channel, thread_ts=request.thread_ts, text=text)
    except SLACK_ERRORS as error:
        log.error("experts_not_asked", channel=request.channel, error=error_code(error))
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            conn.execute(_WITHDRAW, {"id": request.id})
        notify(runtime.client, request.pressed_by, request.channel, NOT_POSTED, thread_ts=request.thread_ts)
        return
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        conn.execute(_POSTED, {"id": request.id, "thread_ts": request.thread_ts or str(response["ts"])})


def adopt_requests(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[ExpertRequest]:
    """Makes the requests that processes which are gone did not post `owner`'s."""
    with conn.cursor(row_factory=class_row(ExpertRequest)) as cursor:
        return cursor.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()


def _offer(answer_id: UUID, post: Post, runtime: Runtime) -> None:
    message = offer_message(answer_id, post.person, post.ts)
    try:
        runtime.client.chat_postMessage(
            channel=post.channel, thread_ts=post.thread_ts, text=message.text, blocks=message.blocks
        )
    except SLACK_ERRORS as error:
        log.error("offer_not_made", channel=post.channel, error=error_code(error))


def _save(answer_id: UUID, ts: str, person: str, runtime: Runtime) -> str:
    """Returns whom the saved reply is for, in a sentence. Raises NotSaved, psycopg.Error.

    What an admin or an expert named by one saves is for whoever could read the reply. What others save is for the
    channel alone until an admin approves it: else whoever makes a channel could tell the whole company anything.
    """
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        channel, thread_ts, trusted = _may_save(conn, answer_id, person, runtime)
    reply = _read_reply(channel, thread_ts, ts, runtime)
    if reply is None:
        raise NotSaved(NOT_FOUND)
    author, text = reply
    written_by = author if author != person else None
    source = ExpertReply(channel, said_to(runtime, channel), awaits_admin=not trusted)
    verified = save_verified(runtime, answer_id, text, verified_by=person, written_by=written_by, reply=source)
    if verified is None:
        raise NotSaved(views.NO_SUCH_ANSWER)
    detail = {"answer": str(answer_id), "verified": verified.number, "channel": channel, "awaits_admin": not trusted}
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        audit.record(conn, person, "verified save", detail=detail)
        conn.execute(_SAVED, {"id": answer_id})
    return saved_text(person) if trusted else saved_here_text(person)


def _may_save(conn: Connection[Any], answer_id: UUID, person: str, runtime: Runtime) -> tuple[str, str, bool]:
    """Returns channel and thread of a request whose reply the person may save, and whether an admin trusts them.

    Raises NotSaved if they may not.
    """
    row = conn.execute(_EXPERTS, {"id": answer_id}).fetchone()
    if row is None:
        raise NotSaved(views.NO_SUCH_ANSWER)
    experts, channel, thread_ts = row
    trusted = is_admin(conn, runtime.client, person)
    if person not in experts and not trusted:
        raise NotSaved(NOT_YOURS)
    trusted = trusted or person in channel_settings(conn, channel).trusted_experts
    ((is_approved,),) = conn.execute(_APPROVED, {"id": answer_id}).fetchall()
    if is_approved and not trusted:
        raise NotSaved(APPROVED_BEFORE)
    return channel, thread_ts, trusted


def _read_reply(channel: str, thread_ts: str, ts: str, runtime: Runtime) -> tuple[str, str] | None:
    """Reads who wrote a reply, and its words as they are now: it is theirs, and not kept, until it is saved."""
    try:
        response = runtime.client.conversations_replies(
            channel=channel, ts=thread_ts, oldest=ts, latest=ts, inclusive=True
        )
    except SLACK_ERRORS as error:
        log.error("reply_not_read", channel=channel, error=error_code(error))
        return None
    for message in response.get("messages") or []:
        if message.get("ts") == ts:
            text = clean_reply(str(message.get("text") or ""), runtime.identity)
            return (str(message["user"]), text) if text else None
    return None


def _show_saved(channel: str, body: Mapping[str, Any], person: str, text: str, runtime: Runtime) -> None:
    ts = str((body.get("message") or {}).get("ts", ""))
    try:
        runtime.client.chat_update(channel=channel, ts=ts, text=text, blocks=[section(text)])
    except SLACK_ERRORS as error:
        log.warning("saved_reply_not_shown", channel=channel, error=error_code(error))
        _notify(channel, person, body, text, runtime)


def _notify(channel: str, person: str, body: Mapping[str, Any], text: str, runtime: Runtime) -> None:
    thread_ts = (body.get("message") or {}).get("thread_ts")
    notify(runtime.client, person, channel, text, thread_ts=thread_ts, response_url=body.get("response_url"))
