"""At start: answers that an earlier process did not finish are shown, or apologised for, in their threads.

The rows are read before the bot connects, so none of them is this process's own. Slack does not deliver an
acknowledged event again: without this the people who asked would wait for ever.
"""

from collections.abc import Sequence
from contextlib import suppress

import psycopg
import structlog

from bot import views
from bot.answering import reply_to
from bot.answers import Unfinished, answer_shown, fail_answer, stored_nearest, unfinished_answers
from bot.events import forget_events
from bot.posting import StoppedByPerson
from bot.replies import Replying
from bot.routing import Post
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.workspace import SLACK_ERRORS, error_code
from retrieval.answer import Source

log = structlog.get_logger(__name__)


def find_unfinished(runtime: Runtime) -> Sequence[Unfinished]:
    """What an earlier process left; nothing, with a line in the log, if Postgres cannot be asked."""
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            forget_events(conn)
            return unfinished_answers(conn)
    except psycopg.Error as error:
        log.error("unfinished_answers_unknown", error=error_code(error))
        return []


def make_up_for(unfinished: Sequence[Unfinished], runtime: Runtime) -> None:
    """Tells each asker; an answer counts as finished or failed only once its asker was told."""
    for row in unfinished:
        try:
            _make_up_for(row, runtime)
        except (*SLACK_ERRORS, StoppedByPerson, psycopg.Error) as error:
            log.error("not_made_up_for", answer_id=str(row.id), error=error_code(error))


def _make_up_for(row: Unfinished, runtime: Runtime) -> None:
    reply = _reply_to(row, runtime)
    if row.text is None:
        reply.stop(views.RESTARTED)
        with runtime.pool.connection() as conn:
            fail_answer(conn, row.id, views.RESTARTED)
        return
    # What was posted already is updated with the same words, so a crash after the last of them doubles nothing.
    sources = [Source(**source) for source in row.sources]
    nearest = stored_nearest(row.passages) if row.abstained else []
    reply.finish(views.Shown(row.id, row.text, sources, row.abstained, nearest))
    with runtime.pool.connection() as conn:
        answer_shown(conn, row.id, reply.ts)


def _reply_to(answer: Unfinished, runtime: Runtime) -> Replying:
    if answer.answer_ts is not None:
        with suppress(*SLACK_ERRORS):  # a stream that is still open cannot be updated
            runtime.client.chat_stopStream(channel=answer.channel, ts=answer.answer_ts)
    ts = answer.question_ts or ""
    post = Post(
        event_id="",
        channel=answer.channel,
        ts=ts,
        thread_ts=answer.thread_ts or ts,
        person=answer.asked_by,
        team_id=runtime.identity.team_id,
        direct=answer.channel.startswith("D"),
        addressed=answer.addressed,
    )
    return reply_to(post, answer.id, runtime, private=answer.private, ts=answer.answer_ts)
