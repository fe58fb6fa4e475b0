"""The answer rows: how one is begun, how its question changes, and how another process adopts it.

A row is begun before any work is done and has its `finished_at` once people see the answer or the reason why there is
none: a row without it is being answered by its `owner`, or was, if that process is gone (`bot.presence`). What is
written into it on the way, all that is needed to explain an answer or to learn from it, is said in
`bot.questions.answering`. Callers own the transactions. `finetune/` reads these rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bot.questions.row_values import storable
from retrieval.answering.answer import Question

CHANGED = "journeyman_changed"
"""The channel of NOTIFY on which an answer's owner is told that its question has changed; says the answer's id."""
QUESTION_DELETED = "the question was deleted"
STOPPED_BY_ASKER = "stopped by the person who asked"
CALLED_OFF = [QUESTION_DELETED, STOPPED_BY_ASKER]  # errors that are none: who asked wanted no answer any more

_BEGIN = """
INSERT INTO answer (asked_by, channel, thread_ts, question_ts, state, question, history, collections, private,
                    addressed, owner, attempts, about_ts, response_url)
VALUES (%(asked_by)s, %(channel)s, %(thread_ts)s, %(question_ts)s, 'pending', %(question)s, %(history)s,
        %(collections)s, %(private)s, %(addressed)s, %(owner)s, 0, %(about_ts)s, %(response_url)s)
ON CONFLICT (channel, question_ts) DO NOTHING
RETURNING id
"""
_EDIT = """
UPDATE answer SET question = %(question)s
WHERE channel = %(channel)s AND question_ts = %(ts)s AND state = 'pending'
RETURNING id
"""
# Unfinished still: whoever writes the answer takes away what there is of it, and finishes the row.
_DELETE = """
UPDATE answer SET state = 'failed', error = %(error)s
WHERE channel = %(channel)s AND question_ts = %(ts)s AND state = 'pending'
RETURNING id
"""
_NOTIFY = "SELECT pg_notify(%(channel)s, %(id)s)"
UNFINISHED = """
finished_at IS NULL AND channel IS NOT NULL AND (question_ts IS NOT NULL OR private)
"""
_ADOPT = f"""
UPDATE answer SET owner = %(owner)s
WHERE {UNFINISHED} AND (owner IS NULL OR owner = ANY(%(gone)s))
RETURNING id, asked_at, asked_by, channel, thread_ts, question_ts, answer_ts, question, history, collections, text,
          state = 'abstained' AS abstained, state = 'failed' AS deleted, sources, passages, private, addressed,
          attempts, about_ts, response_url
"""  # noqa: S608 - the condition is a constant


@dataclass(frozen=True, slots=True)
class UnfinishedAnswer:
    """An answer that a process began and did not finish showing.

    `answer_ts` is its message, if it had one; `text`, `sources` (of `retrieval.answering.answer.Source`, as JSON) and
    `passages` are there if it only remained to be shown. `attempts` processes began to write it. A command has no
    `question_ts`, but a `response_url`; a question that was `deleted` meanwhile gets no answer.
    """

    id: UUID
    asked_at: datetime
    asked_by: str
    channel: str
    thread_ts: str | None
    question_ts: str | None
    answer_ts: str | None
    question: str
    history: Sequence[dict[str, Any]]
    collections: Sequence[str] | None
    text: str | None
    abstained: bool
    deleted: bool
    sources: Sequence[dict[str, Any]]
    passages: Sequence[dict[str, Any]]
    private: bool
    addressed: bool
    attempts: int
    about_ts: str | None
    response_url: str | None


def begin_answer(
    conn: Connection[Any],
    *,
    asked_by: str,
    question: Question,
    channel: str | None = None,
    thread_ts: str | None = None,
    question_ts: str | None = None,
    private: bool = False,
    addressed: bool = True,
    owner: int | None = None,
    about_ts: str | None = None,
    response_url: str | None = None,
) -> UUID | None:
    """Begins a pending answer; None if this Slack message is already being answered.

    `private`: its asker alone sees it. Not `addressed`: nobody asked the bot, and nobody misses an answer. `owner` is
    the process that answers, `about_ts` the thread that a shortcut was used in. Who has `response_url` can write where
    the command was typed, so it stays only until the answer is there.
    """
    history = [{"role": turn.role, "text": storable(turn.text)} for turn in question.history]
    row = conn.execute(
        _BEGIN,
        {
            "asked_by": asked_by,
            "channel": channel,
            "thread_ts": thread_ts,
            "question_ts": question_ts,
            "question": storable(question.text),
            "history": Jsonb(history),
            "collections": None if question.collections is None else list(question.collections),
            "private": private,
            "addressed": addressed,
            "owner": owner,
            "about_ts": about_ts,
            "response_url": response_url,
        },
    ).fetchone()
    return None if row is None else row[0]


def change_question(conn: Connection[Any], channel: str, ts: str, question: str | None) -> bool:
    """Tells the process that answers a question of its edit, or that it was deleted (None). False: none answers it."""
    post = {"channel": channel, "ts": ts}
    if question is None:
        row = conn.execute(_DELETE, {**post, "error": QUESTION_DELETED}).fetchone()
    else:
        row = conn.execute(_EDIT, {**post, "question": storable(question)}).fetchone()
    if row is not None:
        conn.execute(_NOTIFY, {"channel": CHANGED, "id": str(row[0])})
    return row is not None


def adopt_answers(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[UnfinishedAnswer]:
    """Makes the unfinished answers of processes that are gone `owner`'s; oldest first. The terminal's are not among
    them.
    """
    with conn.cursor(row_factory=class_row(UnfinishedAnswer)) as cursor:
        rows = cursor.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()
    return sorted(rows, key=lambda row: row.asked_at)
