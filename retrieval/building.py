"""A new embedding model beside the old one: its vectors are made of the stored text, then it is switched to at once.

Nothing is fetched or parsed again. What is missing is read from the tables, so a build that was killed goes on where it
was, and what was indexed meanwhile is caught up with before the switch, which waits for writers and is one statement.
The old model's vectors stay until they are dropped; going back catches up in the same way.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.rows import class_row

from retrieval.chunking import embedding_text
from retrieval.document_rows import add_vectors, cache_vectors, missing_vectors
from retrieval.embedding import Embedder
from retrieval.models import Model, index_vectors, prepare_model, switch_alone
from retrieval.sentences import sentence_hash

DOCUMENTS = 20
"""Documents whose texts are embedded together, sorted by length by the embedder."""

_MODELS = """
SELECT m.id, m.name, m.dimensions, m.state, (SELECT sum(chunks) FROM chunk_count)::bigint AS chunks,
    (SELECT count(*) FROM chunk_vector v WHERE v.model_id = m.id) AS built
FROM embedding_model m ORDER BY m.state = 'active' DESC, m.activated_at DESC NULLS LAST, m.id
"""
_TOTAL = "SELECT count(*) FROM chunk"
_BUILT = "SELECT count(*) FROM chunk_vector WHERE model_id = %(model)s"
_LACKING = """
SELECT DISTINCT document_id FROM chunk c
WHERE document_id > %(after)s AND NOT EXISTS (
    SELECT FROM chunk_vector v WHERE v.chunk_id = c.id AND v.model_id = %(model)s)
ORDER BY document_id LIMIT %(most)s
"""
_CHUNKS = """
SELECT c.document_id, c.content_hash, d.title, c.heading, c.text,
    ARRAY(SELECT s.text FROM sentence s WHERE s.chunk_id = c.id) AS sentences
FROM chunk c JOIN document d ON d.id = c.document_id WHERE c.document_id = ANY (%(documents)s)
"""
_ACTIVATE = (
    "UPDATE embedding_model SET state = 'retired' WHERE state = 'active'",
    "UPDATE embedding_model SET state = 'active', activated_at = now() WHERE id = %(model)s",
)
_PREVIOUS = """
SELECT name FROM embedding_model WHERE state = 'retired' AND activated_at IS NOT NULL
ORDER BY activated_at DESC LIMIT 1
"""


class NotBuilt(ValueError):
    """The model cannot be used for what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Build:
    """How far a model is: `built` of `chunks` have its vectors."""

    id: int
    name: str
    dimensions: int
    state: str
    chunks: int | None
    built: int

    @property
    def share(self) -> float:
        """Of the chunks, from 0 to 1."""
        return min(1.0, self.built / self.chunks) if self.chunks else 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` chunks have vectors, `embedded` texts (chunks and sentences) were computed in `seconds`."""

    done: int
    total: int
    embedded: int
    seconds: float


def models(conn: Connection[Any]) -> list[Build]:
    """Every model that is kept, the active one first, then the one that was active last."""
    with conn.cursor(row_factory=class_row(Build)) as cursor:
        return cursor.execute(_MODELS).fetchall()


def build(conn: Connection[Any], embedder: Embedder, progress: Callable[[Progress], None] = lambda _: None) -> Model:
    """Makes all vectors of the embedder's model that are missing, and its search index.

    `conn` is in autocommit mode. Others may search and index meanwhile. Raises what the embedder raises; what was made
    before stays.
    """
    register_vector(conn)
    model = prepare_model(conn, embedder.name, embedder.dimensions)
    started, embedded = time.monotonic(), 0
    while documents := _lacking(conn, model, 0):
        after = 0
        while documents:
            embedded += _build_documents(conn, embedder, model, documents)
            progress(Progress(_count(conn, _BUILT, model), _count(conn, _TOTAL, model), embedded, _since(started)))
            after = documents[-1]
            documents = _lacking(conn, model, after)
    index_vectors(conn, model)
    return model


def switch(conn: Connection[Any], embedder: Embedder, progress: Callable[[Progress], None] = lambda _: None) -> Model:
    """Builds what the embedder's model lacks, then searches with it; every process does so from its next question on.

    `conn` is in autocommit mode.
    """
    while True:
        model = build(conn, embedder, progress)
        with conn.transaction():
            switch_alone(conn)
            if not _lacking(conn, model, 0):  # else something was indexed since
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
    """Deletes a model with all of its vectors. Raises NotBuilt if it is the active one, or unknown."""
    with conn.transaction():
        switch_alone(conn)
        found = {model.name: model for model in models(conn)}
        if name not in found:
            raise NotBuilt(f"There is no embedding model named {name}: {', '.join(found) or 'nothing is indexed'}.")
        if found[name].state == "active":
            raise NotBuilt(f"{name} is searched with: switch to another embedding model first.")
        for parent in ("chunk_vector", "sentence_vector"):
            conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"{parent}_{found[name].id}")))
        conn.execute("DELETE FROM embedding WHERE model = %(name)s", {"name": name})
        conn.execute("DELETE FROM embedding_model WHERE name = %(name)s", {"name": name})


def _lacking(conn: Connection[Any], model: Model, after: int) -> list[int]:
    """The next documents with chunks that have no vector of the model, by id."""
    values = {"model": model.id, "after": after, "most": DOCUMENTS}
    return [document for (document,) in conn.execute(_LACKING, values).fetchall()]


def _build_documents(conn: Connection[Any], embedder: Embedder, model: Model, documents: Sequence[int]) -> int:
    """Embeds what the cache lacks and adds the vectors, a transaction for each document; returns how many texts."""
    texts: dict[bytes, str] = {}
    for _, content_hash, title, heading, text, pieces in conn.execute(_CHUNKS, {"documents": list(documents)}):
        texts[bytes(content_hash)] = embedding_text(title, heading, text)
        texts |= {sentence_hash(piece): piece for piece in pieces}
    missing = list(missing_vectors(conn, list(texts), model.name))
    if missing:
        cache_vectors(conn, missing, embedder.embed([texts[key] for key in missing]), model.name)
    for document in documents:
        with conn.transaction():
            # Whoever swaps the document at this moment is waited for, and waits: its chunks are the ones that we see.
            row = conn.execute("SELECT id FROM document WHERE id = %(id)s FOR UPDATE", {"id": document}).fetchone()
            if row is not None and not _uncached(conn, document, model):
                add_vectors(conn, document, model)
    return len(missing)


def _uncached(conn: Connection[Any], document: int, model: Model) -> bool:
    """Whether the document has changed since its texts were read, to some that are not embedded: next time, then."""
    rows = conn.execute(_CHUNKS, {"documents": [document]}).fetchall()
    wanted = {bytes(row[1]) for row in rows} | {sentence_hash(piece) for row in rows for piece in row[5]}
    return bool(missing_vectors(conn, list(wanted), model.name))


def _count(conn: Connection[Any], statement: str, model: Model) -> int:
    row = conn.execute(statement, {"model": model.id}).fetchone()
    return int(row[0]) if row else 0


def _since(started: float) -> float:
    return time.monotonic() - started
