"""What bots that are gone have left is adopted by whichever bot looks next, and finished or apologised for.

Bots look at start and every few seconds (`bot.presence`), so the first makes up for a second one that dies. What an
owner left is adopted in one transaction, and then done as if it had been asked here: nothing is done twice, and what
people saw of an answer is replaced. Slack does not deliver an acknowledged event again: without this the people who
asked would wait for ever.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from bot.admin import round_messages, run_messages
from bot.admin.round_messages import RoundMessage
from bot.admin.run_messages import RunMessage
from bot.claims import forget_events
from bot.inbox import Inbox
from bot.questions import experts, views
from bot.questions.answering import answer_shown, fail_answer, reply_to, start, withdraw
from bot.questions.answers import UNFINISHED, UnfinishedAnswer, adopt_answers
from bot.questions.asking_privately import PrivateQuestion, private_reply
from bot.questions.channels import channel_settings
from bot.questions.experts import ExpertRequest
from bot.questions.in_flight import PendingAnswer
from bot.questions.limits import forget_deleted
from bot.questions.posting import StoppedByPerson
from bot.questions.readers import may_read_answer, readers
from bot.questions.replies import AnyReply
from bot.questions.row_values import sources_from_json, stored_nearest
from bot.questions.sharing import SharedAnswer, adopt_shared, post_shared
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.events import Post
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question, Turn

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 2  # processes that begin an answer: a question that kills them is not asked for ever

# Their locks are ours until the transaction ends, so two bots that look at once adopt nothing twice.
_FREE = f"""
SELECT owner FROM (
    SELECT owner FROM answer WHERE {UNFINISHED} OR sharing
    UNION SELECT owner FROM inbox
    UNION SELECT owner FROM expert_request WHERE NOT posted
    UNION SELECT owner FROM reindex_message
    UNION SELECT owner FROM round_message
) AS unfinished
WHERE owner IS NOT NULL AND pg_try_advisory_xact_lock(owner)
"""  # noqa: S608 - the condition is a constant
_INBOX = """
UPDATE inbox SET owner = %(owner)s WHERE owner IS NULL OR owner = ANY(%(gone)s)
RETURNING received_at, post, event_id, event
"""


@dataclass(frozen=True, slots=True)
class Orphans:
    """What was adopted of bots that are gone, each kind oldest first. `events` are keys, ids and payloads."""

    events: Sequence[tuple[str, str, dict[str, Any]]]
    answers: Sequence[UnfinishedAnswer]
    shared: Sequence[SharedAnswer]
    requests: Sequence[ExpertRequest]
    runs: Sequence[RunMessage]
    rounds: Sequence[RoundMessage]


@dataclass(slots=True)
class Recovery:
    """Looks for owners that are gone. One that was gone at the last look, too, is: a living one whose connection broke
    has its lock back by then.
    """

    runtime: Runtime
    inbox: Inbox
    _gone_before: frozenset[int] = field(default_factory=frozenset)

    def tidy(self) -> None:
        """Forgets, at start, the events that are too old to be of use."""
        try:
            with self.runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                forget_events(conn)
        except psycopg.Error as error:
            log.error("events_not_forgotten", error=error_code(error))

    def look(self) -> None:
        """Adopts what is left and has it finished. Never raises: the next look finds it again."""
        try:
            with self.runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                forget_deleted(conn)
                gone = frozenset(owner for (owner,) in conn.execute(_FREE).fetchall())
                orphans = adopt(conn, self.runtime.owner, gone & self._gone_before)
        except psycopg.Error as error:
            log.error("orphans_not_adopted", error=error_code(error))
            return
        self._gone_before = gone
        self.inbox.adopt(orphans.events)
        for message in orphans.rounds:
            round_messages.follow(message, self.runtime)
        if orphans.answers or orphans.shared or orphans.requests or orphans.runs:
            with suppress(RuntimeError):  # this process is being stopped: another one finds them
                self.runtime.work.submit(finish, orphans, self.runtime)


def adopt(conn: Connection[Any], owner: int, gone: frozenset[int]) -> Orphans:
    """Makes what the gone owners left, and what belongs to nobody, this `owner`'s."""
    rows = conn.execute(_INBOX, {"owner": owner, "gone": list(gone)}).fetchall()
    return Orphans(
        events=[(post, event_id, event) for _, post, event_id, event in sorted(rows, key=lambda row: row[0])],
        answers=adopt_answers(conn, owner, gone),
        shared=adopt_shared(conn, owner, gone),
        requests=experts.adopt_requests(conn, owner, gone),
        runs=run_messages.adopt_messages(conn, owner, gone),
        rounds=round_messages.adopt_messages(conn, owner, gone),
    )


def finish(orphans: Orphans, runtime: Runtime) -> None:
    """Finishes what was left, one after the other; what fails is in the log."""
    for message in orphans.runs:
        _attempt(partial(run_messages.resume, message, runtime), run=message.run_id)
    for answer in orphans.answers:
        _attempt(partial(_finish_answer, answer, runtime), answer=answer.id)
    for shared in orphans.shared:
        _attempt(partial(post_shared, shared, runtime), answer=shared.id)
    for request in orphans.requests:
        _attempt(partial(experts.post_request, request, runtime), answer=request.id)


def _attempt(do: Callable[[], object], **what: object) -> None:
    try:
        do()
    except (*SLACK_ERRORS, StoppedByPerson, psycopg.Error) as error:
        log.error("orphan_not_finished", error=error_code(error), **{name: str(value) for name, value in what.items()})


def _finish_answer(row: UnfinishedAnswer, runtime: Runtime) -> None:
    """Answers, shows the answer, or says why there is none; it counts as finished only once its asker was told."""
    reply = _reply_to(row, runtime)
    if row.deleted:
        withdraw(reply, row.id, runtime.pool)
    elif row.text is not None and _may_be_shown(row, runtime):
        _show(row, row.text, reply, runtime)
    elif row.attempts < MOST_ATTEMPTS:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            question = _question(row, conn)
        start(PendingAnswer(_post_of(row, runtime), row.id, question, reply, row.private), runtime)
    else:
        reply.stop(views.RESTARTED)
        with runtime.pool.connection() as conn:
            fail_answer(conn, row.id, views.RESTARTED)


def _may_be_shown(row: UnfinishedAnswer, runtime: Runtime) -> bool:
    """Whether its readers may read what it rests on: who that is, or may, can have changed since it was written."""
    principals = readers(runtime, row.channel, row.asked_by, private=row.private)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        return may_read_answer(conn, row.id, principals)


def _show(row: UnfinishedAnswer, text: str, reply: AnyReply, runtime: Runtime) -> None:
    # What was posted already is updated with the same words, so a crash after the last of them doubles nothing.
    nearest = stored_nearest(row.passages) if row.abstained else []
    reply.finish(views.AnswerView(row.id, text, sources_from_json(row.sources), row.abstained, nearest))
    with runtime.pool.connection() as conn:
        answer_shown(conn, row.id, reply.ts)


def _question(row: UnfinishedAnswer, conn: Connection[Any]) -> Question:
    """Returns the question as it was asked, or as it was edited since."""
    history = [Turn(turn["role"], turn["text"]) for turn in row.history]
    language = channel_settings(conn, row.channel).language
    return Question(row.question, history, row.collections, language, asker=row.asked_by)


def _reply_to(row: UnfinishedAnswer, runtime: Runtime) -> AnyReply:
    if row.question_ts is None:
        question = PrivateQuestion(row.channel, row.asked_by, row.question, row.about_ts, row.response_url)
        return private_reply(question, row.id, runtime)
    if row.answer_ts is not None:
        with suppress(*SLACK_ERRORS):  # a stream that is still open cannot be updated
            runtime.client.chat_stopStream(channel=row.channel, ts=row.answer_ts)
    return reply_to(_post_of(row, runtime), row.id, runtime, private=row.private, ts=row.answer_ts)


def _post_of(row: UnfinishedAnswer, runtime: Runtime) -> Post:
    ts = row.question_ts or ""
    return Post(
        event_id="",
        channel=row.channel,
        ts=ts,
        thread_ts=row.thread_ts or ts,
        person=row.asked_by,
        team_id=runtime.identity.team_id,
        direct=row.channel.startswith("D"),
        addressee="bot" if row.addressed else "channel",
    )
