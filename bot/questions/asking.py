"""From a post that may be for us to a question that is being answered: taken on in one transaction, then handed on.

Taking on is short and done before anything else, so that a restart finds what it began. What is refused is refused
with a reason.
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import PoolTimeout
from slack_sdk import WebClient

from bot.events import claim_post
from bot.inbox import is_kept
from bot.questions import views
from bot.questions.answering import begin, reply_to
from bot.questions.answers import begin_answer, change_question
from bot.questions.channels import ChannelSettings, channel_settings
from bot.questions.classifier import question_score
from bot.questions.conversation import asked_in_thread, thread_history
from bot.questions.in_flight import Job
from bot.questions.limits import Exceeded, Limits, check_limits
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.routing import Change, Post, Route
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question
from retrieval.embedding import Embedder

log = structlog.get_logger(__name__)

CHANGE_PATIENCE = 20.0  # seconds in which a post that waits for its listener is expected to be taken on
CHANGE_PAUSE = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """A post that is ours to answer; `answer_id` and `question` are None for small talk and where a limit is reached.

    `private`: its asker alone is to see the answer.
    """

    post: Post
    answer_id: UUID | None = None
    question: Question | None = None
    private: bool = False
    exceeded: Exceeded | None = None


def take_on(
    conn: Connection[Any],
    route: Route,
    limits: Limits | None = None,
    owner: int | None = None,
    embedder: Embedder | None = None,
) -> Taken | None:
    """Claims the post and begins its answer. None: not for us after all, or taken on before.

    `embedder` helps to tell whether a post that was not addressed to the bot is a question.
    """
    post = route.post
    if post is None:
        return None
    settings = ChannelSettings() if post.direct else channel_settings(conn, post.channel)
    if not _is_for_us(conn, route, post, settings, embedder):
        return None
    if not claim_post(conn, post.event_id, post.channel, post.ts):
        return None
    if route.kind != "question":
        return Taken(post)
    if exceeded := check_limits(conn, limits or Limits(), post.person):
        return Taken(post, exceeded=exceeded)
    private = settings.place == "ephemeral"
    # What was answered to one person alone is part of no conversation that others read.
    history = thread_history(conn, post.channel, post.thread_ts, person=post.person if private else None)
    question = Question(route.text, history, settings.collections, settings.language, asker=post.person)
    answer_id = begin_answer(
        conn,
        asked_by=post.person,
        question=question,
        channel=post.channel,
        thread_ts=post.thread_ts,
        question_ts=post.ts,
        private=private,
        addressed=post.addressed,
        owner=owner,
    )
    return None if answer_id is None else Taken(post, answer_id, question, private)


def receive(route: Route, runtime: Runtime) -> None:
    """Takes on what is for us and hands it to the workers; says so if Postgres does not let us."""
    post = route.post
    if route.kind == "ignored" or post is None:
        return
    try:
        taken = _taken_on(route, runtime)
    except psycopg.Error as error:
        log.error("not_taken_on", channel=post.channel, error=error_code(error))
        _receive_without_database(route, post, runtime)
        return
    if taken is None:
        return
    runtime.recent_posts.add((post.channel, post.ts))
    runtime.recent_threads.add((post.channel, post.thread_ts))
    if taken.exceeded is not None:
        if post.addressed:
            say(post, views.limit_reached(taken.exceeded), runtime.client)
    elif taken.answer_id is None or taken.question is None:
        say(post, _small_talk(route), runtime.client)
    else:
        reply = reply_to(post, taken.answer_id, runtime, private=taken.private)
        begin(Job(post, taken.answer_id, taken.question, reply, taken.private), runtime)


def receive_change(changed: Change, runtime: Runtime) -> None:
    """An edit restarts the answer that is underway, a deletion cancels it; what was answered stays as it is.

    Whichever process answers is told through the row; if that is this one, it need not wait for that.
    """
    text = changed.text or None
    try:
        _tell_owner(changed, text, runtime)
    except psycopg.Error as error:
        log.error("change_not_kept", channel=changed.channel, error=error_code(error))
    if text:
        runtime.in_flight.edit(changed.channel, changed.ts, text)
    elif job := runtime.in_flight.delete(changed.channel, changed.ts):
        # Now: the model may be at its next statement for seconds before it can be stopped.
        try:
            job.reply.withdraw()
        except SLACK_ERRORS as error:
            log.warning("not_withdrawn", channel=changed.channel, error=error_code(error))


def say(post: Post, text: str, client: WebClient) -> None:
    """One line in the post's thread."""
    try:
        client.chat_postMessage(channel=post.channel, thread_ts=post.thread_ts, text=text)
    except SLACK_ERRORS as error:
        log.error("not_said", channel=post.channel, error=error_code(error))


def _is_for_us(
    conn: Connection[Any], route: Route, post: Post, settings: ChannelSettings, embedder: Embedder | None
) -> bool:
    if not post.addressed:
        return settings.answers == "questions" and question_score(route.text, embedder) >= settings.threshold
    return not route.if_in_thread or asked_in_thread(conn, post.channel, post.thread_ts, post.person)


def _tell_owner(changed: Change, text: str | None, runtime: Runtime) -> None:
    """Waits for a post that nobody has come to yet: it has no row of an answer before."""
    deadline = time.monotonic() + CHANGE_PATIENCE
    while True:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            waits = is_kept(conn, changed.channel, changed.ts)  # asked first: its answer begins before it is gone
            if change_question(conn, changed.channel, changed.ts, text) or not waits:
                return
        if time.monotonic() > deadline or runtime.stopping.wait(CHANGE_PAUSE):
            return


def _taken_on(route: Route, runtime: Runtime) -> Taken | None:
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return take_on(conn, route, runtime.limits, runtime.owner, runtime.embedder)
    except PoolTimeout:
        raise
    except psycopg.OperationalError:  # the pool may hold connections from before Postgres was restarted
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return take_on(conn, route, runtime.limits, runtime.owner, runtime.embedder)


def _receive_without_database(route: Route, post: Post, runtime: Runtime) -> None:
    """Postgres is down: no duplicates and no unknown threads, as far as this process remembers them."""
    if not post.addressed or (route.if_in_thread and (post.channel, post.thread_ts) not in runtime.recent_threads):
        return
    if runtime.recent_posts.add((post.channel, post.ts)):
        runtime.recent_threads.add((post.channel, post.thread_ts))
        say(post, views.NO_DATABASE if route.kind == "question" else _small_talk(route), runtime.client)


def _small_talk(route: Route) -> str:
    return {"greeting": views.GREETING, "thanks": views.THANKS}.get(route.kind, views.EMPTY)
