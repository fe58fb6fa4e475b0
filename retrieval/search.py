"""From a question to passages, best first, in one statement: everything that decides what is found stands here.

Three legs see every passage differently: the vector of the whole passage (context), the best of the vectors of its
sentences (the one that answers), and BM25 over stemmed words and verbatim identifiers (names, codes, numbers). A pool
is drawn with the first and the last, then scored by the sum of all three. The legs are weighted on absolute scales and
not by rank, so that a score means the same for every question, which abstention needs: BM25 is divided by the most that
the question could reach. Measured in docs/experiments.md.
"""

from collections.abc import Mapping
from typing import Any

from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.rows import dict_row

from retrieval.answer import Passage, Sentence
from retrieval.embedding import Embedder
from retrieval.lexemes import identifiers, tsvector
from retrieval.models import Model, active_model, check_model
from retrieval.scope import EVERYTHING, Scope

POOL = 60
"""Passages that each leg puts up for scoring."""

WEIGHTS = {"passage": 0.25, "sentence": 0.25, "lexical": 0.5}
BM25 = {"k1": 1.2, "b": 0.75}

_PLAN = """
SELECT set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
"""

_SEARCH = """
WITH asked AS MATERIALIZED (
    SELECT lexeme, ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery AS term
    FROM unnest(to_tsvector(%(language)s::regconfig, %(text)s) || %(identifiers)s::tsvector)
), allowed AS MATERIALIZED (
    SELECT id, name FROM collection
    WHERE (%(collections)s::text[] IS NULL OR name = ANY (%(collections)s))
        AND (%(principals)s::text[] IS NULL OR audience && %(principals)s)
), corpus AS MATERIALIZED (
    SELECT count(*)::float AS n, greatest(avg(length), 1) AS mean_length FROM chunk
), term AS MATERIALIZED (
    SELECT lexeme, term, ln(1 + (n - df + 0.5) / (df + 0.5)) AS idf
    FROM corpus, asked, LATERAL (SELECT count(*) AS df FROM chunk WHERE lexemes @@ term) AS counted
), best AS MATERIALIZED (
    SELECT greatest(sum(idf), 1e-9) AS idf FROM term
), lexical AS MATERIALIZED (
    SELECT c.id, sum(t.idf * tf * (%(k1)s + 1) / (tf + %(k1)s * (1 - %(b)s + %(b)s * c.length / mean_length)))
        / (max(best.idf) * (%(k1)s + 1)) AS score
    FROM corpus, best, term t
    JOIN chunk c ON c.lexemes @@ t.term
    JOIN allowed a ON a.id = c.collection_id,
    LATERAL (
        SELECT coalesce(cardinality(positions), 1) AS tf FROM unnest(c.lexemes) AS u WHERE u.lexeme = t.lexeme
    ) AS occurrences
    GROUP BY c.id
), dense_pool AS MATERIALIZED (
    SELECT chunk_id AS id FROM {chunk_vectors}
    WHERE collection_id IN (SELECT id FROM allowed)
    ORDER BY {vector} <=> %(vector)s
    LIMIT %(pool)s
), pool AS (
    SELECT id FROM dense_pool
    UNION
    (SELECT id FROM lexical ORDER BY score DESC, id LIMIT %(pool)s)
), scored AS (
    SELECT c.id, c.content_hash, 1 - (v.vector <=> %(vector)s) AS similarity, coalesce(l.score, 0) AS lexical,
        coalesce((SELECT max(1 - (s.vector <=> %(vector)s)) FROM {sentence_vectors} s WHERE s.chunk_id = c.id),
                 1 - (v.vector <=> %(vector)s)) AS sentence
    FROM pool JOIN chunk c USING (id) JOIN {chunk_vectors} v ON v.chunk_id = c.id LEFT JOIN lexical l USING (id)
), ranked AS (
    SELECT *, %(w_passage)s * similarity + %(w_sentence)s * sentence + %(w_lexical)s * lexical AS score,
        rank() OVER (ORDER BY similarity DESC) AS dense_rank,
        rank() OVER (ORDER BY sentence DESC) AS sentence_rank,
        CASE WHEN lexical > 0 THEN rank() OVER (ORDER BY lexical DESC) END AS lexical_rank,
        -- The same file in two sources, or the same notice twice in a file, is one passage.
        row_number() OVER (PARTITION BY content_hash ORDER BY id) AS copy
    FROM scored
)
SELECT c.id AS chunk_id, c.document_id, c.ordinal, d.name AS document, d.title, c.heading, c.kind, c.text, d.url,
    d.modified_at, encode(c.content_hash, 'hex') AS content_hash, a.name AS collection, r.score, r.similarity,
    r.lexical, r.dense_rank, r.sentence_rank, r.lexical_rank,
    (SELECT coalesce(sum(t.idf), 0) / max(best.idf) FROM term t, best
     WHERE (c.lexemes || to_tsvector(d.language, d.title)) @@ t.term) AS coverage,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(
                s.text, 1 - (v.vector <=> %(vector)s),
                (SELECT coalesce(sum(t.idf), 0) / best.idf FROM term t WHERE s.lexemes @@ t.term),
                (SELECT coalesce(sum(t.idf), 0) / best.idf FROM term t WHERE (s.lexemes || above) @@ t.term)
            ) ORDER BY s.ordinal), '[]')
     FROM sentence s JOIN {sentence_vectors} v USING (chunk_id, ordinal), best,
        LATERAL (SELECT to_tsvector(d.language, array_to_string(d.title || c.heading, ' ')) AS above) AS h
     WHERE s.chunk_id = c.id) AS sentences
FROM ranked r JOIN chunk c USING (id) JOIN document d ON d.id = c.document_id JOIN allowed a ON a.id = c.collection_id
WHERE r.copy = 1
ORDER BY r.score DESC, c.id
LIMIT %(k)s
"""


def search(
    conn: Connection[Any],
    embedder: Embedder,
    text: str,
    *,
    k: int = 10,
    scope: Scope = EVERYTHING,
    language: str = "english",
) -> list[Passage]:
    """The `k` best passages for a question, best first, of the collections in `scope`.

    Blank text finds nothing. Raises ValueError for k below 1, and WrongModel if the index is searched with another
    embedder's vectors.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not text.strip():
        return []
    register_vector(conn)
    parameters = {
        "text": text,
        "language": language,
        "identifiers": tsvector(identifiers(text)),
        "vector": HalfVector(embedder.embed_query(text)),
        "collections": None if scope.collections is None else list(scope.collections),
        "principals": None if scope.principals is None else list(scope.principals),
        "pool": max(POOL, k),
        "k": k,
        **BM25,
        **{f"w_{leg}": weight for leg, weight in WEIGHTS.items()},
    }
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        model = active_model(conn)
        if model is None:
            return []
        check_model(model, embedder.name, embedder.dimensions)
        cursor.execute(_PLAN)
        return [_passage(row) for row in cursor.execute(_statement(model), parameters).fetchall()]


def _statement(model: Model) -> sql.Composed:
    return sql.SQL(_SEARCH).format(
        chunk_vectors=model.chunk_vectors, sentence_vectors=model.sentence_vectors, vector=model.vector
    )


def _passage(row: Mapping[str, Any]) -> Passage:
    ranks = {leg: row[f"{leg}_rank"] for leg in ("dense", "sentence", "lexical") if row[f"{leg}_rank"]}
    return Passage(
        chunk_id=row["chunk_id"],
        document_id=row["document_id"],
        ordinal=row["ordinal"],
        document=row["document"],
        title=row["title"],
        heading=" > ".join(row["heading"]),
        kind=row["kind"],
        text=row["text"],
        url=row["url"],
        content_hash=row["content_hash"],
        collection=row["collection"],
        score=float(row["score"]),
        ranks=ranks,
        similarity=float(row["similarity"]),
        lexical=float(row["lexical"]),
        coverage=float(row["coverage"] or 0),
        sentences=tuple(Sentence(text, *scores) for text, *scores in row["sentences"]),
        modified_at=row["modified_at"],
    )
