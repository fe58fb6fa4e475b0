"""A new embedding model beside the old one: its vectors are made of the stored text, then it is switched to at once.

Nothing is fetched or parsed again. What is missing is read from the tables, so a build that was killed goes on where it
was, and what was indexed meanwhile is caught up with before the switch, which waits for writers and is one statement.
The old model's vectors stay until they are dropped; going back catches up in the same way.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.errors import NotNullViolation
from psycopg.rows import class_row

from jobs import locks
from retrieval.embedding import Embedder
from retrieval.indexing.chunking import embedding_text
from retrieval.indexing.document_rows import add_vectors, cache_vectors, missing_vectors
from retrieval.indexing.models import (
    Model,
    index_vectors_beside,
    measure_cosines,
    model_named,
    prepare_model,
    searches_wait,
    writers_wait,
)
from retrieval.text.sentences import sentence_hash

DOCUMENTS = 20
"""Documents that are looked up together."""
TEXTS = 256
"""Texts that are embedded and cached together: what a build that is killed loses at the most."""
PACE = 0.5  # seconds between two calls of `progress`

_MODELS = """
SELECT m.id, m.name, m.dimensions, m.state, (SELECT sum(chunks) FROM chunk_count)::bigint AS chunks,
    (SELECT count(*) FROM chunk_vector v WHERE v.model_id = m.id) AS built, EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %(class)s AND objid = m.id
            AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS is_worked_on
FROM embedding_model m ORDER BY m.state = 'active' DESC, m.activated_at DESC NULLS LAST, m.id
"""  # objsubid 2: a key of two integers, https://www.postgresql.org/docs/current/view-pg-locks.html
_TOTAL = "SELECT coalesce(sum(chunks), 0) FROM chunk_count"
_BUILT = "SELECT count(*) FROM chunk_vector WHERE model_id = %(model)s"
_LACKING = """
SELECT d.id, lacking.chunks
FROM document d, LATERAL (
    SELECT count(*) AS chunks FROM chunk c WHERE c.document_id = d.id AND NOT EXISTS (
        SELECT FROM chunk_vector v WHERE v.chunk_id = c.id AND v.model_id = %(model)s)
) AS lacking
WHERE d.id > %(after)s AND lacking.chunks > 0
ORDER BY d.id LIMIT %(most)s
"""
_CHUNKS = """
SELECT c.content_hash, d.title, c.heading, c.text,
    ARRAY(SELECT s.text FROM sentence s WHERE s.chunk_id = c.id ORDER BY s.ordinal) AS sentences
FROM chunk c JOIN document d ON d.id = c.document_id WHERE c.document_id = ANY (%(documents)s)
    AND NOT EXISTS (SELECT FROM chunk_vector v WHERE v.chunk_id = c.id AND v.model_id = %(model)s)
ORDER BY c.document_id, c.ordinal
"""
# A document that somebody swaps at this moment is waited for, and its chunks are then the ones that we see.
_HOLD_DOCUMENT = "SELECT FROM document WHERE id = %(document)s FOR UPDATE"
_ACTIVATE = (
    "UPDATE embedding_model SET state = 'retired' WHERE state = 'active'",
    "UPDATE embedding_model SET state = 'active', activated_at = now() WHERE id = %(model)s",
)
_WITHDRAW = "UPDATE embedding_model SET state = 'building' WHERE id = %(model)s AND state <> 'active'"
_PREVIOUS = """
SELECT name FROM embedding_model WHERE state = 'retired' AND activated_at IS NOT NULL
ORDER BY activated_at DESC LIMIT 1
"""


# In the order in which rows of a document are deleted, so that neither waits for the other for ever.
_LOCK_TABLES = "LOCK TABLE document, chunk, sentence, chunk_vector, sentence_vector IN ACCESS EXCLUSIVE MODE"


class NotBuilt(ValueError):
    """The model cannot be used for what was asked; the message says why and what to do."""


class BeingBuilt(NotBuilt):
    """Another process works on the model."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being built by another process: wait for it, or stop it first.")


@dataclass(frozen=True, slots=True)
class Build:
    """How far a model is: `built` of `chunks` have its vectors; `is_worked_on` while a process makes more."""

    id: int
    name: str
    dimensions: int
    state: str
    chunks: int | None
    built: int
    is_worked_on: bool

    @property
    def share(self) -> float:
        """The share of the chunks that have vectors, from 0 to 1."""
        return min(1.0, self.built / self.chunks) if self.chunks else 1.0


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """`done` of `total` chunks have vectors, `made` of them since the start `seconds` ago; `embedded` texts, chunks and
    sentences, were computed.
    """

    done: int
    total: int
    made: int
    embedded: int
    seconds: float

    @property
    def texts_per_second(self) -> float:
        """How fast texts are embedded; 0 at the start."""
        return self.embedded / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at its pace until now; None while there is no pace yet."""
        return self.seconds / self.made * max(self.total - self.done, 0) if self.made else None


def models(conn: Connection[Any]) -> list[Build]:
    """Every model that is kept, the active one first, then the one that was active last."""
    with conn.cursor(row_factory=class_row(Build)) as cursor:
        return cursor.execute(_MODELS, {"class": locks.BUILD_CLASS}).fetchall()


def build(
    conn: Connection[Any], embedder: Embedder, progress: Callable[[BuildProgress], None] = lambda _: None
) -> Model:
    """Makes all vectors of the embedder's model that are missing, and its search index.

    `conn` is in autocommit mode. Others may search and index meanwhile. Raises BeingBuilt while another process
    does it, and what the embedder raises; what was made before stays.
    """
    register_vector(conn)
    model = prepare_model(conn, embedder.name, embedder.dimensions)
    with _alone(conn, model), _plans_made_anew(conn):
        _BuildRun(conn, embedder, model, progress).catch_up()
        index_vectors_beside(conn, model)
        measure_cosines(conn, model)
    return model


def switch(
    conn: Connection[Any], embedder: Embedder, progress: Callable[[BuildProgress], None] = lambda _: None
) -> Model:
    """Builds what the embedder's model lacks, then searches with it; every process does so from its next question on.

    `conn` is in autocommit mode. Raises what `build` raises, and changes nothing then.
    """
    while True:
        model = build(conn, embedder, progress)
        with conn.transaction():
            writers_wait(conn)
            if not _lacking(conn, model, 0):  # else something was indexed since
                searches_wait(conn)
                for statement in _ACTIVATE:
                    conn.execute(statement, {"model": model.id})
                return model


def previous(conn: Connection[Any]) -> str:
    """The name of the model that was active before. Raises NotBuilt if there is none."""
    row = conn.execute(_PREVIOUS).fetchone()
    if row is None:
        raise NotBuilt("There is no earlier embedding model to go back to.")
    return str(row[0])


def drop(conn: Connection[Any], name: str) -> None:
    """Deletes a model with all of its vectors. Raises NotBuilt if it is the active one, or unknown.

    `conn` is in autocommit mode. One that was stopped half-way can be dropped again, or built again.
    """
    model = model_named(conn, name)
    if model is None:
        there = ", ".join(model_row.name for model_row in models(conn)) or "nothing is indexed"
        raise NotBuilt(f"There is no embedding model named {name}: {there}.")
    with _alone(conn, model):
        if conn.execute(_WITHDRAW, {"model": model.id}).rowcount == 0:
            raise NotBuilt(f"{name} is searched with: switch to another embedding model first.")
        conn.execute("DELETE FROM embedding WHERE model = %(name)s", {"name": name})
        with conn.transaction():
            writers_wait(conn)
            searches_wait(conn)
            conn.execute(_LOCK_TABLES)
            for table in (model.chunk_vectors, model.sentence_vectors):
                conn.execute(sql.SQL("DROP TABLE {}").format(table))
            conn.execute("DELETE FROM embedding_model WHERE id = %(model)s", {"model": model.id})


@contextmanager
def _alone(conn: Connection[Any], model: Model) -> Iterator[None]:
    """Nobody else works on the model while the context lasts. Raises BeingBuilt if somebody does."""
    key = {"class": locks.BUILD_CLASS, "model": model.id}
    row = conn.execute("SELECT pg_try_advisory_lock(%(class)s, %(model)s::int)", key).fetchone()
    if not row or not row[0]:
        raise BeingBuilt(model.name)
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%(class)s, %(model)s::int)", key)


@contextmanager
def _plans_made_anew(conn: Connection[Any]) -> Iterator[None]:
    """A statement's plan is never kept: one that was good while the tables were empty reads them whole later on."""
    before, conn.prepare_threshold = conn.prepare_threshold, None
    try:
        yield
    finally:
        conn.prepare_threshold = before


def _lacking(conn: Connection[Any], model: Model, after: int) -> list[tuple[int, int]]:
    """The next documents with chunks that have no vector of the model, by id, and how many of those they have."""
    return conn.execute(_LACKING, {"model": model.id, "after": after, "most": DOCUMENTS}).fetchall()


@dataclass(slots=True)
class _BuildRun:
    """One call of `build`: what it was given and what it counts."""

    conn: Connection[Any]
    embedder: Embedder
    model: Model
    progress: Callable[[BuildProgress], None]
    started: float = field(default_factory=time.monotonic)
    told_at: float = float("-inf")
    before: int = 0
    made: int = 0
    embedded: int = 0

    def catch_up(self) -> None:
        """Makes what is missing, until nothing is."""
        self.before = self._count(_BUILT)
        while documents := _lacking(self.conn, self.model, 0):
            while documents:
                self._embed([document for document, _ in documents])
                for document, chunks in documents:
                    self.made += chunks if self._add(document) else 0
                self._tell(now=True)
                documents = _lacking(self.conn, self.model, documents[-1][0])

    def _embed(self, documents: Sequence[int]) -> None:
        """Embeds what the cache lacks of the documents' texts."""
        texts: dict[bytes, str] = {}
        values = {"documents": list(documents), "model": self.model.id}
        for content_hash, title, heading, text, pieces in self.conn.execute(_CHUNKS, values):
            texts[bytes(content_hash)] = embedding_text(title, heading, text)
            texts |= {sentence_hash(piece): piece for piece in pieces}
        missing = missing_vectors(self.conn, list(texts), self.model.name)
        # By length, so that texts that are embedded together need little padding.
        order = sorted(missing, key=lambda key: (len(texts[key]), key))
        for start in range(0, len(order), TEXTS):
            hashes = order[start : start + TEXTS]
            cache_vectors(self.conn, hashes, self.embedder.embed([texts[key] for key in hashes]), self.model.name)
            self.embedded += len(hashes)
            self._tell()

    def _add(self, document: int) -> bool:
        """Adds a document's vectors from the cache; False if its text has changed since it was embedded."""
        try:
            with self.conn.transaction():
                self.conn.execute(_HOLD_DOCUMENT, {"document": document})
                add_vectors(self.conn, document, self.model)
        except NotNullViolation:  # the cache does not have them: next time, then
            return False
        return True

    def _tell(self, now: bool = False) -> None:
        at = time.monotonic()
        if now or at - self.told_at >= PACE:
            self.told_at = at
            done, seconds = self.before + self.made, at - self.started
            self.progress(BuildProgress(done, self._count(_TOTAL), self.made, self.embedded, seconds))

    def _count(self, statement: str) -> int:
        row = self.conn.execute(statement, {"model": self.model.id}).fetchone()
        return int(row[0]) if row else 0
