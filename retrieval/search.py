"""From a question to passages, best first, in one statement: everything that decides what is found stands here.

Three legs see every passage differently: the vector of the whole passage (context), the best of the vectors of its
sentences (the one that answers), and BM25 over stemmed words and verbatim identifiers. A pool is drawn with the first
and the last. Its passages are ranked by a sum: the cosines; a share for the codes of the question that stand in the
passage (alarm 3, HP-200), large enough to decide; BM25, which counts more where no passage stands out by its cosine;
and last, the nearness to the passages that are best so far (pseudo-relevance feedback: Rocchio 1971).
How it was fitted, and what did not help: docs/decisions/0013-trust-each-leg-per-question.md.
"""

from collections.abc import Mapping
from typing import Any

from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.rows import dict_row

from retrieval.answer import Passage, Sentence
from retrieval.embedders import embed_query, of_model
from retrieval.embedding import Embedder
from retrieval.languages import question_language
from retrieval.lexemes import codes, identifiers, tsvector
from retrieval.models import Model, active_model, check_model
from retrieval.scope import EVERYTHING, Scope

POOL = 60
"""Passages that each leg puts up for scoring."""

WEIGHTS = {"passage": 0.85, "sentence": 0.15, "codes": 0.3, "words": 0.0035, "feedback": 0.4}
STEADY = 0.2
"""The lead of the nearest passage over the tenth at which words count half as much as they do without any."""
FEEDBACK, SHARPNESS = 5, 50.0
"""Passages that feedback starts from, and how fast the weight of those behind the first falls with their score."""
BM25 = {"k1": 1.2, "b": 0.75}
LEAST_CHUNKS = 500
"""A smaller index counts as one of this size: how rare a word is can hardly be told from a few passages."""

_PLAN = """
SELECT set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
"""

# Cosines, on the scale of the model that the weights were fitted with.
_COSINE = "(%(slope)s * (1 - (v.vector <=> %(vector)s)) + %(offset)s)"
_BETWEEN = "(%(slope)s * (1 - (first.vector <=> fused.vector)) + %(offset)s)"

_SEARCH = """
WITH asked AS MATERIALIZED (
    SELECT lexeme, ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery AS term
    FROM unnest(to_tsvector(%(language)s::regconfig, %(text)s) || %(identifiers)s::tsvector)
), allowed AS MATERIALIZED (
    SELECT id, name FROM collection
    WHERE (%(collections)s::text[] IS NULL OR name = ANY (%(collections)s))
        AND (%(principals)s::text[] IS NULL OR audience && %(principals)s)
), corpus AS MATERIALIZED (
    SELECT greatest(count(*), %(least_chunks)s)::float AS n, greatest(avg(length), 1) AS mean_length FROM chunk
), term AS MATERIALIZED (
    SELECT lexeme, term, lexeme = ANY (%(codes)s) AND df > 0 AS is_code, ln(1 + (n - df + 0.5) / (df + 0.5)) AS idf
    FROM corpus, asked, LATERAL (SELECT count(*) AS df FROM chunk WHERE lexemes @@ term) AS counted
), best AS MATERIALIZED (
    -- The most that words and codes can add up to; a code that is everywhere names nothing, and counts less than one
    -- that stands in a single passage.
    SELECT greatest(sum(idf), 1e-9) AS idf,
        greatest(sum(idf) FILTER (WHERE is_code), (SELECT ln(n) FROM corpus)) AS codes
    FROM term
), lexical AS MATERIALIZED (
    SELECT c.id, sum(t.idf * tf * (%(k1)s + 1) / (tf + %(k1)s * (1 - %(b)s + %(b)s * c.length / mean_length))) AS bm25,
        coalesce(sum(t.idf) FILTER (WHERE is_code), 0) AS codes
    FROM corpus, term t
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
    (SELECT id FROM lexical ORDER BY bm25 + codes DESC, id LIMIT %(pool)s)
), seen AS (
    SELECT c.id, c.document_id, v.vector, {cosine} AS similarity,
        coalesce(l.bm25, 0) AS bm25, coalesce(l.codes, 0) AS codes,
        coalesce((SELECT max({cosine}) FROM {sentence_vectors} v WHERE v.chunk_id = c.id), {cosine}) AS sentence,
        -- The same file in two sources, or the same notice twice in a file, is one passage.
        row_number() OVER (PARTITION BY c.content_hash ORDER BY c.id) AS copy
    FROM pool JOIN chunk c USING (id) JOIN {chunk_vectors} v ON v.chunk_id = c.id LEFT JOIN lexical l USING (id)
), near AS MATERIALIZED (
    SELECT seen.*, %(w_passage)s * similarity + %(w_sentence)s * sentence
            + %(w_codes)s * seen.codes / best.codes AS nearness
    FROM seen, best WHERE copy = 1
), lead AS MATERIALIZED (
    SELECT max(nearness) - min(nearness) AS lead FROM (SELECT nearness FROM near ORDER BY nearness DESC LIMIT 10) AS ten
), fused AS MATERIALIZED (
    SELECT near.*, nearness + bm25 * %(w_words)s / (lead + %(steady)s) AS fused FROM near, lead
), first AS MATERIALIZED (
    SELECT id, document_id, vector, exp(%(sharpness)s * (fused - max(fused) OVER ())) AS weight
    FROM (SELECT * FROM fused ORDER BY fused DESC, id LIMIT %(feedback)s) AS few
), pair AS (
    SELECT fused.id, first.id AS first_id, weight, {between} AS cosine,
        fused.document_id = first.document_id AND fused.id <> first.id AS is_neighbour
    FROM fused, first
), feedback AS (
    -- A passage resembles its neighbours by their headings alone, and they would fill the first places: they count as
    -- near as a passage of another document on average.
    SELECT id, sum(weight * CASE WHEN is_neighbour THEN coalesce(elsewhere, cosine) ELSE cosine END) / sum(weight)
            AS feedback
    FROM (SELECT *, avg(cosine) FILTER (WHERE NOT is_neighbour AND id <> first_id) OVER (PARTITION BY first_id)
                AS elsewhere
          FROM pair) AS compared
    GROUP BY id
), ranked AS (
    SELECT *, (fused + %(w_feedback)s * feedback) / (1 + %(w_feedback)s) AS score,
        bm25 / (best.idf * (%(k1)s + 1)) AS lexical,
        rank() OVER (ORDER BY similarity DESC) AS dense_rank,
        rank() OVER (ORDER BY sentence DESC) AS sentence_rank,
        CASE WHEN bm25 > 0 THEN rank() OVER (ORDER BY bm25 DESC) END AS lexical_rank
    FROM fused JOIN feedback USING (id), best
)
SELECT c.id AS chunk_id, c.document_id, c.ordinal, d.name AS document, d.title, c.heading, c.kind, c.text, d.url,
    d.modified_at, encode(c.content_hash, 'hex') AS content_hash, a.name AS collection, r.score, r.similarity,
    r.lexical, r.dense_rank, r.sentence_rank, r.lexical_rank,
    (SELECT coalesce(sum(t.idf), 0) / max(best.idf) FROM term t, best
     WHERE c.lexemes @@ t.term) AS coverage,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(
                s.text, {cosine},
                (SELECT coalesce(sum(t.idf), 0) / best.idf FROM term t WHERE s.lexemes @@ t.term),
                (SELECT coalesce(sum(t.idf), 0) / best.idf FROM term t WHERE (s.lexemes || above) @@ t.term)
            ) ORDER BY s.ordinal), '[]')
     FROM sentence s JOIN {sentence_vectors} v USING (chunk_id, ordinal), best,
        LATERAL (SELECT to_tsvector(d.language, array_to_string(d.title || c.heading, ' ')) AS above) AS h
     WHERE s.chunk_id = c.id) AS sentences
FROM ranked r JOIN chunk c USING (id) JOIN document d ON d.id = c.document_id JOIN allowed a ON a.id = c.collection_id
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
    language: str | None = None,
) -> list[Passage]:
    """The `k` best passages for a question, best first, of the collections in `scope`.

    `language` is the text search configuration for its words; None finds it out. Blank text finds nothing. Raises
    ValueError for k below 1, and WrongModel if the index is searched with another embedder's vectors.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not text.strip():
        return []
    model = active_model(conn)
    if model is None:
        return []
    embedder = of_model(embedder, model.name)
    check_model(model, embedder.name, embedder.dimensions)
    register_vector(conn)
    names = identifiers(text)
    parameters = {
        "text": text,
        "identifiers": tsvector(names),
        "codes": codes(names),
        "vector": HalfVector(embed_query(embedder, text)),
        "collections": None if scope.collections is None else list(scope.collections),
        "principals": None if scope.principals is None else list(scope.principals),
        "pool": max(POOL, k),
        "k": k,
        "least_chunks": LEAST_CHUNKS,
        "steady": STEADY,
        "feedback": FEEDBACK,
        "sharpness": SHARPNESS,
        **BM25,
        **{f"w_{leg}": weight for leg, weight in WEIGHTS.items()},
    }
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_PLAN)
        slope, offset = model.cosine_line
        parameters |= {
            "slope": slope,
            "offset": offset,
            "language": language or question_language(conn, text),
        }
        return [_passage(row) for row in cursor.execute(_statement(model), parameters).fetchall()]


def _statement(model: Model) -> sql.Composed:
    return sql.SQL(_SEARCH).format(
        chunk_vectors=model.chunk_vectors,
        sentence_vectors=model.sentence_vectors,
        vector=model.vector,
        cosine=sql.SQL(_COSINE),
        between=sql.SQL(_BETWEEN),
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
