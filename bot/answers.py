"""The answer rows: what was asked, what was answered, and all that is needed to explain or to learn from it.

A row is begun before any work is done and has its `finished_at` once people see the answer or the reason why there is
none: a row without it tells of a process that stopped in the middle. Callers own the transactions. `finetune/` reads
these rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval.answer import Answer, Passage, Question, Source

_BEGIN = """
INSERT INTO answer (asked_by, channel, thread_ts, question_ts, state, question, history, collections, private,
                    addressed)
VALUES (%(asked_by)s, %(channel)s, %(thread_ts)s, %(question_ts)s, 'pending', %(question)s, %(history)s,
        %(collections)s, %(private)s, %(addressed)s)
ON CONFLICT (channel, question_ts) DO NOTHING
RETURNING id
"""
_FINISH = """
UPDATE answer
SET state = %(state)s, standalone = %(standalone)s, prompt = %(prompt)s, passages = %(passages)s,
    sources = %(sources)s, text = %(text)s, model = %(model)s, adapter = %(adapter)s, timings = %(timings)s,
    answer_ts = coalesce(%(answer_ts)s, answer_ts), error = NULL,
    finished_at = CASE WHEN %(shown)s THEN now() END
WHERE id = %(id)s
"""
_FAIL = """
UPDATE answer SET state = 'failed', error = %(error)s, finished_at = now()
WHERE id = %(id)s AND state = 'pending'
"""
_CHANGE = "UPDATE answer SET question = %(question)s WHERE id = %(id)s AND finished_at IS NULL"
_SHOWN = "UPDATE answer SET answer_ts = %(answer_ts)s, finished_at = now() WHERE id = %(id)s"
_PLACE = "UPDATE answer SET answer_ts = %(answer_ts)s WHERE id = %(id)s"
_SHARE = """
UPDATE answer SET private = false
WHERE id = %(id)s AND asked_by = %(person)s AND private AND state = 'answered'
RETURNING id, question, text, sources
"""
_UNSHARE = "UPDATE answer SET private = true WHERE id = %(id)s"
_PLACE_SHARED = "UPDATE answer SET thread_ts = %(thread_ts)s, answer_ts = %(answer_ts)s WHERE id = %(id)s"
_UNFINISHED = """
SELECT id, asked_by, channel, thread_ts, question_ts, answer_ts, question, text, state = 'abstained' AS abstained,
       sources, passages, private, addressed
FROM answer
WHERE finished_at IS NULL AND channel IS NOT NULL AND (question_ts IS NOT NULL OR private)
ORDER BY asked_at
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An answer that a process began and did not finish showing.

    `answer_ts` is its message, if it had one; `text`, `sources` (of `retrieval.answer.Source`, as JSON) and `passages`
    are there if it only remained to be shown. A command has no `question_ts`.
    """

    id: UUID
    asked_by: str
    channel: str
    thread_ts: str | None
    question_ts: str | None
    answer_ts: str | None
    question: str
    text: str | None
    abstained: bool
    sources: Sequence[dict[str, Any]]
    passages: Sequence[dict[str, Any]]
    private: bool
    addressed: bool


@dataclass(frozen=True, slots=True)
class Shared:
    """An answer that its asker wants everybody to see; `sources` as in `Unfinished`."""

    id: UUID
    question: str
    text: str
    sources: Sequence[dict[str, Any]]


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
) -> UUID | None:
    """A new pending answer, or None if this Slack message is already being answered.

    `private`: its asker alone sees it. Not `addressed`: nobody asked the bot, and nobody misses an answer.
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
            "answer_ts": answer_ts,
            "shown": shown,
        },
    )


def change_question(conn: Connection[Any], answer_id: UUID, question: str) -> None:
    """The asker has edited the question while it was being answered."""
    conn.execute(_CHANGE, {"id": answer_id, "question": _storable(question)})


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


def share_answer(conn: Connection[Any], answer_id: UUID, person: str) -> Shared | None:
    """Makes a private answer everybody's; None if it is not private (any more) or not this person's."""
    with conn.cursor(row_factory=class_row(Shared)) as cursor:
        return cursor.execute(_SHARE, {"id": answer_id, "person": person}).fetchone()


def unshare_answer(conn: Connection[Any], answer_id: UUID) -> None:
    """Makes it private again: it could not be posted."""
    conn.execute(_UNSHARE, {"id": answer_id})


def place_shared(conn: Connection[Any], answer_id: UUID, thread_ts: str, answer_ts: str | None) -> None:
    """Remembers where a shared answer stands, so that its thread can go on and reactions find it."""
    conn.execute(_PLACE_SHARED, {"id": answer_id, "thread_ts": thread_ts, "answer_ts": answer_ts})


def unfinished_answers(conn: Connection[Any]) -> list[Unfinished]:
    """Answers to Slack messages that were not shown to their end, oldest first; the terminal's are not among them."""
    with conn.cursor(row_factory=class_row(Unfinished)) as cursor:
        return cursor.execute(_UNFINISHED).fetchall()


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
