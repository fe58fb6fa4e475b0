"""From a post that may be for us to a question in flight: claimed in one transaction, then handed to the workers.

Claiming is short and done before anything else, so that a restart finds what it began. What is refused is refused
with a reason.
"""

import time
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import PoolTimeout
from slack_sdk import WebClient

from bot.claims import claim_post
from bot.inbox import is_kept
from bot.questions import views
from bot.questions.answering import reply_to, start
from bot.questions.answers import begin_answer, change_question
from bot.questions.channels import ChannelSettings, channel_settings
from bot.questions.classifier import question_score
from bot.questions.conversation import asked_in_thread, thread_history
from bot.questions.in_flight import PendingAnswer
from bot.questions.limits import check_limits
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.events import Post, PostChange
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question

log = structlog.get_logger(__name__)

CHANGE_PATIENCE = 20.0  # seconds in which a post that waits for its listener is expected to be claimed
CHANGE_PAUSE = 0.25  # seconds


def receive(post: Post, runtime: Runtime) -> None:
    """Claims a post that is for us and has its question answered; says so if Postgres does not let us."""
    if post.addressee == "somebody":
        return
    try:
        outcome = _claim_with_retry(post, runtime)
    except psycopg.Error as error:
        log.error("post_not_claimed", channel=post.channel, error=error_code(error))
        _receive_without_database(post, runtime)
        return
    if outcome is None:
        return
    if isinstance(outcome, PendingAnswer):
        start(outcome, runtime)
    else:
        say(post, outcome, runtime.client)
    runtime.recent_posts.add((post.channel, post.ts))
    runtime.recent_threads.add((post.channel, post.thread_ts))


def claim(conn: Connection[Any], post: Post, runtime: Runtime) -> PendingAnswer | str | None:
    """Claims a post and begins its answer; or returns what is to be said at once, such as that a limit is reached.

    None if there is nothing to be done: it is not for us after all, or was claimed before.
    """
    settings = ChannelSettings() if post.direct else channel_settings(conn, post.channel)
    if not _is_for_us(conn, post, settings, runtime):
        return None
    if not claim_post(conn, post.event_id, post.channel, post.ts):
        return None
    if post.kind != "question":
        return _small_talk(post)
    if exceeded := check_limits(conn, runtime.limits, post.person):
        return views.limit_reached(exceeded) if post.addressed else None
    return _begin(conn, post, settings, runtime)


def receive_change(change: PostChange, runtime: Runtime) -> None:
    """Restarts an answer in flight whose question was edited, or cancels it; what was answered stays as it is.

    Whichever process answers is told through the row; if that is this one, it need not wait for that.
    """
    text = change.text or None
    try:
        _tell_owner(change, text, runtime)
    except psycopg.Error as error:
        log.error("change_not_recorded", channel=change.channel, error=error_code(error))
    if text:
        runtime.in_flight.edit(change.channel, change.ts, text)
    elif pending := runtime.in_flight.delete(change.channel, change.ts):
        # Now: the model may be at its next statement for seconds before it can be stopped.
        try:
            pending.reply.withdraw()
        except SLACK_ERRORS as error:
            log.warning("answer_not_withdrawn", channel=change.channel, error=error_code(error))


def say(post: Post, text: str, client: WebClient) -> None:
    """Writes one line in the post's thread."""
    try:
        client.chat_postMessage(channel=post.channel, thread_ts=post.thread_ts, text=text)
    except SLACK_ERRORS as error:
        log.error("line_not_posted", channel=post.channel, error=error_code(error))


def _claim_with_retry(post: Post, runtime: Runtime) -> PendingAnswer | str | None:
    """As `claim`, in a transaction of its own; once more if its connection turns out to be a broken one."""
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return claim(conn, post, runtime)
    except PoolTimeout:
        raise
    except psycopg.OperationalError:  # the pool may hold connections from before Postgres was restarted
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return claim(conn, post, runtime)


def _is_for_us(conn: Connection[Any], post: Post, settings: ChannelSettings, runtime: Runtime) -> bool:
    """Whether a post that may be for the bot is: a thread must include it, a channel must want it to answer."""
    if post.addressee == "channel":
        return settings.answers == "questions" and question_score(post.text, runtime.embedder) >= settings.threshold
    return post.addressee == "bot" or asked_in_thread(conn, post.channel, post.thread_ts, post.person)


def _begin(conn: Connection[Any], post: Post, settings: ChannelSettings, runtime: Runtime) -> PendingAnswer | None:
    private = settings.place == "ephemeral"
    # What was answered to one person alone is part of no conversation that others read.
    history = thread_history(conn, post.channel, post.thread_ts, person=post.person if private else None)
    question = Question(post.text, history, settings.collections, settings.language, asker=post.person)
    answer_id = begin_answer(
        conn,
        asked_by=post.person,
        question=question,
        channel=post.channel,
        thread_ts=post.thread_ts,
        question_ts=post.ts,
        private=private,
        addressed=post.addressed,
        owner=runtime.owner,
    )
    if answer_id is None:
        return None
    return PendingAnswer(post, answer_id, question, reply_to(post, answer_id, runtime, private=private), private)


def _tell_owner(change: PostChange, text: str | None, runtime: Runtime) -> None:
    """Tells whoever answers; waits for a post that nobody has come to yet, since it has no row of an answer before."""
    deadline = time.monotonic() + CHANGE_PATIENCE
    while True:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            waits = is_kept(conn, change.channel, change.ts)  # asked first: its answer begins before it is gone
            if change_question(conn, change.channel, change.ts, text) or not waits:
                return
        if time.monotonic() > deadline or runtime.stopping.wait(CHANGE_PAUSE):
            return


def _receive_without_database(post: Post, runtime: Runtime) -> None:
    """Says that Postgres is down, once for each post and only where this process remembers to be asked."""
    thread = (post.channel, post.thread_ts)
    if not post.addressed or (post.addressee == "thread" and thread not in runtime.recent_threads):
        return
    if runtime.recent_posts.add((post.channel, post.ts)):
        runtime.recent_threads.add(thread)
        say(post, views.NO_DATABASE if post.kind == "question" else _small_talk(post), runtime.client)


def _small_talk(post: Post) -> str:
    return {"greeting": views.GREETING, "thanks": views.THANKS}.get(post.kind, views.EMPTY)
