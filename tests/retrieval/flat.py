"""Documents with vectors that a person can compute: all in one plane, at an angle that the test says."""

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from psycopg import Connection

from retrieval.embedding import Vectors
from retrieval.indexing.chunking import Chunk
from retrieval.indexing.document_rows import NewDocument, cache_vectors, swap_document
from retrieval.indexing.models import require_active
from retrieval.text.sentences import sentence_hash, split

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Flat:
    """Whatever is asked points along the first axis."""

    name = "flat"
    dimensions = 3

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0, 0], dtype=np.float32), (len(texts), 1))


def put_texts(
    conn: Connection,
    source: int,
    name: str,
    texts: Sequence[str],
    *,
    keep: bool = True,
    angle: float = 0.0,
    language: str = "english",
) -> None:
    """Stores a document of a chunk for each text, at `angle` (radians) from every question and further by the
    thousandth with each chunk.
    """
    model = require_active(conn, Flat.name, Flat.dimensions)
    chunks = [Chunk("text", (), text, hashlib.sha256(text.encode()).digest()) for text in texts]
    for place, chunk in enumerate(chunks):
        at = angle + place / 1000
        hashes = [chunk.content_hash, *map(sentence_hash, split(chunk.text, chunk.kind))]
        vector = np.array([math.cos(at), math.sin(at), 0], dtype=np.float32)
        cache_vectors(conn, hashes, np.tile(vector, (len(hashes), 1)), model.name)
    swap_document(conn, NewDocument(source, name, "", None, b"", NOW, language), chunks, model, keep=keep)
