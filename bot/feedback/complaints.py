"""What people found wrong with an answer, and where it goes: to the review queue, to the documents to fix, or to both.

A missing or outdated source is repaired in the documents, which is somebody else's work than judging an answer. The
reasons are those of the form behind a thumb down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

Reason = Literal["source", "outdated", "wrong", "unclear", "other"]
REASONS: dict[Reason, str] = {
    "source": "Wrong or missing source",
    "outdated": "Outdated",
    "wrong": "Wrong answer",
    "unclear": "Unclear",
    "other": "Something else",
}

IN_REVIEW = "complaint.verdict IS NULL AND (reason NOT IN ('source', 'outdated') OR correction IS NOT NULL)"
_TO_FIX = "complaint.fixed_at IS NULL AND reason IN ('source', 'outdated')"
_COMPLAIN = """
INSERT INTO complaint (answer_id, person, reason, correction)
SELECT id, %(person)s, %(reason)s, %(correction)s FROM answer WHERE id = %(answer_id)s
ON CONFLICT (answer_id, person) DO UPDATE
SET reason = excluded.reason, correction = excluded.correction, said_at = now(),
    verdict = NULL, reviewed_by = NULL, reviewed_at = NULL, fixed_by = NULL, fixed_at = NULL
"""
_MAY_READ = """
(%(principals)s::text[] IS NULL OR EXISTS (
    SELECT FROM jsonb_array_elements(answer.passages) AS p JOIN collection c ON c.name = p ->> 'collection'
    WHERE p ->> 'chunk_id' = s ->> 'chunk_id' AND c.audience && %(principals)s))
"""
_DOCUMENTS = f"""
SELECT answer.id AS answer_id, question, array_agg(DISTINCT reason) AS reasons, count(*) AS people,
    ARRAY(SELECT DISTINCT coalesce(nullif(s ->> 'title', ''), s ->> 'document') || ' (' || (s ->> 'document') || ')'
          FROM jsonb_array_elements(answer.sources) AS s WHERE {_MAY_READ}) AS documents,
    (SELECT count(DISTINCT s ->> 'document')::int FROM jsonb_array_elements(answer.sources) AS s
     WHERE NOT {_MAY_READ}) AS withheld,
    count(*) OVER () AS waiting
FROM complaint JOIN answer ON answer.id = answer_id
WHERE {_TO_FIX}
GROUP BY answer.id
ORDER BY count(*) DESC, min(said_at)
LIMIT %(limit)s
"""  # noqa: S608 - the condition is a constant
_FIXED = f"""
UPDATE complaint SET fixed_by = %(person)s, fixed_at = now() WHERE answer_id = %(answer_id)s AND {_TO_FIX}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class DocumentsToFix:
    """An answer whose documents somebody should repair. No `documents` and none `withheld`: none of them says it.

    `people` complained about it; `withheld` are documents that the reader may not read; `waiting` such answers there
    are in all.
    """

    answer_id: UUID
    question: str
    reasons: Sequence[Reason]
    people: int
    documents: Sequence[str]
    withheld: int
    waiting: int


def read_reason(value: str) -> Reason | None:
    """Reads the reason that a form sent; None for anything else."""
    return cast(Reason, value) if value in get_args(Reason) else None


def complain(conn: Connection[Any], answer_id: UUID, person: str, reason: Reason, correction: str | None) -> bool:
    """Keeps what the person says in place of what they said before; False if there is no such answer."""
    values = {"answer_id": answer_id, "person": person, "reason": reason, "correction": correction}
    return conn.execute(_COMPLAIN, values).rowcount > 0


def goes_to_review(reason: Reason, correction: str | None) -> bool:
    """Says whether an admin is to judge the answer, and it is not the documents alone that are to be fixed."""
    return reason not in ("source", "outdated") or correction is not None


def documents_to_fix(
    conn: Connection[Any], principals: Sequence[str] | None = None, limit: int = 5
) -> list[DocumentsToFix]:
    """Reads what is to be fixed, most complaints first, with documents that these principals may read (None: all)."""
    parameters = {"limit": limit, "principals": None if principals is None else list(principals)}
    with conn.cursor(row_factory=class_row(DocumentsToFix)) as cursor:
        return cursor.execute(_DOCUMENTS, parameters).fetchall()


def documents_fixed(conn: Connection[Any], answer_id: UUID, person: str) -> bool:
    """Takes an answer off the list; False if it was not on it."""
    return conn.execute(_FIXED, {"answer_id": answer_id, "person": person}).rowcount > 0
