"""From a question in flight to what people see of its answer: what is written is kept in the answer's row as it goes.

Every way out of here ends in words: an answer, or the reason why there is none. The one exception is a question that
its asker took back, or that nobody asked of the bot. The row is kept before its answer is shown to the end, and is
finished once it was shown, so that whoever comes after this process knows what is left to do (`bot.recovery`).
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import copy_context
from dataclasses import asdict
from functools import partial
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.types.json import Jsonb

from bot.questions import views
from bot.questions.answers import QUESTION_DELETED, STOPPED_BY_ASKER
from bot.questions.in_flight import PendingAnswer
from bot.questions.placing import remember_place
from bot.questions.posting import Reply, StoppedByPerson
from bot.questions.readers import restrict_question
from bot.questions.replies import AnyReply, IfAnswered, PrivateReply, ephemerally
from bot.questions.row_values import nearest_passages, passages_as_json, storable, storable_values
from bot.runtime import INTAKE_TIMEOUT, Pool, Runtime
from bot.slack.events import Post
from bot.slack.workspace import SLACK_ERRORS, error_code
from finetune.errors import ModelUnusable
from retrieval.answering.answer import Answer, Done, Event, Reading, Text

log = structlog.get_logger(__name__)

RECORD_TIMEOUT = 60.0  # seconds to wait for Postgres when there is an answer to keep

_START = "UPDATE answer SET attempts = attempts + 1 WHERE id = %(id)s AND owner = %(owner)s"
_RELEASE = "UPDATE answer SET attempts = attempts - 1, owner = NULL WHERE id = %(id)s AND owner = %(owner)s"
_FINISH: LiteralString = """
UPDATE answer
SET state = %(state)s, standalone = %(standalone)s, prompt = %(prompt)s, passages = %(passages)s,
    sources = %(sources)s, text = %(text)s, model = %(model)s, adapter = %(adapter)s, timings = %(timings)s,
    finish = %(finish)s, template_sha256 = %(template_sha256)s, revision = %(revision)s,
    answer_ts = coalesce(%(answer_ts)s, answer_ts), error = NULL,
    finished_at = CASE WHEN %(shown)s THEN now() END, response_url = CASE WHEN NOT %(shown)s THEN response_url END
WHERE id = %(id)s
"""
# Only if it is still the answer to what is asked, and still ours to write.
_KEEP = f"{_FINISH} AND state = 'pending' AND owner = %(owner)s AND question = %(question)s"
_SHOWN = """
UPDATE answer SET answer_ts = %(answer_ts)s, finished_at = now(), response_url = NULL WHERE id = %(id)s
"""
_FAIL = """
UPDATE answer SET state = 'failed', error = %(error)s, finished_at = now(), response_url = NULL
WHERE id = %(id)s AND (state = 'pending' OR state = 'failed' AND finished_at IS NULL)
"""
_CURRENT = "SELECT owner, state = 'failed' AS deleted, question FROM answer WHERE id = %(id)s"


class ProcessStopped(Exception):
    """This process is being stopped."""


class QuestionChanged(Exception):
    """The question was edited or deleted while it was being answered."""


class AnswerLost(Exception):
    """Another process took us for dead and answers in our place."""


def reply_to(
    post: Post, answer_id: UUID, runtime: Runtime, *, private: bool = False, ts: str | None = None
) -> AnyReply:
    """Returns how a post is answered: in its thread, to its asker alone, or without ado if nobody asked the bot."""
    reply: AnyReply
    if private:
        thread = post.thread_ts if post.thread_ts != post.ts else None
        send = ephemerally(runtime.client, post.channel, post.person, thread)
        reply = PrivateReply(runtime.client, post.channel, post.person, send, str(answer_id), announced=False)
    else:
        on_placed = partial(remember_place, runtime.pool, answer_id)
        reply = Reply(runtime.client, runtime.capabilities, post, on_placed, ts=ts)
    return reply if post.addressed else IfAnswered(reply)


def start(pending: PendingAnswer, runtime: Runtime) -> None:
    """Takes a place in the queue, hands the question to the workers, and tells the asker how many are before it."""
    runtime.in_flight.begin(pending)
    # In this context, so that the logs of the answer have the id of the event that asked for it.
    runtime.work.submit(copy_context().run, partial(write_answer, pending, runtime=runtime))
    if pending.before:
        runtime.in_flight.notify(pending)


def write_answer(pending: PendingAnswer, *, runtime: Runtime) -> None:
    """Answers one question. Never raises: this is where a failure becomes a sentence."""
    answer_id = pending.answer_id
    log.info("answer_begun", answer_id=str(answer_id))
    try:
        _write(pending, runtime)
    except StoppedByPerson:
        _record(runtime.pool, lambda conn: fail_answer(conn, answer_id, STOPPED_BY_ASKER))
    except QuestionChanged:
        withdraw(pending.reply, answer_id, runtime.pool)
    except AnswerLost:
        log.warning("answer_lost", answer_id=str(answer_id))
    except ProcessStopped:
        _leave(pending, runtime)
    except psycopg.Error as error:
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error))
        _give_up(pending.reply, answer_id, views.NO_DATABASE, runtime.pool)
    except Exception as error:  # noqa: BLE001 - the edge: whatever failed, the person who asked is told
        log.error("answer_failed", answer_id=str(answer_id), error=error_code(error), where=_where(error))
        reason = views.NO_MODEL if isinstance(error, ModelUnusable) else views.FAILED
        _give_up(pending.reply, answer_id, reason, runtime.pool)
    finally:
        log.info("answer_ended", answer_id=str(answer_id))
        runtime.in_flight.end(pending)


def relay(events: Iterator[Event], pending: PendingAnswer, runtime: Runtime) -> Answer:
    """Shows the events as they come and returns the finished answer; closing the iterator cancels the model.

    Raises QuestionChanged or ProcessStopped between two events, when the question has changed or the process is to end,
    and RuntimeError if there is no `Done`.
    """
    with closing(cast(Any, events)):
        for event in events:
            if runtime.stopping.is_set():
                raise ProcessStopped
            if pending.changed:
                raise QuestionChanged
            match event:
                case Reading(passages):
                    pending.reply.read(len(passages))
                    pending.reply.wait(pending.before)
                case Text(text):
                    pending.writing = True
                    pending.reply.write(text)
                case Done(answer):
                    return answer
    raise RuntimeError("the chain ended without an answer")


def _write(pending: PendingAnswer, runtime: Runtime) -> None:
    answer_id, pool = pending.answer_id, runtime.pool
    _record(pool, lambda conn: start_attempt(conn, answer_id, runtime.owner), INTAKE_TIMEOUT)
    pending.reply.think()
    answer = _final_answer(pending, runtime)
    nearest = nearest_passages(answer.passages) if answer.abstained else []
    pending.reply.finish(views.AnswerView(answer_id, answer.text, answer.sources, answer.abstained, nearest))
    # All of it once more: Postgres may have been down when it was to be kept.
    _record(pool, lambda conn: finish_answer(conn, answer_id, answer, pending.reply.ts))


def _final_answer(pending: PendingAnswer, runtime: Runtime) -> Answer:
    """Returns the answer to the question as it reads in the end, which is kept but not shown to its end yet.

    Raises QuestionChanged if the question was deleted, AnswerLost if it is not ours any more.
    """
    while True:
        try:
            post = pending.post
            question = restrict_question(runtime, pending.question, post.channel, post.person, private=pending.private)
            answer = relay(runtime.answer(question), pending, runtime)
            if _keep(pending, answer, runtime):
                return answer
        except QuestionChanged:
            pass
        _turn_to_edit(pending, runtime)


def _turn_to_edit(pending: PendingAnswer, runtime: Runtime) -> None:
    """Begins again with the question as it reads now.

    Raises QuestionChanged if it was deleted, AnswerLost if the answer is not ours any more.
    """
    question = runtime.in_flight.pop_edit(pending)
    if pending.lost:
        raise AnswerLost
    if pending.deleted or question is None:
        raise QuestionChanged
    pending.question, pending.writing = question, False
    pending.reply.restart()


def _keep(pending: PendingAnswer, answer: Answer, runtime: Runtime) -> bool:
    """Keeps the answer before it is shown to its end: a follow-up finds it, and a restart can still show it.

    False if the question has changed meanwhile. Where Postgres cannot be asked, or nothing is known of the row any
    more, the answer is shown all the same.
    """
    row_kept = False

    def keep(conn: Connection[Any]) -> None:
        nonlocal row_kept
        row_kept = keep_answer(conn, pending.answer_id, answer, pending.question.text, runtime.owner)

    if not pending.changed:
        _record(runtime.pool, keep, INTAKE_TIMEOUT)
    if not row_kept:
        look_again(pending, runtime)
    return row_kept or not pending.changed


def on_changed(answer_id: UUID, *, runtime: Runtime) -> None:
    """Looks again at a question of which another process was told that it has changed. Never raises."""
    pending = runtime.in_flight.find(answer_id)
    if pending is not None:
        look_again(pending, runtime)


def look_again(pending: PendingAnswer, runtime: Runtime) -> None:
    """Learns from the row what another process was told about the question. Never raises."""

    def look(conn: Connection[Any]) -> None:
        row = conn.execute(_CURRENT, {"id": pending.answer_id}).fetchone()
        if row is not None:
            owner, deleted, question = row
            runtime.in_flight.learn(pending, None if deleted else question, lost=owner != runtime.owner)

    _record(runtime.pool, look, INTAKE_TIMEOUT)


def withdraw(reply: AnyReply, answer_id: UUID, pool: Pool) -> None:
    """Takes away what was shown of an answer whose question was deleted."""
    try:
        reply.withdraw()
    except SLACK_ERRORS as error:
        log.warning("answer_not_withdrawn", answer_id=str(answer_id), error=error_code(error))
    _record(pool, lambda conn: fail_answer(conn, answer_id, QUESTION_DELETED))


def start_attempt(conn: Connection[Any], answer_id: UUID, owner: int) -> None:
    """Counts that a process begins to write the answer."""
    conn.execute(_START, {"id": answer_id, "owner": owner})


def release_answer(conn: Connection[Any], answer_id: UUID, owner: int) -> None:
    """Leaves the answer to another process, which begins it again."""
    conn.execute(_RELEASE, {"id": answer_id, "owner": owner})


def finish_answer(
    conn: Connection[Any], answer_id: UUID, answer: Answer, answer_ts: str | None = None, *, shown: bool = True
) -> None:
    """Records the answer, and the Slack message that shows it where there is one.

    With `shown` False it stays unfinished: kept, and to be shown at the next start if this process does not come to it.
    """
    conn.execute(_FINISH, _columns(answer_id, answer, answer_ts, shown=shown))


def keep_answer(conn: Connection[Any], answer_id: UUID, answer: Answer, question: str, owner: int) -> bool:
    """Records an answer that is still to be shown; False if it is not the answer to `question`, or not `owner`'s."""
    columns = _columns(answer_id, answer, None, shown=False)
    return conn.execute(_KEEP, {**columns, "question": storable(question), "owner": owner}).rowcount > 0


def answer_shown(conn: Connection[Any], answer_id: UUID, answer_ts: str | None) -> None:
    """Records that people see an answer that was kept before."""
    conn.execute(_SHOWN, {"id": answer_id, "answer_ts": answer_ts})


def fail_answer(conn: Connection[Any], answer_id: UUID, error: str) -> None:
    """Records why there is no answer, in a sentence. An answer that was finished stays as it is."""
    conn.execute(_FAIL, {"id": answer_id, "error": storable(error)})


def _columns(answer_id: UUID, answer: Answer, answer_ts: str | None, *, shown: bool) -> dict[str, Any]:
    return {
        "id": answer_id,
        "state": "abstained" if answer.abstained else "answered",
        "standalone": storable(answer.standalone),
        "prompt": storable(answer.prompt),
        "passages": Jsonb(passages_as_json(answer.passages)),
        "sources": Jsonb([storable_values(asdict(source)) for source in answer.sources]),
        "text": storable(answer.text),
        "model": answer.model,
        "adapter": answer.adapter,
        "timings": Jsonb(dict(answer.timings)),
        "finish": answer.finish,
        "template_sha256": answer.template_sha256,
        "revision": answer.revision,
        "answer_ts": answer_ts,
        "shown": shown,
    }


def _leave(pending: PendingAnswer, runtime: Runtime) -> None:
    """Leaves the answer to the next process, which begins it again; until then its place says that it stopped."""
    _stop(pending.reply, pending.answer_id, views.STOPPING)
    _record(runtime.pool, lambda conn: release_answer(conn, pending.answer_id, runtime.owner), INTAKE_TIMEOUT)


def _give_up(reply: AnyReply, answer_id: UUID, reason: str, pool: Pool) -> None:
    _stop(reply, answer_id, reason)
    _record(pool, lambda conn: fail_answer(conn, answer_id, reason))


def _stop(reply: AnyReply, answer_id: UUID, reason: str) -> None:
    try:
        reply.stop(reason)
    except SLACK_ERRORS as error:
        log.error("reason_not_shown", answer_id=str(answer_id), error=error_code(error))


def _record(pool: Pool, write: Callable[[Connection[Any]], None], timeout: float = RECORD_TIMEOUT) -> None:
    try:
        with pool.connection(timeout=timeout) as conn:
            write(conn)
    except psycopg.Error as error:
        log.error("answer_not_recorded", error=error_code(error))


def _where(error: Exception) -> str:
    """Returns the file and line where an error was raised; not its text, which may hold a message's words."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
