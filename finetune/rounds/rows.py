"""Rounds of fine-tuning in Postgres: what was asked for, how far it is, what it cost and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

State = Literal["open", "not enough", "promoted", "proved", "refused", "inconclusive", "failed", "cancelled"]
"""`proved` is one that the gate passed and a person is to promote."""

_COLUMNS = """
id, job_id, started_by, requested, state, reason, dataset_id, clusters, coalesce(cost, '{}') AS cost, began_at,
    ended_at, EXISTS (SELECT FROM job WHERE job.id = job_id AND job.state = 'queued') AS waits
"""
_BEGIN = """
INSERT INTO training_round (job_id, started_by, requested) VALUES (%(job)s, %(by)s, %(requested)s)
ON CONFLICT (job_id) DO NOTHING
"""
_BY_JOB = f"SELECT {_COLUMNS} FROM training_round WHERE job_id = %(job)s"  # noqa: S608
_BY_NUMBER = f"SELECT {_COLUMNS} FROM training_round WHERE id = %(id)s"  # noqa: S608
_LATEST = f"SELECT {_COLUMNS} FROM training_round ORDER BY id DESC LIMIT %(limit)s"  # noqa: S608
_ENDED = f"SELECT {_COLUMNS} FROM training_round WHERE ended_at < now() - make_interval(days => %(days)s)"  # noqa: S608
_NOTE = "UPDATE training_round SET cost = coalesce(cost, '{}') || %(cost)s WHERE id = %(id)s"
_DATASET = "UPDATE training_round SET dataset_id = %(dataset)s, clusters = %(clusters)s WHERE id = %(id)s"
_END = """
UPDATE training_round SET state = %(state)s, reason = %(reason)s, ended_at = now()
WHERE id = %(id)s AND state = 'open'
"""
# Clusters in which no question was trained on by a round that came to an end; a round learns from one kind alone.
_NEW_CLUSTERS = """
SELECT count(*) FROM (
    SELECT e.cluster FROM dataset_example e
    WHERE e.dataset_id = %(dataset)s AND e.kind = %(kind)s AND e.split = 'train' AND NOT e.synthetic
    GROUP BY e.cluster
    HAVING NOT bool_or(EXISTS (
        SELECT FROM dataset_example o JOIN training_round r ON r.dataset_id = o.dataset_id
        WHERE o.example = e.example AND r.requested->>'method' = e.kind
            AND r.state IN ('promoted', 'proved', 'refused', 'inconclusive')))
) AS fresh
"""
_CLUSTERS = "SELECT example, cluster FROM dataset_example WHERE dataset_id = %(dataset)s"
_WRITERS = """
SELECT e.example, v.written_by FROM dataset_example e JOIN verified_answer v ON v.answer_id = e.answer_id
WHERE e.dataset_id = %(dataset)s AND e.split = 'test' AND v.written_by IS NOT NULL
"""
# Verified answers as they stand in the index; none of which an example is held out.
_LEARNT_FROM = """
SELECT DISTINCT encode(c.content_hash, 'hex') FROM dataset_example e
    JOIN verified_answer v ON v.answer_id = e.answer_id JOIN chunk c ON c.document_id = v.document_id
WHERE e.dataset_id = %(dataset)s AND e.split = 'train' AND NOT EXISTS (
    SELECT FROM dataset_example o WHERE o.dataset_id = e.dataset_id AND o.answer_id = e.answer_id AND o.split = 'test')
"""
_SECONDS = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
    SELECT (timings->>'total')::float AS seconds FROM answer WHERE state = 'answered' AND timings ? 'total'
    ORDER BY asked_at DESC LIMIT 100) AS lately
"""
_ABANDONED = """
UPDATE training_round r SET state = j.state, reason = coalesce(j.error, 'it was cancelled'), ended_at = now()
FROM job j WHERE j.id = r.job_id AND r.state = 'open' AND j.state IN ('failed', 'cancelled')
"""


@dataclass(frozen=True, slots=True)
class Round:
    """A round. `clusters` of questions in its dataset were new; `cost` is what it was thought to take, and what it
    took; `waits` if no worker has begun it.
    """

    id: int
    job_id: int | None
    started_by: str
    requested: Mapping[str, Any]
    state: State
    reason: str | None
    dataset_id: int | None
    clusters: int | None
    cost: Mapping[str, Any]
    began_at: datetime
    ended_at: datetime | None
    waits: bool

    @property
    def adapter(self) -> str:
        """The name of the adapter that it makes."""
        return f"round-{self.id}"


def begin(conn: Connection[Any], job_id: int, *, started_by: str, requested: Mapping[str, Any]) -> Round:
    """The round of this job: a new one, or the one that it has already, which keeps what was asked for first."""
    conn.execute(_BEGIN, {"job": job_id, "by": started_by, "requested": Jsonb(dict(requested))})
    row = of_job(conn, job_id)
    if row is None:
        raise RuntimeError("an inserted row was not returned")
    return row


def of_job(conn: Connection[Any], job_id: int) -> Round | None:
    """The round that a job is about."""
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(_BY_JOB, {"job": job_id}).fetchone()


def rounds(conn: Connection[Any], limit: int = 10) -> list[Round]:
    """The last rounds, newest first. One whose job was given up has ended with it."""
    conn.execute(_ABANDONED)
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(_LATEST, {"limit": limit}).fetchall()


def with_number(conn: Connection[Any], number: int) -> Round | None:
    """The round; if its job was given up, it has ended with it."""
    conn.execute(_ABANDONED)
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(_BY_NUMBER, {"id": number}).fetchone()


def ended_rounds(conn: Connection[Any], days: int) -> list[Round]:
    """The rounds that ended more than so many days ago."""
    conn.execute(_ABANDONED)
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(_ENDED, {"days": days}).fetchall()


def open_round(conn: Connection[Any]) -> Round | None:
    """The round that is under way; there is one at the most."""
    return next((row for row in rounds(conn, 1) if row.state == "open"), None)


def note_dataset(conn: Connection[Any], number: int, dataset: int, clusters: int) -> None:
    """Writes which dataset a round learns from, so that a process that goes on with it takes the same."""
    conn.execute(_DATASET, {"id": number, "dataset": dataset, "clusters": clusters})


def note_cost(conn: Connection[Any], number: int, **cost: Any) -> None:
    """Adds to what is known of a round's cost, or how far it is."""
    conn.execute(_NOTE, {"id": number, "cost": Jsonb(cost)})


def end(conn: Connection[Any], number: int, state: State, reason: str) -> None:
    """Writes how an open round ended, and why."""
    conn.execute(_END, {"id": number, "state": state, "reason": reason})


def new_clusters(conn: Connection[Any], dataset: int, kind: str) -> int:
    """How many clusters of questions in a dataset no round before has learnt from."""
    row = conn.execute(_NEW_CLUSTERS, {"dataset": dataset, "kind": kind}).fetchone()
    return int(row[0]) if row else 0


def clusters_of(conn: Connection[Any], dataset: int) -> dict[str, str]:
    """The cluster of each example of a dataset."""
    return dict(conn.execute(_CLUSTERS, {"dataset": dataset}).fetchall())


def writers_of(conn: Connection[Any], dataset: int) -> dict[str, str]:
    """Who wrote the correction that a held-out example was made of, by example."""
    return dict(conn.execute(_WRITERS, {"dataset": dataset}).fetchall())


def learnt_from(conn: Connection[Any], dataset: int) -> set[str]:
    """The content hashes of the verified answers that a dataset has on its training side alone."""
    return {digest for (digest,) in conn.execute(_LEARNT_FROM, {"dataset": dataset}).fetchall()}


def seconds_an_answer(conn: Connection[Any]) -> float:
    """The median of the last answers; 0 where there are none."""
    row = conn.execute(_SECONDS).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
