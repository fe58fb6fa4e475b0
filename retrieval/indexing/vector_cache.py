"""What of the cache of vectors nothing in the index needs any more.

Vectors of a text stay some days after its last chunk or sentence, so that a document that was moved out of a source and
back, or a source that was added again, embeds nothing.
"""

from typing import Any

from psycopg import Connection

KEPT_DAYS = 7
BATCH = 5000
"""Rows that are changed at a time: what others may have to wait for."""

# One look at all chunks and sentences, which have no index by these hashes: it would cost every document that is
# written, to save seconds a few times a day.
_FIND_UNUSED = """
CREATE TEMPORARY TABLE unused_vector AS
SELECT content_hash, model FROM embedding e
WHERE NOT EXISTS (SELECT FROM chunk c WHERE c.content_hash = e.content_hash)
    AND NOT EXISTS (SELECT FROM sentence s  -- the key is retrieval.text.sentences.sentence_hash
                    WHERE sha256(convert_to(s.text, 'UTF8')) = e.content_hash)
"""
_USED_AGAIN = """
UPDATE embedding SET unused_since = NULL WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM embedding e LEFT JOIN unused_vector u USING (content_hash, model)
    WHERE e.unused_since IS NOT NULL AND u.model IS NULL LIMIT %(batch)s
))
"""
# Each of a batch is noted as unused, was noted a while ago, or goes.
_NEXT_BATCH = """
WITH batch AS (
    DELETE FROM unused_vector WHERE ctid = ANY (ARRAY(SELECT ctid FROM unused_vector LIMIT %(batch)s))
    RETURNING content_hash, model
), dropped AS (
    DELETE FROM embedding e USING batch b
    WHERE (e.content_hash, e.model) = (b.content_hash, b.model)
        AND e.unused_since < now() - make_interval(days => %(days)s)
    RETURNING 1
), noted AS (
    UPDATE embedding e SET unused_since = now() FROM batch b
    WHERE (e.content_hash, e.model) = (b.content_hash, b.model) AND e.unused_since IS NULL
)
SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM dropped)
"""


def prune_vectors(conn: Connection[Any], days: int = KEPT_DAYS, batch: int = BATCH) -> int:
    """Drops the vectors that nothing has needed for so many days; returns how many. The days are those from the first
    look that found a vector unused. `conn` is in autocommit mode, so that each batch is a transaction.
    """
    conn.execute("DROP TABLE IF EXISTS pg_temp.unused_vector")
    conn.execute(_FIND_UNUSED)
    conn.execute("ANALYZE unused_vector")
    while conn.execute(_USED_AGAIN, {"batch": batch}).rowcount:
        pass
    total, size = 0, 1
    while size:
        size, count = conn.execute(_NEXT_BATCH, {"batch": batch, "days": days}).fetchone() or (0, 0)
        total += count
    conn.execute("DROP TABLE unused_vector")
    return total
