"""Documents that were begun and not finished: one that ends or fails its worker is set aside, and the run goes on.

An attempt is noted before a document is parsed and struck out when it is done, so what is left tells which documents a
process that died had in hand. Each of them is then tried by itself, after all others, and the innocent get
through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

LIMIT = 3
"""Attempts after which a document is set aside, until it is changed or indexed by force."""

_OF = """
SELECT name, raw_hash, attempts, error FROM document_attempt
WHERE source_id = %(source)s AND (%(since)s::timestamptz IS NULL OR tried_at >= %(since)s)
"""
_BEGIN = """
INSERT INTO document_attempt (source_id, name, raw_hash, attempts)
SELECT %(source)s, name, raw_hash, 1 FROM unnest(%(names)s::text[], %(hashes)s::bytea[]) AS begun (name, raw_hash)
ON CONFLICT (source_id, name) DO UPDATE SET raw_hash = excluded.raw_hash, tried_at = now(), error = NULL,
    attempts = 1 + CASE WHEN document_attempt.raw_hash = excluded.raw_hash
        AND (%(since)s::timestamptz IS NULL OR document_attempt.tried_at >= %(since)s)
        THEN document_attempt.attempts ELSE 0 END
"""
_END = "DELETE FROM document_attempt WHERE source_id = %(source)s AND name = ANY (%(names)s)"
_TAKE_BACK = """
UPDATE document_attempt SET attempts = attempts - 1 WHERE source_id = %(source)s AND name = ANY (%(names)s)
"""
_DROP_EMPTY = "DELETE FROM document_attempt WHERE source_id = %(source)s AND attempts < 1"
_FAILED = "UPDATE document_attempt SET error = %(error)s WHERE source_id = %(source)s AND name = %(name)s"
_SET_ASIDE = """
SELECT s.collection, a.name, a.attempts, a.error, a.tried_at
FROM document_attempt a JOIN source s ON s.id = a.source_id WHERE a.attempts >= %(limit)s
ORDER BY s.collection, a.name
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often a version of a document was begun and not finished; `error` is what was raised, None if its process
    ended.
    """

    name: str
    raw_hash: bytes
    attempts: int
    error: str | None

    @property
    def verdict(self) -> str:
        """Why it is set aside, and what to do, for people."""
        why = self.error or "each time the process that worked on it ended"
        return f"set aside after {self.attempts} attempts ({why}); change it, or index it with --force"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A document that is not tried any more."""

    collection: str
    name: str
    attempts: int
    error: str | None
    tried_at: datetime


def attempts_of(conn: Connection[Any], source: int, since: datetime | None = None) -> dict[str, Attempt]:
    """The unfinished attempts at documents of a source, by name; of those last tried at `since` or later, None: all."""
    with conn.transaction(), conn.cursor(row_factory=class_row(Attempt)) as cursor:
        return {attempt.name: attempt for attempt in cursor.execute(_OF, {"source": source, "since": since})}


def begin_attempts(
    conn: Connection[Any], source: int, names: Sequence[str], hashes: Sequence[bytes], *, since: datetime | None = None
) -> None:
    """Notes that these versions are begun; how often they were, is forgotten of those last tried before `since`."""
    with conn.transaction():
        # It need not reach the disk: what is to be survived is the end of this process, not of the server.
        conn.execute("SET LOCAL synchronous_commit = off")
        conn.execute(_BEGIN, {"source": source, "names": list(names), "hashes": list(hashes), "since": since})


def end_attempts(conn: Connection[Any], source: int, names: Sequence[str]) -> None:
    """These documents are done with, or gone."""
    with conn.transaction():
        conn.execute(_END, {"source": source, "names": list(names)})


def take_back_attempts(conn: Connection[Any], source: int, names: Sequence[str]) -> None:
    """These documents were left unfinished for a reason that is not theirs."""
    values = {"source": source, "names": list(names)}
    with conn.transaction():
        conn.execute(_TAKE_BACK, values)
        conn.execute(_DROP_EMPTY, values)


def fail_attempt(conn: Connection[Any], source: int, name: str, error: str) -> None:
    """Keeps what a document's attempt ended with."""
    with conn.transaction():
        conn.execute(_FAILED, {"source": source, "name": name, "error": error})


def documents_set_aside(conn: Connection[Any]) -> list[SetAside]:
    """What is not tried any more, by collection and name."""
    with conn.cursor(row_factory=class_row(SetAside)) as cursor:
        return cursor.execute(_SET_ASIDE, {"limit": LIMIT}).fetchall()
