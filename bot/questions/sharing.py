"""The button that shares a private answer: everybody in the channel sees it from then on, where it was asked.

That an answer is to be posted is kept in its row, so that another process posts it if this one ends before.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import class_row
from slack_bolt import Ack, App, Respond

from bot.questions import views
from bot.questions.asking_privately import PrivateQuestion, post_of, responder, tell_asker
from bot.questions.posting import Reply
from bot.questions.readers import may_read_answer, readers
from bot.questions.row_values import sources_from_json
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import section
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

NOT_FOR_ALL = "I cannot share this here: it rests on documents that not everybody in this channel may read."
SHARED_BEFORE = "That answer has been shared already, or it is not yours to share."
NOT_SHARED = "Slack did not let me post the answer here. Invite me to the channel and try again."

_SHARE = """
UPDATE answer SET private = false, sharing = true, owner = %(owner)s, response_url = %(response_url)s
WHERE id = %(id)s AND asked_by = %(person)s AND private AND state = 'answered'
RETURNING id, asked_by, channel, coalesce(about_ts, thread_ts) AS about_ts, question, text, sources, response_url
"""
_UNSHARE = "UPDATE answer SET private = true, sharing = false, response_url = NULL WHERE id = %(id)s"
_PLACE = """
UPDATE answer SET thread_ts = coalesce(%(thread_ts)s, thread_ts), answer_ts = %(answer_ts)s, sharing = false,
    response_url = NULL
WHERE id = %(id)s
"""
_ADOPT = """
UPDATE answer SET owner = %(owner)s
WHERE sharing AND (owner IS NULL OR owner = ANY(%(gone)s))
RETURNING id, asked_by, channel, coalesce(about_ts, thread_ts) AS about_ts, question, text, sources, response_url
"""


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """An answer that its asker wants everybody to see, in the thread `about_ts` if it is about one.

    `sources` are those of `retrieval.answering.answer.Source`, as JSON.
    """

    id: UUID
    asked_by: str
    channel: str
    about_ts: str | None
    question: str
    text: str
    sources: Sequence[dict[str, Any]]
    response_url: str | None


def register(app: App, runtime: Runtime) -> None:
    """Registers the button."""
    app.action("share_answer")(partial(on_share, runtime=runtime))


def on_share(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Shares a private answer: acknowledged once it is kept that it is to be posted."""
    answer_id = UUID(str(action.get("value", "")).partition(" ")[0])  # older buttons say the thread, too
    asker = PrivateQuestion(body["channel"]["id"], body["user"]["id"], "", response_url=body.get("response_url"))
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            shared = share_answer(conn, answer_id, asker.person, runtime.owner, asker.response_url)
    except psycopg.Error as error:
        log.error("answer_not_shared", error=error_code(error))
        ack()
        tell_asker(asker, views.NO_DATABASE, runtime)
        return
    ack()
    if shared is None:
        tell_asker(asker, SHARED_BEFORE, runtime)
        return
    try:
        post_shared(shared, runtime)
    except (*SLACK_ERRORS, psycopg.Error) as error:
        log.error("answer_not_shared", error=error_code(error))


def share_answer(
    conn: Connection[Any], answer_id: UUID, person: str, owner: int, response_url: str | None
) -> SharedAnswer | None:
    """Makes a private answer everybody's, to be posted by `owner`; None if it is not private (any more) or not this
    person's. `response_url` as for `bot.questions.answers.begin_answer`.
    """
    values = {"id": answer_id, "person": person, "owner": owner, "response_url": response_url}
    with conn.cursor(row_factory=class_row(SharedAnswer)) as cursor:
        return cursor.execute(_SHARE, values).fetchone()


def adopt_shared(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[SharedAnswer]:
    """Makes the answers that processes which are gone have shared and not posted `owner`'s."""
    with conn.cursor(row_factory=class_row(SharedAnswer)) as cursor:
        return cursor.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()


def post_shared(shared: SharedAnswer, runtime: Runtime) -> None:
    """Posts a shared answer and takes the private one away; tells its asker if Slack does not let us.

    Raises one of SLACK_ERRORS or psycopg.Error: then it is still to be posted.
    """
    asker = PrivateQuestion(shared.channel, shared.asked_by, "", shared.about_ts, shared.response_url)
    if not _may_share(shared, runtime):
        _unshare(shared, asker, NOT_FOR_ALL, runtime)
    elif not _post(shared, asker, runtime):
        _unshare(shared, asker, NOT_SHARED, runtime)
    elif respond := responder(asker):
        with suppress(*SLACK_ERRORS):  # the answer is in the channel, where it matters
            respond(delete_original=True)


def _may_share(shared: SharedAnswer, runtime: Runtime) -> bool:
    """Says whether all who read where it was asked, and is posted, may read what the answer rests on."""
    principals = readers(runtime, shared.channel, shared.asked_by, private=False)
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        return may_read_answer(conn, shared.id, principals)


def _unshare(shared: SharedAnswer, asker: PrivateQuestion, reason: str, runtime: Runtime) -> None:
    """Makes it private again, for it could not be posted, and tells its asker why."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        conn.execute(_UNSHARE, {"id": shared.id})
    tell_asker(asker, reason, runtime)


def _post(shared: SharedAnswer, asker: PrivateQuestion, runtime: Runtime) -> bool:
    """Posts question and answer, and remembers where; False if Slack takes them in no way."""
    answer = views.AnswerView(shared.id, shared.text, sources_from_json(shared.sources))
    header = views.asked_by(asker.person, shared.question)
    place: dict[str, str | None] = {"thread_ts": None, "answer_ts": None}
    try:
        first = runtime.client.chat_postMessage(channel=asker.channel, thread_ts=asker.about_ts, text=header)
        place["thread_ts"] = root = asker.about_ts or str(first["ts"])
        reply = Reply(runtime.client, runtime.capabilities, post_of(asker, root, runtime))
        reply.finish(answer)
        place["answer_ts"] = reply.ts
    except SLACK_ERRORS as error:
        log.info("shared_answer_not_posted", channel=asker.channel, error=error_code(error))
        if not _respond_in_channel(header, answer, responder(asker)):
            return False
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        conn.execute(_PLACE, {"id": shared.id, **place})
    return True


def _respond_in_channel(header: str, answer: views.AnswerView, respond: Respond | None) -> bool:
    """Posts through the response URL, which may post where the bot is no member."""
    if respond is None:
        return False
    messages = views.answer_messages(answer, "buttons")
    messages[0].blocks.insert(0, section(header))
    try:
        responses = [
            respond(response_type="in_channel", replace_original=False, text=page.text, blocks=page.blocks)
            for page in messages
        ]
    except SLACK_ERRORS as error:
        log.warning("response_url_failed", error=error_code(error))
        return False
    return all(response.status_code == 200 for response in responses)
