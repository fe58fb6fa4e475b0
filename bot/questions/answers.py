"""The answer rows: what was asked, what was answered, and all that is needed to explain or to learn from it.

A row is begun before any work is done and has its `finished_at` once people see the answer or the reason why there is
none: a row without it is being answered by its `owner`, or was, if that process is gone (`bot.presence`). Callers own
the transactions. `finetune/` reads these rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval.answering.answer import Answer, Question, Source
from retrieval.searching.passage import Passage

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
_FINISH = """
UPDATE answer
SET state = %(state)s, standalone = %(standalone)s, prompt = %(prompt)s, passages = %(passages)s,
    sources = %(sources)s, text = %(text)s, model = %(model)s, adapter = %(adapter)s, timings = %(timings)s,
    finish = %(finish)s, template_sha256 = %(template_sha256)s, revision = %(revision)s,
    answer_ts = coalesce(%(answer_ts)s, answer_ts), error = NULL,
    finished_at = CASE WHEN %(shown)s THEN now() END, response_url = CASE WHEN NOT %(shown)s THEN response_url END
WHERE id = %(id)s
"""
_FAIL = """
UPDATE answer SET state = 'failed', error = %(error)s, finished_at = now(), response_url = NULL
WHERE id = %(id)s AND (state = 'pending' OR state = 'failed' AND finished_at IS NULL)
"""
_TAKE_UP = "UPDATE answer SET attempts = attempts + 1 WHERE id = %(id)s AND owner = %(owner)s"
_HAND_OVER = "UPDATE answer SET attempts = attempts - 1, owner = NULL WHERE id = %(id)s AND owner = %(owner)s"
_ASKED = "SELECT owner, state = 'failed' AS deleted, question FROM answer WHERE id = %(id)s"
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
_TELL = "SELECT pg_notify(%(channel)s, %(id)s)"
_SHOWN = """
UPDATE answer SET answer_ts = %(answer_ts)s, finished_at = now(), response_url = NULL WHERE id = %(id)s
"""
_PLACE = "UPDATE answer SET answer_ts = %(answer_ts)s WHERE id = %(id)s"
_SHARE = """
UPDATE answer SET private = false, sharing = true, owner = %(owner)s, response_url = %(response_url)s
WHERE id = %(id)s AND asked_by = %(person)s AND private AND state = 'answered'
RETURNING id, asked_by, channel, coalesce(about_ts, thread_ts) AS about_ts, question, text, sources, response_url
"""
_UNSHARE = "UPDATE answer SET private = true, sharing = false, response_url = NULL WHERE id = %(id)s"
_PLACE_SHARED = """
UPDATE answer SET thread_ts = coalesce(%(thread_ts)s, thread_ts), answer_ts = %(answer_ts)s, sharing = false,
    response_url = NULL
WHERE id = %(id)s
"""
UNFINISHED = """
finished_at IS NULL AND channel IS NOT NULL AND (question_ts IS NOT NULL OR private)
"""
_TAKE_OVER = f"""
UPDATE answer SET owner = %(owner)s
WHERE {UNFINISHED} AND (owner IS NULL OR owner = ANY(%(gone)s))
RETURNING id, asked_at, asked_by, channel, thread_ts, question_ts, answer_ts, question, history, collections, text,
          state = 'abstained' AS abstained, state = 'failed' AS deleted, sources, passages, private, addressed,
          attempts, about_ts, response_url
"""  # noqa: S608 - the condition is a constant
_TAKE_OVER_SHARED = """
UPDATE answer SET owner = %(owner)s
WHERE sharing AND (owner IS NULL OR owner = ANY(%(gone)s))
RETURNING id, asked_by, channel, coalesce(about_ts, thread_ts) AS about_ts, question, text, sources, response_url
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
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


@dataclass(frozen=True, slots=True)
class Shared:
    """An answer that its asker wants everybody to see, in the thread `about_ts` if it is about one; `sources` as in
    `Unfinished`.
    """

    id: UUID
    asked_by: str
    channel: str
    about_ts: str | None
    question: str
    text: str
    sources: Sequence[dict[str, Any]]
    response_url: str | None


@dataclass(frozen=True, slots=True)
class AskedNow:
    """What an answer is to answer now, and whose it is."""

    owner: int | None
    deleted: bool
    question: str


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
    """A new pending answer, or None if this Slack message is already being answered.

    `private`: its asker alone sees it. Not `addressed`: nobody asked the bot, and nobody misses an answer. `owner` is
    the process that answers, `about_ts` the thread that a shortcut was used in. Who has `response_url` can write where
    the command was typed, so it stays only until the answer is there.
    """
    history = [{"role": turn.role, "text": _storable(turn.text)} for turn in question.history]
    row = conn.execute(
        _BEGIN,
        {
            "asked_by": asked_by,
            "channel": channel,
            "thread_ts": thread_ts,
            "question_ts": question_ts,
            "question": _storable(question.text),
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


def finish_answer(
    conn: Connection[Any], answer_id: UUID, answer: Answer, answer_ts: str | None = None, *, shown: bool = True
) -> None:
    """Records the answer, and the Slack message that shows it where there is one.

    With `shown` False it stays unfinished: kept, and to be shown at the next start if this process does not come to it.
    """
    conn.execute(
        _FINISH,
        {
            "id": answer_id,
            "state": "abstained" if answer.abstained else "answered",
            "standalone": _storable(answer.standalone),
            "prompt": _storable(answer.prompt),
            "passages": Jsonb(_passages(answer.passages)),
            "sources": Jsonb([_storable_values(asdict(source)) for source in answer.sources]),
            "text": _storable(answer.text),
            "model": answer.model,
            "adapter": answer.adapter,
            "timings": Jsonb(dict(answer.timings)),
            "finish": answer.finish,
            "template_sha256": answer.template_sha256,
            "revision": answer.revision,
            "answer_ts": answer_ts,
            "shown": shown,
        },
    )


def take_up(conn: Connection[Any], answer_id: UUID, owner: int) -> None:
    """Counts that a process begins to write the answer."""
    conn.execute(_TAKE_UP, {"id": answer_id, "owner": owner})


def hand_over(conn: Connection[Any], answer_id: UUID, owner: int) -> None:
    """Leaves the answer to another process, which begins it again."""
    conn.execute(_HAND_OVER, {"id": answer_id, "owner": owner})


def asked_now(conn: Connection[Any], answer_id: UUID) -> AskedNow | None:
    """The question as it reads now; None if its row was deleted on its asker's wish."""
    with conn.cursor(row_factory=class_row(AskedNow)) as cursor:
        return cursor.execute(_ASKED, {"id": answer_id}).fetchone()


def change_question(conn: Connection[Any], channel: str, ts: str, question: str | None) -> bool:
    """The asker has edited the question, or deleted it (None): tells the process that answers it. False: none does."""
    given = {"channel": channel, "ts": ts}
    if question is None:
        row = conn.execute(_DELETE, {**given, "error": QUESTION_DELETED}).fetchone()
    else:
        row = conn.execute(_EDIT, {**given, "question": _storable(question)}).fetchone()
    if row is not None:
        conn.execute(_TELL, {"channel": CHANGED, "id": str(row[0])})
    return row is not None


def fail_answer(conn: Connection[Any], answer_id: UUID, error: str) -> None:
    """Records why there is no answer, in a sentence. An answer that was finished stays as it is."""
    conn.execute(_FAIL, {"id": answer_id, "error": _storable(error)})


def place_answer(conn: Connection[Any], answer_id: UUID, answer_ts: str) -> None:
    """Remembers the Slack message in which the answer is being shown, before it is finished."""
    conn.execute(_PLACE, {"id": answer_id, "answer_ts": answer_ts})


def answer_shown(conn: Connection[Any], answer_id: UUID, answer_ts: str | None) -> None:
    """Records that people see an answer that was kept before."""
    conn.execute(_SHOWN, {"id": answer_id, "answer_ts": answer_ts})


def nearest_passages(passages: Sequence[Passage]) -> list[Source]:
    """The best passages, one of each place, as they are shown where the documents don't say."""
    return stored_nearest(_passages(passages))


def stored_nearest(passages: Sequence[dict[str, Any]], most: int = 3) -> list[Source]:
    """As `nearest_passages`, from the passages of an answer's row."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in passages:
        best.setdefault((row["document"], row["heading"]), row)
    return [
        Source(
            number=number,
            document=row["document"],
            title=row["title"],
            heading=row["heading"],
            url=row.get("url"),
            quote="",
            chunk_id=row["chunk_id"],
            modified=row.get("modified"),
        )
        for number, row in enumerate(list(best.values())[:most], 1)
    ]


def share_answer(
    conn: Connection[Any], answer_id: UUID, person: str, owner: int, response_url: str | None
) -> Shared | None:
    """Makes a private answer everybody's, to be posted by `owner`; None if it is not private (any more) or not this
    person's. `response_url` as for `begin_answer`.
    """
    given = {"id": answer_id, "person": person, "owner": owner, "response_url": response_url}
    with conn.cursor(row_factory=class_row(Shared)) as cursor:
        return cursor.execute(_SHARE, given).fetchone()


def unshare_answer(conn: Connection[Any], answer_id: UUID) -> None:
    """Makes it private again: it could not be posted."""
    conn.execute(_UNSHARE, {"id": answer_id})


def place_shared(conn: Connection[Any], answer_id: UUID, thread_ts: str | None, answer_ts: str | None) -> None:
    """Remembers that a shared answer was posted and, where Slack says it, where: its thread can go on."""
    conn.execute(_PLACE_SHARED, {"id": answer_id, "thread_ts": thread_ts, "answer_ts": answer_ts})


def take_over_answers(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[Unfinished]:
    """Makes the unfinished answers of processes that are gone `owner`'s; oldest first. The terminal's are not among
    them.
    """
    with conn.cursor(row_factory=class_row(Unfinished)) as cursor:
        rows = cursor.execute(_TAKE_OVER, {"owner": owner, "gone": list(gone)}).fetchall()
    return sorted(rows, key=lambda row: row.asked_at)


def take_over_shared(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[Shared]:
    """The same for answers that were shared and not posted."""
    with conn.cursor(row_factory=class_row(Shared)) as cursor:
        return cursor.execute(_TAKE_OVER_SHARED, {"owner": owner, "gone": list(gone)}).fetchall()


def _passages(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """In prompt order. Not their text: the prompt has it, and the chunk as long as the document does."""
    return [
        {
            "chunk_id": passage.chunk_id,
            "content_hash": passage.content_hash,
            "document": _storable(passage.document),
            "title": _storable(passage.title),
            "heading": _storable(passage.heading),
            "url": passage.url,
            "modified": _day(passage),
            "collection": passage.collection,
            "score": float(passage.score),
            "similarity": float(passage.similarity),
            "ranks": {name: int(rank) for name, rank in passage.ranks.items()},
        }
        for passage in passages
    ]


def _day(passage: Passage) -> str | None:
    return passage.modified_at.date().isoformat() if passage.modified_at else None


def _storable(text: str) -> str:
    """Postgres stores every character but NUL."""
    return text.replace("\x00", "")


def _storable_values(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _storable(value) if isinstance(value, str) else value for key, value in values.items()}
