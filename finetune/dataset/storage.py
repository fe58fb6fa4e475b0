"""The SQL of datasets: the votes and corrections that they are made of, and the rows that say what was made.

Callers own the transactions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from finetune.dataset.rows import AnswerRow, Dataset, ExamplePassage, Split, VoteRow
from jobs import locks

# Quoted passages stand first in the prompt, in the order of their numbers; the others as search ranked them. Their text
# is looked up by its hash: an index that was built anew has other ids, and a changed text is not what was read.
_ANSWERS = """
SELECT a.id::text AS id, a.asked_at, coalesce(a.standalone, a.question) AS question, coalesce(a.text, '') AS text,
    CASE WHEN a.thread_ts IS NULL THEN '' ELSE concat_ws('/', a.channel, a.thread_ts) END AS thread,
    a.state = 'abstained' AS abstained, coalesce(a.prompt, '') <> '' AS prompted,
    ARRAY(SELECT jsonb_build_object(
              'content_hash', p ->> 'content_hash', 'title', p ->> 'title', 'heading', p ->> 'heading',
              'everyone', coalesce('everyone' = ANY (n.audience), false), 'text', coalesce(c.text, ''),
              'kind', coalesce(c.kind, 'text'), 'verified', coalesce(c.verified, false),
              'collection', p ->> 'collection', 'chunk_id', coalesce(c.id, 0),
              'document_id', coalesce(c.document_id, 0), 'ordinal', coalesce(c.ordinal, 0))
          FROM jsonb_array_elements(a.passages) WITH ORDINALITY AS listed (p, place)
              LEFT JOIN collection n ON n.name = p ->> 'collection'
              LEFT JOIN LATERAL (
                  SELECT chunk.id, chunk.text, chunk.kind, document_id, ordinal, source.uri = %(verified)s AS verified
                  FROM chunk JOIN document ON document.id = document_id JOIN source ON source.id = source_id
                  WHERE content_hash = decode(p ->> 'content_hash', 'hex') AND collection_id = n.id
                  ORDER BY chunk.id LIMIT 1) c ON true
              LEFT JOIN LATERAL (
                  SELECT min((s ->> 'number')::int) AS number FROM jsonb_array_elements(a.sources) s
                  WHERE s ->> 'chunk_id' = p ->> 'chunk_id' AND s ->> 'quote' <> '') quoted ON true
          ORDER BY quoted.number NULLS LAST, place) AS passages,
    ARRAY(SELECT jsonb_build_object('person', f.person, 'vote', f.vote, 'reason', k.reason)
          FROM feedback f LEFT JOIN complaint k ON k.answer_id = f.answer_id AND k.person = f.person
          WHERE f.answer_id = a.id ORDER BY f.person) AS votes,
    -- What some alone may read is not learnt: a correction of theirs, or a follow-up with words of what they read.
    (v.id IS NULL OR EXISTS (
        SELECT FROM collection n WHERE n.name = v.collection AND 'everyone' = ANY (n.audience)))
    AND (a.history = '[]' OR a.standalone IS NOT DISTINCT FROM a.question OR NOT EXISTS (
        SELECT FROM answer o, jsonb_array_elements(o.passages) AS p
        WHERE o.channel = a.channel AND o.thread_ts = a.thread_ts AND o.asked_at < a.asked_at AND NOT EXISTS (
            SELECT FROM collection n WHERE n.name = p ->> 'collection' AND 'everyone' = ANY (n.audience))))
        AS everyone,
    e.target AS correction,
    (SELECT count(*) FROM complaint k WHERE k.answer_id = a.id AND k.correction IS NOT NULL AND k.verdict IS NULL)
        AS waiting,
    ARRAY(SELECT a.asked_by
          UNION SELECT person FROM feedback WHERE answer_id = a.id
          UNION SELECT person FROM complaint WHERE answer_id = a.id
          UNION SELECT v.written_by WHERE v.written_by IS NOT NULL
          UNION SELECT o.asked_by FROM answer o
                WHERE a.history <> '[]' AND o.channel = a.channel AND o.thread_ts = a.thread_ts) AS persons
FROM answer a LEFT JOIN verified_answer v ON v.answer_id = a.id LEFT JOIN training_example e ON e.verified_id = v.id
WHERE a.state IN ('answered', 'abstained') AND (
    e.id IS NOT NULL OR EXISTS (SELECT FROM feedback f WHERE f.answer_id = a.id)
    OR EXISTS (SELECT FROM complaint k WHERE k.answer_id = a.id))
ORDER BY a.asked_at, a.id
"""
_SPLITS = "SELECT question, split FROM question_split"
# What is held out may come to hold a question that was trained on, never the other way.
_KEEP_SPLIT = """
INSERT INTO question_split (question, split) VALUES (%(question)s, %(split)s)
ON CONFLICT (question) DO UPDATE SET split = 'test' WHERE excluded.split = 'test' AND question_split.split <> 'test'
"""
_NEXT = "SELECT nextval(pg_get_serial_sequence('dataset', 'id'))"
_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"
_SAME = "SELECT id FROM dataset WHERE hash = %(hash)s AND stale_at IS NULL"
_ADD = """
INSERT INTO dataset (id, hash, report) OVERRIDING SYSTEM VALUE VALUES (%(id)s, %(hash)s, %(report)s)
"""
_ADD_EXAMPLE = """
INSERT INTO dataset_example (dataset_id, example, kind, split, cluster, answer_id, persons, sources, synthetic)
VALUES (%(dataset)s, %(example)s, %(kind)s, %(split)s, %(cluster)s,
        (SELECT id FROM answer WHERE id = %(answer)s::uuid), %(persons)s, %(sources)s, %(synthetic)s)
"""
_STORED = """
SELECT d.id, d.hash, d.created_at, d.report, d.stale_at, count(e.example) AS examples,
    count(*) FILTER (WHERE e.answer_id IS NULL AND NOT e.synthetic) AS deleted,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM unnest(e.sources) s
        WHERE NOT EXISTS (SELECT FROM chunk WHERE content_hash = decode(s, 'hex')))) AS outdated
FROM dataset d LEFT JOIN dataset_example e ON e.dataset_id = d.id
WHERE %(id)s::bigint IS NULL OR d.id = %(id)s
GROUP BY d.id
ORDER BY d.id DESC
"""
_MARK_STALE = """
UPDATE dataset SET stale_at = coalesce(stale_at, now())
WHERE id IN (SELECT dataset_id FROM dataset_example WHERE %(person)s = ANY (persons))
"""
_FORGET = """
UPDATE dataset_example SET persons = array_remove(persons, %(person)s) WHERE persons @> ARRAY[%(person)s]
"""
_UNSWEPT = "SELECT id FROM dataset WHERE stale_at IS NOT NULL AND swept_at IS NULL"
# A frozen dataset can be made again of the same rows; its own row stays, because others refer to it.
_UNUSED = """
SELECT id FROM dataset d
WHERE created_at < now() - make_interval(days => %(days)s) AND id < (SELECT max(id) FROM dataset)
    AND NOT EXISTS (SELECT FROM adapter WHERE dataset_id = d.id)
    AND NOT EXISTS (SELECT FROM training_round WHERE dataset_id = d.id AND state = 'open')
"""
_SWEPT = "UPDATE dataset SET swept_at = now() WHERE id = %(id)s"
_SAMPLE = """
SELECT encode(c.content_hash, 'hex') AS content_hash, d.title, array_to_string(c.heading, ' > ') AS heading,
    c.text, true AS everyone, c.kind, c.id AS chunk_id, c.document_id, c.ordinal, n.name AS collection
FROM chunk c JOIN document d ON d.id = c.document_id JOIN source s ON s.id = d.source_id
    JOIN collection n ON n.id = c.collection_id
WHERE 'everyone' = ANY (n.audience) AND s.uri <> %(verified)s AND c.kind = 'text' AND c.length >= 15
ORDER BY md5(%(seed)s || encode(c.content_hash, 'hex'))
LIMIT %(limit)s
"""
_VERIFIED = """
SELECT DISTINCT encode(c.content_hash, 'hex') FROM chunk c
    JOIN document d ON d.id = c.document_id JOIN source s ON s.id = d.source_id
WHERE s.uri = %(verified)s
"""


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset that was made. `deleted` of its examples rest on answers that are gone, `outdated` on passages."""

    id: int
    hash: str
    created_at: datetime
    report: Mapping[str, int]
    stale_at: datetime | None
    examples: int
    deleted: int
    outdated: int


def read_answers(conn: Connection[Any], verified: str) -> list[AnswerRow]:
    """All answers with a vote, a complaint or a correction, oldest first.

    `verified` is the address of the sources that hold verified answers.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_ANSWERS, {"verified": verified}).fetchall()
    return [
        AnswerRow(
            **{
                **row,
                "passages": tuple(map(ExamplePassage.looked_up, row["passages"])),
                "votes": tuple(VoteRow(**vote) for vote in row["votes"]),
                "persons": frozenset(row["persons"]),
            }
        )
        for row in rows
    ]


def sample_passages(conn: Connection[Any], verified: str, limit: int, seed: int) -> list[ExamplePassage]:
    """Passages of prose that everyone may read, drawn by chance: the same ones for a seed while the index stays."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SAMPLE, {"verified": verified, "limit": limit, "seed": str(seed)}).fetchall()
    return list(map(ExamplePassage.looked_up, rows))


def verified_passages(conn: Connection[Any], verified: str) -> set[str]:
    """The content hashes of all verified answers in the index."""
    return {digest for (digest,) in conn.execute(_VERIFIED, {"verified": verified}).fetchall()}


def read_splits(conn: Connection[Any]) -> dict[str, Split]:
    """On which side each question of an earlier dataset stands, by `question_key`."""
    return dict(conn.execute(_SPLITS).fetchall())


def one_at_a_time(conn: Connection[Any]) -> None:
    """Waits until no other process keeps a dataset, to the end of the transaction."""
    conn.execute(_LOCK, {"key": locks.DATASET})


def same_dataset(conn: Connection[Any], digest: str) -> int | None:
    """The dataset with exactly these rows, None if there is none."""
    row = conn.execute(_SAME, {"hash": digest}).fetchone()
    return None if row is None else int(row[0])


def next_id(conn: Connection[Any]) -> int:
    """The number of the dataset that is made next."""
    row = conn.execute(_NEXT).fetchone()
    assert row is not None  # noqa: S101 - a sequence has a next value
    return int(row[0])


def add_dataset(conn: Connection[Any], number: int, dataset: Dataset) -> None:
    """Records a dataset whose files are there, its examples, and which questions are held out from now on."""
    conn.execute(_ADD, {"id": number, "hash": dataset.hash, "report": Jsonb(dict(dataset.report))})
    with conn.cursor() as cursor:
        cursor.executemany(
            _ADD_EXAMPLE,
            [
                {
                    "dataset": number,
                    "example": placed.example.id,
                    "kind": placed.example.kind,
                    "split": placed.split,
                    "cluster": placed.cluster,
                    "answer": placed.example.answer_id,
                    "persons": sorted(placed.example.persons),
                    "sources": sorted({passage.content_hash for passage in placed.example.passages}),
                    "synthetic": placed.example.synthetic,
                }
                for placed in dataset.placed
            ],
        )
        splits = [{"question": question, "split": split} for question, split in sorted(dataset.splits.items())]
        cursor.executemany(_KEEP_SPLIT, splits)


def read_datasets(conn: Connection[Any], number: int | None = None) -> list[StoredDataset]:
    """The datasets, or the one with this number, newest first."""
    with conn.cursor(row_factory=class_row(StoredDataset)) as cursor:
        return cursor.execute(_STORED, {"id": number}).fetchall()


def erase_person(conn: Connection[Any], person: str) -> None:
    """Marks every dataset that a person has a part in as stale, so that nothing is trained on it, and forgets who."""
    conn.execute(_MARK_STALE, {"person": person})
    conn.execute(_FORGET, {"person": person})


def unswept(conn: Connection[Any]) -> Sequence[int]:
    """Stale datasets whose files may still be there."""
    return [number for (number,) in conn.execute(_UNSWEPT).fetchall()]


def unused(conn: Connection[Any], days: int) -> Sequence[int]:
    """Datasets older than so many days that no adapter and no open round learnt from; never the newest."""
    return [number for (number,) in conn.execute(_UNUSED, {"days": days}).fetchall()]


def note_swept(conn: Connection[Any], number: int) -> None:
    """Records that a stale dataset's files are gone."""
    conn.execute(_SWEPT, {"id": number})
