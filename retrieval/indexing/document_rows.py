"""Documents, chunks and cached vectors in Postgres: every statement by which indexing reads and writes them."""

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgvector import HalfVector
from psycopg import Connection
from psycopg.rows import class_row

from retrieval.embedding import Vectors
from retrieval.indexing.chunking import Chunk
from retrieval.indexing.models import Model, hold_active
from retrieval.text.languages import DEFAULT
from retrieval.text.lexemes import identifiers, tsvector
from retrieval.text.sentences import split

TITLE_WEIGHT = 2
"""How often a word of the title counts in each of the document's chunks, as in BM25F (Robertson et al., CIKM 2004)."""

_LANGUAGE = "coalesce((SELECT oid::regconfig FROM pg_ts_config WHERE cfgname = %(language)s), 'simple')"
_DOCUMENTS = """
SELECT d.id, d.name, d.title, d.raw_hash, d.version, (SELECT count(*) FROM chunk c WHERE c.document_id = d.id) AS chunks
FROM document d WHERE d.source_id = %(source)s
"""
_UPSERT = f"""
INSERT INTO document (source_id, name, title, url, language, raw_hash, version, modified_at)
VALUES (%(source)s, %(name)s, %(title)s, %(url)s, {_LANGUAGE}, %(raw_hash)s, %(version)s,
        %(modified_at)s)
ON CONFLICT (source_id, name) DO UPDATE SET title = excluded.title, url = excluded.url,
    raw_hash = excluded.raw_hash, version = excluded.version, modified_at = excluded.modified_at, indexed_at = now()
RETURNING id, (SELECT c.id FROM source s JOIN collection c ON c.name = s.collection WHERE s.id = source_id)
"""  # noqa: S608
_RENAME = """
UPDATE document SET name = %(name)s, title = coalesce(%(title)s, title), url = coalesce(%(url)s, url),
    version = %(version)s
WHERE id = %(document)s
"""
_NOTE_VERSION = "UPDATE document SET version = %(version)s WHERE id = %(document)s"
_DELETE = "DELETE FROM document WHERE id = %(document)s"
# In another language all of its words are other lexemes, so that no row is the same.
_OLD_CHUNKS = f"""
SELECT c.id, c.content_hash FROM chunk c JOIN document d ON d.id = c.document_id
WHERE c.document_id = %(document)s AND d.language = {_LANGUAGE} ORDER BY c.ordinal
"""  # noqa: S608
_SET_LANGUAGE = f"""
UPDATE document SET language = {_LANGUAGE}
WHERE id = %(document)s AND language <> {_LANGUAGE}
"""  # noqa: S608
_HASHES = "SELECT content_hash FROM chunk WHERE document_id = %(document)s"
_FORGET = "DELETE FROM embedding WHERE content_hash = ANY (%(hashes)s) AND model = %(model)s"
_DROP_CHUNKS = "DELETE FROM chunk WHERE document_id = %(document)s AND id <> ALL (%(kept)s)"
# A table of chunks from one array a column.
_CHUNKS = """
    document d CROSS JOIN unnest(
        %(ids)s::bigint[], %(ordinals)s::int[], %(kinds)s::text[], %(headings)s::jsonb[], %(texts)s::text[],
        %(content_hashes)s::bytea[], %(searched)s::text[], %(identifiers)s::tsvector[]
    ) AS new (id, ordinal, kind, heading, text, content_hash, searched, identifiers),
    LATERAL (SELECT to_tsvector(d.language, searched) || identifiers AS lexemes OFFSET 0) AS of_text,
    LATERAL (SELECT coalesce(sum(cardinality(positions)), 0) AS length FROM unnest(of_text.lexemes)) AS counted
"""
_ADD_CHUNKS = f"""
INSERT INTO chunk (document_id, collection_id, ordinal, kind, heading, text, content_hash, lexemes, length)
SELECT d.id, %(collection)s, ordinal, kind, ARRAY(SELECT jsonb_array_elements_text(heading)), text, content_hash,
    of_text.lexemes, length
FROM {_CHUNKS} WHERE d.id = %(document)s
ORDER BY ordinal
"""  # noqa: S608
_KEEP_CHUNKS = f"""
UPDATE chunk SET ordinal = new.ordinal, kind = new.kind, lexemes = of_text.lexemes, length = counted.length
FROM {_CHUNKS}
WHERE d.id = %(document)s AND chunk.id = new.id
    AND (chunk.ordinal, chunk.kind, chunk.lexemes) IS DISTINCT FROM (new.ordinal, new.kind, of_text.lexemes)
"""  # noqa: S608
_ADD_SENTENCES = """
INSERT INTO sentence (chunk_id, ordinal, text, lexemes)
SELECT c.id, new.place, new.text, to_tsvector(d.language, new.text) || new.identifiers
FROM document d JOIN chunk c ON c.document_id = d.id
    JOIN unnest(%(ordinals)s::int[], %(places)s::int[], %(texts)s::text[], %(identifiers)s::tsvector[])
        AS new (ordinal, place, text, identifiers) USING (ordinal)
WHERE d.id = %(document)s
ORDER BY ordinal, place
"""
# A vector that is not in the cache is null, which the table refuses.
_ADD_CHUNK_VECTORS = """
INSERT INTO chunk_vector (chunk_id, model_id, collection_id, vector)
SELECT c.id, %(model_id)s, c.collection_id,
    (SELECT vector FROM embedding e WHERE e.content_hash = c.content_hash AND e.model = %(model)s)
FROM chunk c WHERE c.document_id = %(document)s
    AND NOT EXISTS (SELECT FROM chunk_vector v WHERE v.chunk_id = c.id AND v.model_id = %(model_id)s)
ORDER BY c.ordinal
"""
_ADD_SENTENCE_VECTORS = """
INSERT INTO sentence_vector (chunk_id, ordinal, model_id, vector)
SELECT s.chunk_id, s.ordinal, %(model_id)s,
    (SELECT vector FROM embedding e  -- the key is retrieval.text.sentences.sentence_hash
     WHERE e.content_hash = sha256(convert_to(s.text, 'UTF8')) AND e.model = %(model)s)
FROM chunk c JOIN sentence s ON s.chunk_id = c.id WHERE c.document_id = %(document)s
    AND NOT EXISTS (SELECT FROM sentence_vector v WHERE (v.chunk_id, v.ordinal) = (s.chunk_id, s.ordinal)
                    AND v.model_id = %(model_id)s)
ORDER BY c.ordinal, s.ordinal
"""
_MISSING = """
SELECT wanted FROM unnest(%(hashes)s::bytea[]) AS wanted
WHERE NOT EXISTS (SELECT FROM embedding WHERE content_hash = wanted AND model = %(model)s)
"""
_CACHE = """
INSERT INTO embedding (content_hash, model, vector) VALUES (%(content_hash)s, %(model)s, %(vector)s)
ON CONFLICT DO NOTHING
"""

_Row = tuple[int | None, int, Chunk]  # id, if the chunk is there already; ordinal; chunk


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in the index, with the number of its chunks."""

    id: int
    name: str
    title: str
    raw_hash: bytes
    version: str | None
    chunks: int


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it is to stand in the index. `language` is a name of retrieval.text.languages; one that the server
    does not know counts as `simple`.
    """

    source: int
    name: str
    title: str
    url: str | None
    raw_hash: bytes
    modified_at: datetime
    language: str = DEFAULT
    version: str | None = None


def documents_of(conn: Connection[Any], source: int) -> list[DocumentRow]:
    """The documents of a source, in no order."""
    with conn.transaction(), conn.cursor(row_factory=class_row(DocumentRow)) as cursor:
        return cursor.execute(_DOCUMENTS, {"source": source}).fetchall()


def missing_vectors(conn: Connection[Any], hashes: Sequence[bytes], model: str) -> set[bytes]:
    """The content hashes for which the cache has no vector of this model."""
    with conn.transaction():
        rows = conn.execute(_MISSING, {"hashes": list(hashes), "model": model}).fetchall()
    return {bytes(content_hash) for (content_hash,) in rows}


def cache_vectors(conn: Connection[Any], hashes: Sequence[bytes], vectors: Vectors, model: str) -> None:
    """Stores vectors of shape (len(hashes), dimensions) in half precision."""
    rows = [
        {"content_hash": content_hash, "model": model, "vector": HalfVector(vector)}
        for content_hash, vector in zip(hashes, vectors, strict=True)
    ]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(_CACHE, rows)


def forget_vectors(conn: Connection[Any], hashes: Sequence[bytes], model: str) -> None:
    """Takes vectors of this model out of the cache, to be made anew. Chunks keep the vectors that they have."""
    with conn.transaction():
        conn.execute(_FORGET, {"hashes": list(hashes), "model": model})


def chunk_hashes(conn: Connection[Any], document: int) -> list[bytes]:
    """The content hashes of a document's chunks, in no order."""
    with conn.transaction():
        rows = conn.execute(_HASHES, {"document": document}).fetchall()
    return [bytes(content_hash) for (content_hash,) in rows]


def swap_document(
    conn: Connection[Any], new: NewDocument, chunks: Sequence[Chunk], model: Model, *, keep: bool = True
) -> int:
    """Puts a document in the place of its earlier version, in one transaction; returns how many chunks went.

    Chunks whose embedded text is the same keep their row and its id, unless `keep` is False. The vectors of all
    chunks and of their sentences must be in the cache. Raises WrongModel if another model was switched to meanwhile.
    """
    with conn.transaction(), conn.cursor() as cursor:
        hold_active(conn, model)
        document, collection = cursor.execute(_UPSERT, _parameters(new)).fetchone() or (None, None)
        key = {
            "document": document,
            "collection": collection,
            "language": new.language,
            "model": model.name,
            "model_id": model.id,
        }
        old: dict[bytes, deque[int]] = defaultdict(deque)
        for chunk_id, content_hash in cursor.execute(_OLD_CHUNKS, key).fetchall() if keep else ():
            old[bytes(content_hash)].append(chunk_id)
        cursor.execute(_SET_LANGUAGE, key)
        old_rows: list[_Row] = []
        new_rows: list[_Row] = []
        for ordinal, chunk in enumerate(chunks):
            if ids := old.get(chunk.content_hash):
                old_rows.append((ids.popleft(), ordinal, chunk))
            else:
                new_rows.append((None, ordinal, chunk))
        removed = cursor.execute(_DROP_CHUNKS, {**key, "kept": [chunk_id for chunk_id, _, _ in old_rows]}).rowcount
        if old_rows:
            cursor.execute(_KEEP_CHUNKS, {**key, **_chunk_columns(new.title, old_rows)})
        if new_rows:
            cursor.execute(_ADD_CHUNKS, {**key, **_chunk_columns(new.title, new_rows)})
            cursor.execute(_ADD_SENTENCES, {**key, **_sentence_columns(new_rows)})
        add_vectors(conn, int(document or 0), model)
    return removed


def add_vectors(conn: Connection[Any], document: int, model: Model) -> None:
    """Gives those of a document's chunks and sentences a vector of the model that have none; the cache has them all."""
    key = {"document": document, "model": model.name, "model_id": model.id}
    conn.execute(_ADD_CHUNK_VECTORS, key)
    conn.execute(_ADD_SENTENCE_VECTORS, key)


def rename_document(
    conn: Connection[Any],
    document: int,
    name: str,
    *,
    title: str | None = None,
    url: str | None = None,
    version: str | None = None,
) -> None:
    """Gives a document another name and, where they are given, title and address. Its vectors stay those that were
    made with the title of before until its text changes.
    """
    with conn.transaction():
        conn.execute(_RENAME, {"document": document, "name": name, "title": title, "url": url, "version": version})


def note_version(conn: Connection[Any], document: int, version: str | None) -> None:
    """Keeps what says from now on that a document is the same, after its bytes were."""
    with conn.transaction():
        conn.execute(_NOTE_VERSION, {"document": document, "version": version})


def delete_document(conn: Connection[Any], document: int) -> None:
    """Deletes a document with its chunks."""
    with conn.transaction():
        conn.execute(_DELETE, {"document": document})


def _parameters(new: NewDocument) -> dict[str, Any]:
    return {
        "source": new.source,
        "name": new.name,
        "title": new.title,
        "url": new.url,
        "raw_hash": new.raw_hash,
        "version": new.version,
        "modified_at": new.modified_at,
        "language": new.language,
    }


def _chunk_columns(title: str, rows: Sequence[_Row]) -> dict[str, Any]:
    """The arrays of the table of chunks that `_CHUNKS` makes."""
    ids, ordinals, chunks = zip(*rows, strict=True)
    searched = ["\n".join([*[title] * TITLE_WEIGHT, *chunk.heading, chunk.text]) for chunk in chunks]
    return {
        "ids": list(ids),
        "ordinals": list(ordinals),
        "kinds": [chunk.kind for chunk in chunks],
        "headings": [json.dumps(chunk.heading) for chunk in chunks],  # an array of arrays would have to be rectangular
        "texts": [chunk.text for chunk in chunks],
        "content_hashes": [chunk.content_hash for chunk in chunks],
        "searched": searched,
        "identifiers": [tsvector(identifiers(text)) for text in searched],
    }


def _sentence_columns(rows: Sequence[_Row]) -> dict[str, Any]:
    """The arrays of `_ADD_SENTENCES`: a chunk's sentences are found by its ordinal."""
    sentences = [
        (ordinal, place, text) for _, ordinal, chunk in rows for place, text in enumerate(split(chunk.text, chunk.kind))
    ]
    return {
        "ordinals": [ordinal for ordinal, _, _ in sentences],
        "places": [place for _, place, _ in sentences],
        "texts": [text for _, _, text in sentences],
        "identifiers": [tsvector(identifiers(text)) for _, _, text in sentences],
    }
