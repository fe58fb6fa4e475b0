"""At start: answers that an earlier process began and did not finish are apologised for in their threads.

The rows are read before the bot connects, so none of them is this process's own. Slack does not deliver an
acknowledged event again: without this the people who asked would wait for ever.
"""

from collections.abc import Sequence
from contextlib import suppress

import psycopg
import structlog

from bot import views
from bot.answers import Unfinished, fail_answer, unfinished_answers
from bot.asking import INTAKE_TIMEOUT, Runtime
from bot.events import forget_events
from bot.posting import Reply
from bot.routing import Post
from bot.workspace import SLACK_ERRORS, error_code

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


def apologise(unfinished: Sequence[Unfinished], runtime: Runtime) -> None:
    """Tells each asker; an answer counts as failed only once its asker was told."""
    for answer in unfinished:
        try:
            _reply_to(answer, runtime).stop(views.RESTARTED)
            with runtime.pool.connection() as conn:
                fail_answer(conn, answer.id, views.RESTARTED)
        except (*SLACK_ERRORS, psycopg.Error) as error:
            log.error("not_apologised", answer_id=str(answer.id), error=error_code(error))


def _reply_to(answer: Unfinished, runtime: Runtime) -> Reply:
    if answer.answer_ts is not None:
        with suppress(*SLACK_ERRORS):  # a stream that is still open cannot be updated
            runtime.client.chat_stopStream(channel=answer.channel, ts=answer.answer_ts)
    post = Post(
        event_id="",
        channel=answer.channel,
        ts=answer.question_ts,
        thread_ts=answer.thread_ts or answer.question_ts,
        person="",
        team_id=runtime.identity.team_id,
        direct=answer.channel.startswith("D"),
    )
    return Reply(runtime.client, runtime.capabilities, post, ts=answer.answer_ts)
