"""Verified answers in the index: an answer that a person vouches for is searched, quoted and cited like a document.

Its title says what it is, its heading is the question, and its name says who verified it and when, so that it is marked
wherever a source is shown. It belongs to a source of ours in its collection, which is never scanned for files.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.embedders import pinned
from retrieval.embedding import Embedder, Vectors
from retrieval.indexing.chunking import Chunk, embedding_text
from retrieval.indexing.document_rows import NewDocument, cache_vectors, delete_document, rename_document, swap_document
from retrieval.indexing.models import require_active
from retrieval.indexing.sources import verified_source
from retrieval.text.languages import configuration
from retrieval.text.sentences import sentence_hash, split

TITLE = "Verified answer"
UNAPPROVED = "Reply of a colleague"
"""The title of what somebody saved whom no admin made an expert: found in its channel alone, and no verified answer."""
HEADING_LIMIT = 200  # characters of the question: it stands in headings and in the prompt

_DOCUMENT = "SELECT id FROM document WHERE source_id = %(source)s AND name = %(name)s"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A verified answer with all its vectors, of shape (len(hashes), dimensions): nothing is left to compute."""

    title: str
    chunk: Chunk
    hashes: Sequence[bytes]
    vectors: Vectors
    model: str
    language: str


def prepare(embedder: Embedder, question: str, text: str, title: str = TITLE) -> Prepared:
    """Embeds a verified answer; needs no database, so no transaction waits for it."""
    embedder = pinned(embedder)
    heading = (_heading(question),)
    passage_text = embedding_text(title, heading, text)
    content_hash = hashlib.sha256(passage_text.encode()).digest()
    texts = {content_hash: passage_text, **{sentence_hash(piece): piece for piece in split(text, "text")}}
    chunk = Chunk("text", heading, text, content_hash)
    vectors = embedder.embed(list(texts.values()))
    return Prepared(title, chunk, list(texts), vectors, embedder.name, configuration(text))


def put_verified(
    conn: Connection[Any],
    prepared: Prepared,
    *,
    collection: str,
    name: str,
    verified_at: datetime,
    instead_of: int | None = None,
) -> int:
    """Makes it searchable, in place of the document `instead_of` if there is one; returns its document's id.

    `name` is what people are shown (see `verified_name`) and differs from every other verified answer's. Raises
    WrongModel if another embedder is active than the one that it was prepared with.
    """
    register_vector(conn)
    with conn.transaction():
        model = require_active(conn, prepared.model, prepared.vectors.shape[1])
        if instead_of is not None:
            delete_document(conn, instead_of)
        source = verified_source(conn, collection)
        raw_hash = hashlib.sha256(prepared.chunk.text.encode()).digest()
        cache_vectors(conn, prepared.hashes, prepared.vectors, prepared.model)
        new = NewDocument(source, name, prepared.title, None, raw_hash, verified_at, prepared.language)
        swap_document(conn, new, [prepared.chunk], model)
        row = conn.execute(_DOCUMENT, {"source": source, "name": name}).fetchone()
    if row is None:
        raise RuntimeError("a document that was just stored is not there")
    return int(row[0])


def remove_verified(conn: Connection[Any], document: int) -> None:
    """Takes a verified answer out of the index."""
    delete_document(conn, document)


def rename_verified(conn: Connection[Any], document: int, name: str) -> None:
    """Shows another name from now on: for a person who wants theirs to go."""
    rename_document(conn, document, name)


def verified_name(number: int, verified_by: str | None, verified_at: datetime, *, saved_only: bool = False) -> str:
    """What people read beside its title: who verified it (None: not said), or only saved it, and when."""
    by = f" by {' '.join(verified_by.split())}" if verified_by else ""
    did = "saved" if saved_only else "verified"
    return f"no. {number}, {did}{by} on {verified_at:%Y-%m-%d}"


def title_of_another(title: str) -> str:
    """The title of a document that is none of ours: one that calls itself a verified answer is shown as quoting it."""
    letters = "".join(filter(str.isalpha, unicodedata.normalize("NFKC", title).casefold()))
    ours = ("".join(filter(str.isalpha, one.casefold())) for one in (TITLE, UNAPPROVED))
    return f"Document “{title}”" if letters.startswith(tuple(ours)) else title


def _heading(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= HEADING_LIMIT else line[: HEADING_LIMIT - 1].rstrip() + "…"
