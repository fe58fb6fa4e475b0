"""From a post that is for us to its answer: taken on in one transaction, then answered, then recorded.

Taking on is short and done before anything else, so that a restart finds what it began. Every way out of
here ends in words: an answer, or the reason why there is none.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any, cast
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout
from slack_sdk import WebClient

from bot import views
from bot.answers import begin_answer, fail_answer, finish_answer, place_answer
from bot.conversation import asked_in_thread, thread_history
from bot.events import Recent, claim_post
from bot.operations import Operations
from bot.posting import Reply, StoppedByPerson
from bot.routing import Identity, Post, Route
from bot.workspace import SLACK_ERRORS, Capabilities, error_code
from retrieval.answer import Answer, Done, Event, Question, Reading, Text
from retrieval.embedding import Embedder

log = structlog.get_logger(__name__)

Answerer = Callable[[Question], Iterator[Event]]
Pool = ConnectionPool[Connection[Any]]

INTAKE_TIMEOUT = 5.0  # seconds to wait for Postgres before the person is told that it is down
RECORD_TIMEOUT = 60.0  # seconds to wait for it when there is an answer to keep


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the listeners need, built once by `bot.app`."""

    pool: Pool
    answer: Answerer
    client: WebClient
    identity: Identity
    work: Executor
    embedder: Embedder
    operations: Operations = field(default_factory=Operations)
    capabilities: Capabilities = field(default_factory=Capabilities)
    stopping: Flag = field(default_factory=Flag)
    recent_posts: Recent = field(default_factory=Recent)
    recent_threads: Recent = field(default_factory=Recent)


@dataclass(frozen=True, slots=True)
class Taken:
    """A post that is ours to answer; `answer_id` and `question` are None for small talk."""

    post: Post
    answer_id: UUID | None = None
    question: Question | None = None


class Stopped(Exception):
    """This process is being stopped."""


def take_on(conn: Connection[Any], route: Route) -> Taken | None:
    """Claims the post and begins its answer. None: not for us after all, or taken on before."""
    post = route.post
    if post is None or (route.if_in_thread and not asked_in_thread(conn, post.channel, post.thread_ts)):
        return None
    if not claim_post(conn, post.event_id, post.channel, post.ts):
        return None
    if route.kind != "question":
        return Taken(post)
    question = Question(route.text, thread_history(conn, post.channel, post.thread_ts))
    answer_id = begin_answer(
        conn,
        asked_by=post.person,
        question=question,
        channel=post.channel,
        thread_ts=post.thread_ts,
        question_ts=post.ts,
    )
    return None if answer_id is None else Taken(post, answer_id, question)


def receive(route: Route, runtime: Runtime) -> None:
    """Takes on what is for us and hands it to the workers; says so if Postgres does not let us."""
    post = route.post
    if route.kind == "ignored" or post is None:
        return
    try:
        taken = _taken_on(route, runtime.pool)
    except psycopg.Error as error:
        log.error("not_taken_on", channel=post.channel, error=error_code(error))
        _receive_without_database(route, post, runtime)
        return
    if taken is None:
        return
    runtime.recent_posts.add((post.channel, post.ts))
    runtime.recent_threads.add((post.channel, post.thread_ts))
    if taken.answer_id is None or taken.question is None:
        say(post, _small_talk(route), runtime.client)
    else:
        runtime.work.submit(answer_post, post, taken.answer_id, taken.question, runtime=runtime)


def answer_post(post: Post, answer_id: UUID, question: Question, *, runtime: Runtime) -> None:
    """Answers one question in its thread. Never raises: this is where a failure becomes a sentence."""
    reply = Reply(runtime.client, runtime.capabilities, post, lambda ts: _place(runtime.pool, answer_id, ts))
    try:
        reply.think()
        answer = relay(runtime.answer(question), reply, runtime.stopping)
        # Kept before it is shown to its end: a follow-up finds it, and a restart can still show it.
        _record(runtime.pool, lambda conn: finish_answer(conn, answer_id, answer, shown=False), INTAKE_TIMEOUT)
        reply.finish(views.Shown(answer_id, answer.text, answer.sources))
    except StoppedByPerson:
        _record(runtime.pool, lambda conn: fail_answer(conn, answer_id, "stopped by the person who asked"))
    except Stopped:
        _give_up(reply, answer_id, views.STOPPING, runtime.pool)
    except psycopg.Error as error:
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error))
        _give_up(reply, answer_id, views.NO_DATABASE, runtime.pool)
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the person who asked is told
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error), where=_where(error))
        _give_up(reply, answer_id, views.FAILED, runtime.pool)
    else:
        _record(runtime.pool, lambda conn: finish_answer(conn, answer_id, answer, reply.ts))


def relay(events: Iterator[Event], reply: Reply, stopping: Flag) -> Answer:
    """Shows the events as they come and returns the finished answer; closing the iterator cancels the model.

    Raises Stopped between two events when the process is to end, RuntimeError if there is no `Done`.
    """
    with closing(cast(Any, events)):
        for event in events:
            if stopping.is_set():
                raise Stopped
            match event:
                case Reading(passages):
                    reply.status(f"is reading {len(passages)} passages…")
                case Text(text):
                    reply.write(text)
                case Done(answer):
                    return answer
    raise RuntimeError("the chain ended without an answer")


def say(post: Post, text: str, client: WebClient) -> None:
    """One line in the post's thread."""
    try:
        client.chat_postMessage(channel=post.channel, thread_ts=post.thread_ts, text=text)
    except SLACK_ERRORS as error:
        log.error("not_said", channel=post.channel, error=error_code(error))


def _taken_on(route: Route, pool: Pool) -> Taken | None:
    try:
        with pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return take_on(conn, route)
    except PoolTimeout:
        raise
    except psycopg.OperationalError:  # the pool may hold connections from before Postgres was restarted
        with pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            return take_on(conn, route)


def _receive_without_database(route: Route, post: Post, runtime: Runtime) -> None:
    """Postgres is down: no duplicates and no unknown threads, as far as this process remembers them."""
    if route.if_in_thread and (post.channel, post.thread_ts) not in runtime.recent_threads:
        return
    if runtime.recent_posts.add((post.channel, post.ts)):
        runtime.recent_threads.add((post.channel, post.thread_ts))
        say(post, views.NO_DATABASE if route.kind == "question" else _small_talk(route), runtime.client)


def _small_talk(route: Route) -> str:
    return {"greeting": views.GREETING, "thanks": views.THANKS}.get(route.kind, views.EMPTY)


def _give_up(reply: Reply, answer_id: UUID, reason: str, pool: Pool) -> None:
    try:
        reply.stop(reason)
    except SLACK_ERRORS as error:
        log.error("reason_not_shown", answer_id=str(answer_id), error=error_code(error))
    _record(pool, lambda conn: fail_answer(conn, answer_id, reason))


def _place(pool: Pool, answer_id: UUID, ts: str) -> None:
    _record(pool, lambda conn: place_answer(conn, answer_id, ts), INTAKE_TIMEOUT)


def _record(pool: Pool, write: Callable[[Connection[Any]], None], timeout: float = RECORD_TIMEOUT) -> None:
    try:
        with pool.connection(timeout=timeout) as conn:
            write(conn)
    except psycopg.Error as error:
        log.error("not_recorded", error=error_code(error))


def _where(error: Exception) -> str:
    """File and line where it was raised; not the exception's text, which may hold a message's words."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
