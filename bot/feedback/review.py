"""The review queue: what admins judge, and how an approved answer becomes a verified one.

Approving makes the text searchable in the same transaction that records it, so it is found by the next question, and
writes down a training example for the next round of fine-tuning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from bot.feedback.complaints import IN_REVIEW, Reason
from bot.questions.readers import EVERYONE, rests_on
from bot.runtime import Runtime
from bot.slack.people import shown_name
from retrieval.collections import collection_for, collection_for_all, replies_in
from retrieval.indexing.models import WrongModel
from retrieval.indexing.verified import (
    TITLE,
    UNAPPROVED,
    Prepared,
    prepare,
    put_verified,
    remove_verified,
    verified_name,
)

PASSAGES = 4  # of those that the answer was written from

_QUEUE = f"""
SELECT answer.id AS answer_id, question, asked_at, array_agg(DISTINCT reason) AS reasons, count(*) AS people,
    bool_or(correction IS NOT NULL) AS corrected, count(*) OVER () AS waiting
FROM complaint JOIN answer ON answer.id = answer_id
WHERE {IN_REVIEW}
GROUP BY answer.id
ORDER BY min(said_at)
LIMIT %(limit)s
"""  # noqa: S608 - the condition is a constant
_ANSWER = """
SELECT a.id AS answer_id, a.question, coalesce(a.standalone, a.question) AS standalone,
    coalesce(a.text, a.error, '') AS text, a.asked_at,
    count(*) FILTER (WHERE f.vote = 1) AS up, count(*) FILTER (WHERE f.vote = -1) AS down
FROM answer a LEFT JOIN feedback f ON f.answer_id = a.id
WHERE a.id = %(answer_id)s
GROUP BY a.id
"""
_COMPLAINTS = f"""
SELECT person, reason, correction FROM complaint
WHERE answer_id = %(answer_id)s AND {IN_REVIEW}
ORDER BY said_at
"""  # noqa: S608
_PASSAGES = """
SELECT p ->> 'title' AS title, p ->> 'heading' AS heading, c.text
FROM answer a, jsonb_array_elements(a.passages) WITH ORDINALITY AS listed (p, place)
    LEFT JOIN chunk c ON c.id = (p ->> 'chunk_id')::bigint AND encode(c.content_hash, 'hex') = p ->> 'content_hash'
WHERE a.id = %(answer_id)s AND p ->> 'collection' = ANY (%(collections)s)
ORDER BY place
LIMIT %(limit)s
"""
# A question that was asked privately is told as it was asked: what stood before it was private, too.
_TO_VERIFY = """
SELECT CASE WHEN private THEN question ELSE coalesce(standalone, question) END AS question, prompt, text
FROM answer WHERE id = %(answer_id)s
"""
_INSTEAD_OF = "SELECT collection FROM verified_answer WHERE answer_id = %(answer_id)s AND NOT awaits_admin"
# Not one that guests may read: nobody has said that they may.
_FOR_MEMBERS = """
SELECT c.name FROM collection c
WHERE c.audience = '{everyone}' OR c.name = ANY (
    SELECT unnest(collections) FROM answer WHERE id = %(answer_id)s) AND NOT 'anyone' = ANY (c.audience)
ORDER BY (SELECT array_position(collections, c.name) FROM answer WHERE id = %(answer_id)s), c.name LIMIT 1
"""
_VERIFY = """
INSERT INTO verified_answer (answer_id, collection, question, text, written_by, verified_by, said_to, awaits_admin)
VALUES (%(answer_id)s, %(collection)s, %(question)s, %(text)s, %(written_by)s, %(verified_by)s, %(said_to)s,
        %(awaits_admin)s)
ON CONFLICT (answer_id) DO UPDATE SET collection = excluded.collection, question = excluded.question,
    text = excluded.text, written_by = excluded.written_by, verified_by = excluded.verified_by, verified_at = now(),
    said_to = excluded.said_to, awaits_admin = excluded.awaits_admin
RETURNING id, document_id, verified_at
"""
_SEARCHABLE = "UPDATE verified_answer SET document_id = %(document)s WHERE id = %(id)s"
_EXAMPLE = """
INSERT INTO training_example (verified_id, question, prompt, target, rejected)
VALUES (%(id)s, %(question)s, %(prompt)s, %(target)s, nullif(%(rejected)s, %(target)s))
ON CONFLICT (verified_id) DO UPDATE SET question = excluded.question, prompt = excluded.prompt,
    target = excluded.target, rejected = excluded.rejected, made_at = now()
"""
_VERIFIED = """
SELECT id AS number, question, text, verified_by, verified_at, awaits_admin, count(*) OVER () AS total
FROM verified_answer
WHERE (awaits_admin AND said_to = ANY (%(principals)s))
    OR collection IN (SELECT name FROM collection WHERE audience && %(principals)s)
ORDER BY awaits_admin DESC, verified_at DESC LIMIT %(limit)s
"""
_AWAITING = """
SELECT answer_id, question, text, coalesce(written_by, verified_by), said_to FROM verified_answer
WHERE id = %(number)s AND awaits_admin AND said_to = ANY (%(principals)s)
"""
_WITHDRAW = "DELETE FROM verified_answer WHERE id = %(number)s RETURNING document_id"
_DECIDE = """
UPDATE complaint SET verdict = %(verdict)s, reviewed_by = %(person)s, reviewed_at = now()
WHERE answer_id = %(answer_id)s AND verdict IS NULL
"""


@dataclass(frozen=True, slots=True)
class QueuedAnswer:
    """An answer in the queue. `people` complained about it; `waiting` answers there are in all."""

    answer_id: UUID
    question: str
    asked_at: datetime
    reasons: Sequence[Reason]
    people: int
    corrected: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """What one person said was wrong."""

    person: str
    reason: Reason
    correction: str | None


@dataclass(frozen=True, slots=True)
class ReviewedPassage:
    """A passage that the answer was written from; `text` is None once it has gone from the index."""

    title: str
    heading: str
    text: str | None


@dataclass(frozen=True, slots=True)
class ReviewedAnswer:
    """An answer as a reviewer sees it; `standalone` is the question without what was said before it. What is approved
    is for those who may read all of `collections`, and `passages` are of no other.
    """

    answer_id: UUID
    question: str
    standalone: str
    text: str
    asked_at: datetime
    up: int
    down: int
    complaints: Sequence[Complaint] = ()
    passages: Sequence[ReviewedPassage] = ()
    collections: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """A verified answer in the list of them; `total` there are in all. `verified_by` None: not said."""

    number: int
    question: str
    text: str
    verified_by: str | None
    verified_at: datetime
    total: int
    awaits_admin: bool = False


@dataclass(frozen=True, slots=True)
class ExpertReply:
    """What somebody said in a thread. `said_to` is the principal of those who heard it
    (`bot.questions.readers.said_to`); while it `awaits_admin` it is for the members of its channel alone.
    """

    channel: str
    said_to: str
    awaits_admin: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """A verified answer that search finds from now on; `name` is how it is marked."""

    number: int
    question: str
    name: str


def review_queue(conn: Connection[Any], limit: int = 5) -> list[QueuedAnswer]:
    """Reads the answers that are to be judged, those that wait longest first."""
    with conn.cursor(row_factory=class_row(QueuedAnswer)) as cursor:
        return cursor.execute(_QUEUE, {"limit": limit}).fetchall()


def read_answer(conn: Connection[Any], answer_id: UUID) -> ReviewedAnswer | None:
    """Reads all that a reviewer needs of an answer; None if it was deleted."""
    key = {"answer_id": answer_id}
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_ANSWER, key).fetchone()
    if row is None:
        return None
    with conn.cursor(row_factory=class_row(Complaint)) as cursor:
        complaints = cursor.execute(_COMPLAINTS, key).fetchall()
    collections = sorted(_made_of(conn, answer_id))
    with conn.cursor(row_factory=class_row(ReviewedPassage)) as passages_cursor:
        parameters = {**key, "collections": collections, "limit": PASSAGES}
        passages = passages_cursor.execute(_PASSAGES, parameters).fetchall()
    return ReviewedAnswer(**row, complaints=complaints, passages=passages, collections=collections)


def save_verified(
    runtime: Runtime,
    answer_id: UUID,
    text: str,
    *,
    verified_by: str,
    written_by: str | None = None,
    question: str | None = None,
    reply: ExpertReply | None = None,
) -> Verification | None:
    """Makes `text` the verified answer to the question of `answer_id`, in place of an earlier one; what was waiting in
    the queue about it is approved. It is for those who may read all that the answer was made of.

    The caller has asked whether the person may. `written_by` is who wrote the text, if somebody else did; `question`
    takes the place of the one that was asked, for all who find it read it. `reply` is given for a text that was not
    made of an answer; while that awaits an admin nothing is approved by it, and nothing learnt. None if the answer was
    deleted. Raises psycopg.Error.
    """
    with runtime.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_TO_VERIFY, {"answer_id": answer_id}).fetchone()
    if row is None:
        return None
    row["question"] = question or row["question"]
    name = shown_name(runtime.client, verified_by)
    values = {
        **row,
        "answer_id": answer_id,
        "text": text,
        "verified_by": verified_by,
        "written_by": written_by,
        "reply": reply,
        "said_to": reply.said_to if reply else None,
        "awaits_admin": reply is not None and reply.awaits_admin,
    }
    try:
        return _embed_and_store(runtime, values, name, rejected=row["text"])
    except WrongModel:  # another embedding model was switched to in between
        return _embed_and_store(runtime, values, name, rejected=row["text"])


def verified_answers(conn: Connection[Any], principals: Sequence[str], limit: int = 5) -> list[VerifiedAnswer]:
    """Reads the verified answers that these principals may read, the newest first."""
    with conn.cursor(row_factory=class_row(VerifiedAnswer)) as cursor:
        return cursor.execute(_VERIFIED, {"limit": limit, "principals": list(principals)}).fetchall()


def approve_reply(runtime: Runtime, number: int, principals: Sequence[str], *, approved_by: str) -> Verification | None:
    """Makes an expert's reply, which was for its channel alone, the verified answer for all who could read it there.

    The caller has asked whether the person may. None if nothing of this number waits for somebody with these
    principals, or its question was deleted. Raises psycopg.Error.
    """
    with runtime.pool.connection() as conn:
        row = conn.execute(_AWAITING, {"number": number, "principals": list(principals)}).fetchone()
    if row is None or row[0] is None:
        return None
    answer_id, question, text, written_by, said_to = row
    reply = ExpertReply(said_to.partition(":")[2], said_to, awaits_admin=False)
    return save_verified(
        runtime, answer_id, text, verified_by=approved_by, written_by=written_by, question=question, reply=reply
    )


def withdraw(conn: Connection[Any], number: int) -> bool:
    """Takes a verified answer back, out of search and out of fine-tuning; False if it was not there."""
    with conn.transaction():
        row = conn.execute(_WITHDRAW, {"number": number}).fetchone()
        if row is not None and row[0] is not None:
            remove_verified(conn, row[0])
    return row is not None


def reject(conn: Connection[Any], answer_id: UUID, person: str) -> bool:
    """Takes an answer off the queue, since it was right or nothing can be learnt from it; False if it was not on it."""
    return decide(conn, answer_id, person, "rejected")


def decide(conn: Connection[Any], answer_id: UUID, person: str, verdict: str) -> bool:
    """Gives a verdict on all complaints about the answer that wait for one; False if none does."""
    return conn.execute(_DECIDE, {"answer_id": answer_id, "person": person, "verdict": verdict}).rowcount > 0


def _made_of(conn: Connection[Any], answer_id: UUID) -> frozenset[str]:
    """Returns the collections that an answer and a verified one in its place are of: an edit is for no more people."""
    instead_of = conn.execute(_INSTEAD_OF, {"answer_id": answer_id}).fetchall()
    return rests_on(conn, answer_id).union(name for (name,) in instead_of)


def _collection(conn: Connection[Any], answer_id: UUID, reply: ExpertReply | None) -> str:
    """Returns the collection for a verified answer: it is for those who may read all that it was made of."""
    if reply is None:
        made_of = set(_made_of(conn, answer_id))
    else:
        made_of = {name for (name,) in conn.execute(_INSTEAD_OF, {"answer_id": answer_id}).fetchall()}
        if reply.awaits_admin or reply.said_to != EVERYONE:
            made_of.add(collection_for(conn, f"channel:{reply.channel}", replies_in(reply.channel)))
    if not made_of:
        row = conn.execute(_FOR_MEMBERS, {"answer_id": answer_id}).fetchone()
        made_of.add(row[0] if row else collection_for(conn, EVERYONE, "default"))
    return collection_for_all(conn, made_of)


def _embed_and_store(runtime: Runtime, values: dict[str, Any], name: str, *, rejected: str | None) -> Verification:
    prepared = prepare(
        runtime.embedder, values["question"], values["text"], title=UNAPPROVED if values["awaits_admin"] else TITLE
    )
    with runtime.pool.connection() as conn, conn.transaction():
        verified = _store(conn, prepared, values, name, rejected=rejected)
        if not values["awaits_admin"]:
            decide(conn, values["answer_id"], values["verified_by"], "approved")
    return verified


def _store(
    conn: Connection[Any], prepared: Prepared, values: dict[str, Any], name: str, *, rejected: str | None
) -> Verification:
    values = {**values, "collection": _collection(conn, values["answer_id"], values["reply"])}
    number, instead_of, verified_at = conn.execute(_VERIFY, values).fetchone() or (0, None, datetime.min)
    mark = verified_name(number, name, verified_at, saved_only=values["awaits_admin"])
    document = put_verified(
        conn,
        prepared,
        collection=values["collection"],
        name=mark,
        verified_at=verified_at,
        instead_of=instead_of,
    )
    conn.execute(_SEARCHABLE, {"document": document, "id": number})
    if not values["awaits_admin"]:
        conn.execute(_EXAMPLE, {**values, "id": number, "target": values["text"], "rejected": rejected})
    return Verification(number, values["question"], mark)
