"""Verified answers as examples in the prompt: how this company answers, in which tone and which terms.

In-context learning (Brown et al., NeurIPS 2020), with the examples nearest to the question (Liu et al., DeeLIO 2022).
They are found with the asker's own rights, and none stands there that is among the evidence already: what an example
says is no fact about the question at hand, and the check of statements knows the passages alone.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pgvector import HalfVector
from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from retrieval.answering.answer import Question
from retrieval.embedders import embed_query, of_model
from retrieval.embedding import Embedder
from retrieval.indexing.models import Model, active_model
from retrieval.indexing.sources import VERIFIED
from retrieval.searching.passage import Passage
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.search import ALLOWED

MOST_WORDS = 60
"""Words of an example's question, and of its answer: a longer one shows no more of the tone, and takes the passages'
room.
"""

_NEAREST = f"""
WITH allowed AS MATERIALIZED ({ALLOWED})
SELECT array_to_string(c.heading, ' > ') AS question, c.text AS answer, encode(c.content_hash, 'hex') AS content_hash
FROM document d JOIN source s ON s.id = d.source_id JOIN chunk c ON c.document_id = d.id
    JOIN {{chunk_vectors}} v ON v.chunk_id = c.id
WHERE s.uri = %(verified)s AND c.collection_id IN (SELECT id FROM allowed)
    AND encode(c.content_hash, 'hex') <> ALL (%(without)s)
    AND NOT EXISTS (SELECT FROM verified_answer a WHERE a.document_id = d.id AND a.awaits_admin)
ORDER BY v.vector <=> %(vector)s, c.id LIMIT %(k)s
"""  # noqa: S608
_MARK = re.compile(r"<(?=/?\s*(?:example|passage)\b)", re.IGNORECASE)
_HEAD = (
    "Examples of answers that were approved. They show tone and terms only: they are about other questions, so take no "
    "fact from them."
)


@dataclass(frozen=True, slots=True)
class VerifiedExample:
    """A question with the answer that a person approved; `content_hash` is that of its passage in the index."""

    question: str
    answer: str
    content_hash: str = ""


Examples = Callable[[Question, str, Sequence[Passage]], Sequence[VerifiedExample]]
"""From a question, how it stands alone, and the passages that the model reads, to the examples shown beside them."""


def examples_for(
    conn: Connection[Any],
    embedder: Embedder,
    question: str,
    scope: Scope = EVERYTHING,
    k: int = 2,
    without: Collection[str] = (),
) -> list[VerifiedExample]:
    """The `k` verified answers nearest to a question, nearest first, of those that the scope may read; none whose
    content hash is in `without`. Without an index there are none.
    """
    with conn.transaction():
        model = active_model(conn)
    if model is None or k < 1:
        return []
    vector = HalfVector(embed_query(of_model(embedder, model.name), question)).to_text()
    values = {
        **scope.parameters,
        "verified": VERIFIED,
        "without": list(without),
        "vector": vector,
        "k": k,
    }
    with conn.transaction(), conn.cursor(row_factory=class_row(VerifiedExample)) as cursor:
        return cursor.execute(_nearest(model), values).fetchall()


def nearest_examples(pool: ConnectionPool[Any], embedder: Embedder, k: int, hidden: Collection[str] = ()) -> Examples:
    """What the chain shows beside its passages: examples that the asker may read and that are no evidence already; none
    of those in `hidden`, by content hash.
    """

    def nearest(question: Question, standalone: str, passages: Sequence[Passage]) -> Sequence[VerifiedExample]:
        without = {passage.content_hash for passage in passages} | set(hidden)
        with pool.connection() as conn:
            return examples_for(conn, embedder, standalone, question.scope, k, without)

    return nearest


def exemplified(examples: Sequence[VerifiedExample]) -> str:
    """The part of the prompt that holds them, before the passages; '' without any. No example can close its mark."""
    if not examples:
        return ""
    parts = [
        f"<example>\nQuestion: {_harmless(example.question)}\nAnswer: {_harmless(example.answer)}\n</example>"
        for example in examples
    ]
    return "\n".join([_HEAD, *parts, "", ""])


def _harmless(text: str) -> str:
    words = _MARK.sub("‹", text).split()
    return " ".join(words if len(words) <= MOST_WORDS else [*words[:MOST_WORDS], "…"])


@lru_cache
def _nearest(model: Model) -> bytes:
    return sql.SQL(_NEAREST).format(chunk_vectors=model.chunk_vectors).as_bytes(None)
