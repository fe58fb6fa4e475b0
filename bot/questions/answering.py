"""From a question that was taken on to what people see of its answer, and to its row.

Every way out of here ends in words: an answer, or the reason why there is none. The one exception is a question that
its asker took back, or that nobody asked of the bot.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any, cast
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection

from bot.questions import views
from bot.questions.answers import (
    QUESTION_DELETED,
    STOPPED_BY_ASKER,
    asked_now,
    fail_answer,
    finish_answer,
    hand_over,
    nearest_passages,
    place_answer,
    take_up,
)
from bot.questions.in_flight import Job
from bot.questions.posting import Reply, StoppedByPerson
from bot.questions.readers import readable_collections, readers
from bot.questions.replies import IfAnswered, PrivateReply, Replying, ephemerally
from bot.runtime import INTAKE_TIMEOUT, Pool, Runtime
from bot.slack.routing import Post
from bot.slack.workspace import SLACK_ERRORS, error_code
from finetune.errors import ModelUnusable
from retrieval.answering.answer import Answer, Done, Event, Question, Reading, Text
from retrieval.collections import with_made_of

log = structlog.get_logger(__name__)

RECORD_TIMEOUT = 60.0  # seconds to wait for Postgres when there is an answer to keep


class Stopped(Exception):
    """This process is being stopped."""


class Changed(Exception):
    """The question was edited or deleted while it was being answered."""


class Lost(Exception):
    """Another process took us for dead and answers in our place."""


def reply_to(
    post: Post, answer_id: UUID, runtime: Runtime, *, private: bool = False, ts: str | None = None
) -> Replying:
    """How the post is answered: in its thread or to its asker alone; without ado if it did not address the bot."""
    reply: Replying
    if private:
        thread = post.thread_ts if post.thread_ts != post.ts else None
        send = ephemerally(runtime.client, post.channel, post.person, thread)
        reply = PrivateReply(runtime.client, post.channel, post.person, send, str(answer_id), announced=False)
    else:
        placed = partial(_place, runtime.pool, answer_id)
        reply = Reply(runtime.client, runtime.capabilities, post, placed, ts=ts)
    return reply if post.addressed else IfAnswered(reply)


def begin(job: Job, runtime: Runtime) -> None:
    """Takes a place in the queue, tells the asker how many are before it, and hands the job to the workers."""
    runtime.in_flight.begin(job)
    # In this context, so that the logs of the answer have the id of the event that asked for it.
    runtime.work.submit(copy_context().run, partial(answer_job, job, runtime=runtime))
    job.reply.wait(runtime.in_flight.before(job))


def answer_job(job: Job, *, runtime: Runtime) -> None:
    """Answers one question. Never raises: this is where a failure becomes a sentence."""
    log.info("answer_begins", answer_id=str(job.answer_id))
    try:
        _answer(job, runtime)
    finally:
        log.info("answer_ended", answer_id=str(job.answer_id))
        runtime.in_flight.end(job)
    for other, before in runtime.in_flight.waiting():
        other.reply.wait(before)


def relay(events: Iterator[Event], job: Job, runtime: Runtime) -> Answer:
    """Shows the events as they come and returns the finished answer; closing the iterator cancels the model.

    Raises Changed or Stopped between two events, when the question has changed or the process is to end, and
    RuntimeError if there is no `Done`.
    """
    with closing(cast(Any, events)):
        for event in events:
            if runtime.stopping.is_set():
                raise Stopped
            if job.changed:
                raise Changed
            match event:
                case Reading(passages):
                    job.reply.read(len(passages))
                    job.reply.wait(runtime.in_flight.before(job))
                case Text(text):
                    job.writing = True
                    job.reply.write(text)
                case Done(answer):
                    return answer
    raise RuntimeError("the chain ended without an answer")


def shown(answer_id: UUID, answer: Answer) -> views.Shown:
    """What people see of an answer."""
    nearest = nearest_passages(answer.passages) if answer.abstained else []
    return views.Shown(answer_id, answer.text, answer.sources, answer.abstained, nearest)


def _answer(job: Job, runtime: Runtime) -> None:
    reply, answer_id, pool = job.reply, job.answer_id, runtime.pool
    try:
        _record(pool, lambda conn: take_up(conn, answer_id, runtime.owner), INTAKE_TIMEOUT)
        reply.think()
        answer = _final_answer(job, runtime)
        # Kept before it is shown to its end: a follow-up finds it, and a restart can still show it.
        _record(pool, lambda conn: finish_answer(conn, answer_id, answer, shown=False), INTAKE_TIMEOUT)
        reply.finish(shown(answer_id, answer))
    except StoppedByPerson:
        _record(pool, lambda conn: fail_answer(conn, answer_id, STOPPED_BY_ASKER))
    except Changed:
        withdraw(reply, answer_id, pool)
    except Lost:
        log.warning("answer_lost", answer_id=str(answer_id))
    except Stopped:
        _leave(job, runtime)
    except psycopg.Error as error:
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error))
        _give_up(reply, answer_id, views.NO_DATABASE, pool)
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the person who asked is told
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error), where=_where(error))
        reason = views.NO_MODEL if isinstance(error, ModelUnusable) else views.FAILED
        _give_up(reply, answer_id, reason, pool)
    else:
        _record(pool, lambda conn: finish_answer(conn, answer_id, answer, reply.ts))


def _final_answer(job: Job, runtime: Runtime) -> Answer:
    """The answer to the question as it reads in the end; raises Changed if it was deleted, Lost if it is not ours."""
    while True:
        try:
            answer = relay(runtime.answer(_readable(job, runtime)), job, runtime)
        except Changed:
            pass
        else:
            look_again(job, runtime)
            if not job.changed:
                return answer
        edited = runtime.in_flight.take_edit(job)
        if job.lost:
            raise Lost
        if job.deleted or edited is None:
            raise Changed
        job.question, job.writing = edited, False
        job.reply.restart()


def _readable(job: Job, runtime: Runtime) -> Question:
    """The question with who will read its answer, as it is now; named collections that they may not read stay unsaid.

    Raises psycopg.Error.
    """
    principals = readers(runtime, job.post.channel, job.post.person, private=job.private)
    collections = job.question.collections
    if collections is not None:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            known = readable_collections(conn, principals)
            named = with_made_of(conn, collections, job.post.channel)
        collections = [name for name in named if name in known]
    return replace(job.question, principals=principals, collections=collections)


def on_changed(answer_id: UUID, *, runtime: Runtime) -> None:
    """Another process was told that the question has changed. Never raises."""
    job = runtime.in_flight.find(answer_id)
    if job is not None:
        look_again(job, runtime)


def look_again(job: Job, runtime: Runtime) -> None:
    """Learns from the row what another process was told about the question. Never raises."""

    def look(conn: Connection[Any]) -> None:
        asked = asked_now(conn, job.answer_id)
        if asked is not None:
            text = None if asked.deleted else asked.question
            runtime.in_flight.learn(job, text, lost=asked.owner != runtime.owner)

    _record(runtime.pool, look, INTAKE_TIMEOUT)


def withdraw(reply: Replying, answer_id: UUID, pool: Pool) -> None:
    """The question was deleted: what was shown of its answer goes, too."""
    try:
        reply.withdraw()
    except SLACK_ERRORS as error:
        log.warning("not_withdrawn", answer_id=str(answer_id), error=error_code(error))
    _record(pool, lambda conn: fail_answer(conn, answer_id, QUESTION_DELETED))


def _leave(job: Job, runtime: Runtime) -> None:
    """This process is being stopped: the next one begins the answer again, and until then its place says so."""
    try:
        job.reply.stop(views.STOPPING)
    except SLACK_ERRORS as error:
        log.error("reason_not_shown", answer_id=str(job.answer_id), error=error_code(error))
    _record(runtime.pool, lambda conn: hand_over(conn, job.answer_id, runtime.owner), INTAKE_TIMEOUT)


def _give_up(reply: Replying, answer_id: UUID, reason: str, pool: Pool) -> None:
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
