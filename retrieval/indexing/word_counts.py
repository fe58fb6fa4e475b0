"""How many chunks hold each word, and how many there are: kept as changes, and put together now and then.

Triggers on `chunk` (migrations/0001_documents.sql) add a row for each change, which no other writer waits for. A search
adds up the rows of its words; `compact` keeps these few.
"""

from typing import Any

from psycopg import Connection

from jobs import locks

_LOCK = "SELECT pg_try_advisory_xact_lock(%(lock)s)"
_ROWS_OF_ONE = 8
"""Rows that a word may have before they are put together."""

# Each is one statement, so that whoever reads sees the rows or their sum.
_COMPACT_LEXEMES = """
WITH crowded AS MATERIALIZED (
    SELECT lexeme FROM lexeme_count GROUP BY lexeme HAVING count(*) > %(rows)s OR sum(chunks) = 0
), taken AS (
    DELETE FROM lexeme_count WHERE lexeme IN (SELECT lexeme FROM crowded) RETURNING lexeme, chunks
)
INSERT INTO lexeme_count SELECT lexeme, sum(chunks) FROM taken GROUP BY lexeme HAVING sum(chunks) <> 0 ORDER BY lexeme
"""
_COMPACT_CHUNKS = """
WITH taken AS (DELETE FROM chunk_count RETURNING collection_id, chunks, length)
INSERT INTO chunk_count SELECT collection_id, sum(chunks), sum(length) FROM taken GROUP BY collection_id
"""


def compact(conn: Connection[Any]) -> None:
    """Puts the rows of each word, and of each collection, together. Nothing is done while another process is at it."""
    with conn.transaction():
        locked = conn.execute(_LOCK, {"lock": locks.COUNT}).fetchone()
        if locked and locked[0]:
            conn.execute(_COMPACT_LEXEMES, {"rows": _ROWS_OF_ONE})
            conn.execute(_COMPACT_CHUNKS)
