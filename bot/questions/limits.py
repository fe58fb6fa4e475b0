"""Fair use: how many questions one person, and all together, may ask within an hour.

They are counted from the answer rows, so that a restart forgets nothing and several processes count together. Questions
that were refused are no rows and do not count: waiting always helps. Those that were deleted on their asker's wish go
on to count for their hour: of them a hash of the asker and the time are left.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from jobs import locks

_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"
_ASKER = "sha256(convert_to('journeyman ' || {person}, 'UTF8'))"
# The oldest of the newest `most` questions: an hour after it, there is room for one more.
_ROOM_AT = f"""
SELECT asked_at + interval '1 hour' FROM (
    SELECT asked_at FROM answer
    WHERE channel IS NOT NULL AND (%(person)s::text IS NULL OR asked_by = %(person)s)
    UNION ALL
    SELECT asked_at FROM deleted_question
    WHERE %(person)s::text IS NULL OR asker = {_ASKER.format(person="%(person)s")}
) AS asked
WHERE asked_at > now() - interval '1 hour'
ORDER BY asked_at DESC
OFFSET %(most)s - 1 LIMIT 1
"""  # noqa: S608 - the expression is a constant
_REMEMBER = f"""
INSERT INTO deleted_question (asker, asked_at)
SELECT {_ASKER.format(person="asked_by")}, asked_at FROM answer
WHERE asked_by = %(person)s AND channel IS NOT NULL AND asked_at > now() - interval '1 hour'
"""  # noqa: S608
_FORGET = "DELETE FROM deleted_question WHERE asked_at < now() - interval '1 hour'"


@dataclass(frozen=True, slots=True)
class QuestionLimits:
    """Most questions within an hour, of one person and of everybody; 0 is no limit."""

    person: int = 0
    everybody: int = 0


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit that leaves no room before `again_at`; `person` tells whose: this person's, or everybody's."""

    person: bool
    most: int
    again_at: datetime


def check_limits(conn: Connection[Any], limits: QuestionLimits, person: str) -> LimitReached | None:
    """Returns the limit that keeps a person from asking now, if any: call it in the transaction that begins the answer.

    Questions that come at once are counted one after the other: the lock lasts until that transaction's end.
    """
    if limits.person or limits.everybody:
        conn.execute(_LOCK, {"key": locks.FAIR_USE})
    for most, asker in ((limits.person, person), (limits.everybody, None)):
        row = conn.execute(_ROOM_AT, {"person": asker, "most": most}).fetchone() if most else None
        if row is not None:
            return LimitReached(asker is not None, most, row[0])
    return None


def remember_count(conn: Connection[Any], person: str) -> None:
    """Remembers how much a person asked, since that still counts: call it before their questions are deleted."""
    conn.execute(_REMEMBER, {"person": person})


def forget_deleted(conn: Connection[Any]) -> None:
    """Forgets of deleted questions what does not count any more."""
    conn.execute(_FORGET)
