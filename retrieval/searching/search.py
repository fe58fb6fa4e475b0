"""From a question to passages, best first: everything that decides what is found stands here.

Three legs see every passage differently: the vector of the whole passage (context), the best of the vectors of its
sentences (the one that answers), and BM25 over stemmed words and verbatim identifiers. A pool is drawn with the first
and the last. Its passages are ranked by a sum: the cosines; a share for the codes of the question that stand in the
passage (alarm 3, HP-200), large enough to decide; BM25, which counts more where no passage stands out by its cosine;
and last, the nearness to the passages that are best so far (pseudo-relevance feedback: Rocchio 1971).
How it was fitted, and what did not help: docs/decisions/0013-trust-each-leg-per-question.md.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, LiteralString

import numpy as np
from pgvector import HalfVector
from psycopg import Connection, sql
from psycopg.rows import dict_row

from jobs import locks
from retrieval.embedders import embed_query, of_model
from retrieval.embedding import Embedder, Vectors
from retrieval.indexing.models import Model, active_model, check_model
from retrieval.searching.passage import Passage, Sentence
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.spelling import corrected, english_words
from retrieval.searching.terms import Term, any_of, candidates
from retrieval.text.languages import question_language
from retrieval.text.lexemes import codes, identifiers, tsvector

POOL = 60
"""Passages that each leg puts up for scoring."""

WEIGHTS = {"passage": 0.85, "sentence": 0.15, "codes": 0.5, "words": 0.0077, "feedback": 0.4}
STEADY = 0.2
"""The lead of the nearest passage over the tenth at which words count half as much as they do without any."""
FEEDBACK, SHARPNESS = 5, 50.0
"""Passages that feedback starts from, and how fast the weight of those behind the first falls with their score."""
BM25 = {"k1": 1.2, "b": 0.75}
LEAST_CHUNKS = 500
"""A smaller index counts as one of this size: how rare a word is can hardly be told from a few passages."""

EXACT_DENSE, EXACT_LEXICAL = 20_000, 8_000
"""Up to so many chunks that may be seen, every one is compared: of what an index finds, the filter would leave few."""

# HNSW goes on until enough has passed the filter; a plan never comes from a search with another filter. The lock keeps
# the embedding model what it is until the search is through.
_SETTINGS = f"""
SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.max_scan_tuples', '100000', true),
    set_config('plan_cache_mode', 'force_custom_plan', true), pg_advisory_xact_lock_shared({locks.SEARCH})
"""
# The more chunks there are, the more HNSW has to look at to find as many of the nearest.
_EF_SEARCH = "SELECT set_config('hnsw.ef_search', %(ef_search)s, true)"
ALLOWED = """
    SELECT id, name FROM collection
    WHERE (%(collections)s::text[] IS NULL OR name = ANY (%(collections)s))
        AND (%(principals)s::text[] IS NULL OR audience && %(principals)s)
"""
_FACTS = f"""
WITH allowed AS ({ALLOWED}), asked AS (
    SELECT DISTINCT lexeme FROM unnest(to_tsvector(%(language)s::regconfig, %(text)s) || %(identifiers)s::tsvector)
)
SELECT coalesce(sum(chunks), 0)::int AS chunks,
    coalesce(sum(length)::float / nullif(sum(chunks), 0), 1) AS mean_length,
    ARRAY(SELECT id FROM allowed) AS visible,
    coalesce(sum(chunks) FILTER (WHERE collection_id IN (SELECT id FROM allowed)), 0)::int AS visible_chunks,
    ARRAY(SELECT ROW(lexeme, (SELECT coalesce(sum(l.chunks), 0)::int FROM lexeme_count l
                              WHERE l.lexeme = asked.lexeme COLLATE "C"))
          FROM asked ORDER BY lexeme) AS terms,
    (SELECT id FROM embedding_model WHERE state = 'active') AS model
FROM chunk_count
"""  # noqa: S608

# What a chunk's occurrences of one term are worth: idf · tf / (tf + norm). ts_rank of one term is the sum of 1/i² for i
# from 1 to tf, divided by π²/6 (src/backend/utils/adt/tsrank.c); of that sum 1/(tf + ½) is missing to all of it, so tf
# comes out of it, and exactly. Taking the tsvector apart took ten times as long. One expression a term, because a
# subquery for each chunk costs more than the arithmetic.
_OF_TERM = """
    ({idfs}::float8[])[{place}] * (1 - norm / (norm + round(
        6 / pi() ^ 2 / (1 - ts_rank('{{1,1,1,1}}', lexemes, (%(terms)s::tsquery[])[{place}])) - 0.5::float8)))
"""
# A short text means what its title and headings say it is about; a long one means the same under any.
_SAMENESS = "CASE WHEN length(text) < 200 THEN encode(content_hash, 'hex') ELSE md5(text) END"
_NORM = "%(k1)s * (1 - %(b)s + %(b)s * length / %(mean_length)s::float8) AS norm"
_SHARE = """
    (SELECT coalesce(sum(idf), 0) / %(best)s
     FROM unnest(%(terms)s::tsquery[], %(idfs)s::float8[]) AS t (term, idf) WHERE {lexemes} @@ term)
"""
_HELD = """
    ARRAY(SELECT c.lexemes @@ term FROM unnest(%(terms)s::tsquery[]) WITH ORDINALITY AS t (term, place) ORDER BY place)
"""
_CODES = """
    (SELECT coalesce(sum(idf), 0) / %(best_code)s
     FROM unnest(%(codes)s::tsquery[], %(code_idfs)s::float8[]) AS t (term, idf) WHERE lexemes @@ term)
"""
# On the scale of the model that the weights were fitted with.
_COSINE = "(%(slope)s * (1 - ({one} <=> {other})) + %(offset)s)"
_DENSE = {
    # The planner is not told what the filter lets through: it would leave HNSW where that costs more.
    "index": """
        SELECT chunk_id AS id FROM {chunk_vectors} WHERE collection_id = ANY (ARRAY(SELECT unnest(%(visible)s::int[])))
        ORDER BY {vector} <=> %(vector)s LIMIT %(pool)s
    """,
    # Without the cast it is not the expression that is indexed: every distance is computed.
    "exact": """
        SELECT chunk_id AS id FROM {chunk_vectors} WHERE collection_id = ANY (%(visible)s)
        ORDER BY vector <=> %(vector)s LIMIT %(pool)s
    """,
}
_CANDIDATES = {
    "index": """
        SELECT id, lexemes, {norm} FROM chunk
        WHERE lexemes @@ %(candidates)s::tsquery AND collection_id = ANY (%(visible)s)
    """,
    # Not as it is indexed, either.
    "exact": """
        SELECT id, lexemes, {norm} FROM chunk
        WHERE (lexemes @@ %(any_term)s::tsquery) IS TRUE AND collection_id = ANY (%(visible)s)
    """,
}
_SEARCH = """
WITH allowed AS MATERIALIZED ({allowed}), dense AS MATERIALIZED ({dense}), lexical AS MATERIALIZED (
    SELECT id, {drawn} AS score FROM ({candidates} OFFSET 0) AS candidate  -- OFFSET, so that norms are computed once
    ORDER BY score DESC, id
    LIMIT %(pool)s
), scored AS MATERIALIZED (
    SELECT c.id, c.document_id, v.vector, {cosine} AS similarity, {bm25} AS bm25, {codes} AS codes,
        coalesce((SELECT max({cosine}) FROM {sentence_vectors} v WHERE v.chunk_id = c.id), {cosine}) AS sentence,
        -- The same file in two sources, or the same notice in many, is one passage.
        row_number() OVER (PARTITION BY c.sameness ORDER BY v.vector <=> %(vector)s, c.id) AS copy
    FROM (SELECT id FROM dense UNION SELECT id FROM lexical) AS pool
        JOIN (SELECT id, document_id, {sameness} AS sameness, lexemes, {norm} FROM chunk) AS c USING (id)
        JOIN {chunk_vectors} v ON v.chunk_id = c.id
), near AS MATERIALIZED (
    SELECT *, %(w_passage)s * similarity + %(w_sentence)s * sentence + %(w_codes)s * codes AS nearness
    FROM scored WHERE copy = 1
), lead AS MATERIALIZED (
    SELECT max(nearness) - min(nearness) AS lead FROM (SELECT nearness FROM near ORDER BY nearness DESC LIMIT 10) AS ten
), fused AS MATERIALIZED (
    SELECT near.*, nearness + bm25 * %(w_words)s / (lead + %(steady)s) AS fused FROM near, lead
), first AS MATERIALIZED (
    SELECT id, document_id, vector, exp(%(sharpness)s * (fused - max(fused) OVER ())) AS weight,
        (SELECT avg({between}) FROM fused WHERE fused.document_id <> first.document_id) AS elsewhere
    FROM (SELECT * FROM fused ORDER BY fused DESC, id LIMIT %(feedback)s) AS first
), ranked AS MATERIALIZED (
    SELECT id, similarity, bm25 / %(best)s AS lexical,
        (fused + %(w_feedback)s * feedback) / (1 + %(w_feedback)s) AS score,
        rank() OVER (ORDER BY similarity DESC) AS dense_rank,
        rank() OVER (ORDER BY sentence DESC) AS sentence_rank,
        CASE WHEN bm25 > 0 THEN rank() OVER (ORDER BY bm25 DESC) END AS lexical_rank
    FROM fused, LATERAL (
        -- A passage resembles its neighbours by their headings alone, and they would fill the first places: they count
        -- as near as a passage of another document on average.
        SELECT sum(weight * CASE
                WHEN fused.document_id = first.document_id AND fused.id <> first.id THEN coalesce(elsewhere, {between})
                ELSE {between}
            END) / sum(weight) AS feedback
        FROM first
    ) AS compared
    ORDER BY score DESC, id LIMIT %(k)s
)
SELECT c.id AS chunk_id, c.document_id, c.ordinal, d.name AS document, d.title, c.heading, c.kind, c.text, d.url,
    d.modified_at, encode(c.content_hash, 'hex') AS content_hash, a.name AS collection, r.score, r.similarity,
    r.lexical, r.dense_rank, r.sentence_rank, r.lexical_rank, {coverage} AS coverage,
    {held} AS held,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(
                s.text, {cosine}, {overlap}, {overlap_in_context}
            ) ORDER BY s.ordinal), '[]')
     FROM sentence s JOIN {sentence_vectors} v USING (chunk_id, ordinal) WHERE s.chunk_id = c.id) AS sentences
FROM ranked r JOIN chunk c USING (id) JOIN document d ON d.id = c.document_id JOIN allowed a ON a.id = c.collection_id,
    LATERAL (SELECT to_tsvector(d.language, array_to_string(d.title || c.heading, ' ')) AS above OFFSET 0) AS w
ORDER BY r.score DESC, c.id
"""


def search(
    conn: Connection[Any],
    embedder: Embedder,
    text: str,
    *,
    k: int = 10,
    scope: Scope = EVERYTHING,
    language: str | None = None,
    meaning: Mapping[str, float] | None = None,
) -> list[Passage]:
    """The `k` best passages for a question, best first, of the collections in `scope`.

    `language` is the text search configuration for its words; None finds it out. `meaning`: texts with their weights,
    whose mean nearness counts in place of that to `text`, of which the words remain. Blank text finds nothing. Raises
    ValueError for k below 1, and WrongModel if the index is searched with another embedder's vectors.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not text.strip():
        return []
    while True:
        with conn.transaction():
            model = active_model(conn)
        if model is None:
            return []
        of_active = of_model(embedder, model.name)
        check_model(model, of_active.name, of_active.dimensions)
        vector = _mean_vector(of_active, meaning or {text: 1.0})
        passages = _search(conn, model, vector, text, k, scope, language)
        if passages is not None:  # else another model was switched to while the question was embedded
            return passages


def _search(
    conn: Connection[Any],
    model: Model,
    vector: Vectors,
    text: str,
    k: int,
    scope: Scope,
    language: str | None,
) -> list[Passage] | None:
    """The passages by the vector of `model`; None if it is not the active one any more."""
    names = identifiers(text)
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_SETTINGS)
        question = {
            "text": text,
            "language": language or question_language(conn, text),
            "identifiers": tsvector(names),
        }
        facts = cursor.execute(_FACTS, {**question, **scope.parameters}).fetchall()[0]
        if facts["model"] != model.id:
            return None
        terms = [Term(lexeme, int(chunks)) for lexeme, chunks in facts["terms"]]
        terms = corrected(conn, text, question["language"], terms, english_words())
        weighed = _weighed(terms, frozenset(codes(names)), facts["chunks"])
        parameters = {**scope.parameters, **weighed, **_parameters(model, vector, facts, terms, k)}
        visible = facts["visible_chunks"]
        statement = _statement(model, visible <= EXACT_DENSE, visible <= EXACT_LEXICAL, len(terms))
        cursor.execute(_EF_SEARCH, {"ef_search": str(ef_search(facts["chunks"]))})
        rows = cursor.execute(statement, parameters).fetchall()
    rarity = [(term.lexeme, idf) for term, idf in zip(terms, weighed["idfs"], strict=True)]
    return [_passage(row, rarity) for row in rows]


def _parameters(
    model: Model, vector: Vectors, facts: Mapping[str, Any], terms: Sequence[Term], k: int
) -> dict[str, Any]:
    """The parameters of the search beside those of its scope and its terms."""
    slope, offset = model.cosine_line
    return {
        "vector": HalfVector(vector).to_text(),
        # The cosine with a mean, times its length, is the mean of the cosines.
        "slope": slope * float(np.linalg.norm(vector)),
        "offset": offset,
        "visible": facts["visible"],
        "candidates": candidates(terms, facts["chunks"], facts["visible_chunks"]),
        "any_term": any_of(terms),
        "mean_length": facts["mean_length"],
        "pool": max(POOL, k),
        "k": k,
        "steady": STEADY,
        "feedback": FEEDBACK,
        "sharpness": SHARPNESS,
        **BM25,
        **{f"w_{leg}": weight for leg, weight in WEIGHTS.items()},
    }


def _mean_vector(embedder: Embedder, texts: Mapping[str, float]) -> Vectors:
    """The weighted mean of the texts' unit vectors, of shape (dimensions,)."""
    vectors = np.array([embed_query(embedder, text) for text in texts])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.average(vectors, axis=0, weights=list(texts.values())), dtype=np.float32)


def ef_search(chunks: int) -> int:
    """Candidates that HNSW keeps in an index of so many chunks: 200 up to 100,000, 300 at a million, 1,000 at most."""
    return min(1000, round(200 * math.pow(max(1.0, chunks / 100_000), 0.176)))


def _weighed(terms: Sequence[Term], codes: Collection[str], chunks: int) -> dict[str, Any]:
    """What each term is worth. For the pool a code counts twice; for the ranking, all of them together at most 1, and
    less if they stand in many passages.
    """
    chunks = max(chunks, LEAST_CHUNKS)
    idfs = [term.idf(chunks) for term in terms]
    of_codes = [
        (term.query, idf) for term, idf in zip(terms, idfs, strict=True) if term.lexeme in codes and term.chunks
    ]
    return {
        "terms": [term.query for term in terms],
        "idfs": idfs,
        "drawn": [idf * (2 if term.lexeme in codes else 1) for term, idf in zip(terms, idfs, strict=True)],
        "best": max(sum(idfs), 1e-9),
        "codes": [query for query, _ in of_codes],
        "code_idfs": [idf for _, idf in of_codes],
        "best_code": max(sum(idf for _, idf in of_codes), math.log(chunks)),
    }


@lru_cache
def _statement(model: Model, exact_dense: bool, exact_lexical: bool, terms: int) -> bytes:
    """The search for a question of so many terms; kept, because composing it takes a while."""
    norm = sql.SQL(_NORM)
    return (
        sql.SQL(_SEARCH)
        .format(
            allowed=sql.SQL(ALLOWED),
            dense=sql.SQL(_DENSE["exact" if exact_dense else "index"]).format(
                chunk_vectors=model.chunk_vectors, vector=model.vector
            ),
            candidates=sql.SQL(_CANDIDATES["exact" if exact_lexical else "index"]).format(norm=norm),
            chunk_vectors=model.chunk_vectors,
            sentence_vectors=model.sentence_vectors,
            norm=norm,
            sameness=sql.SQL(_SAMENESS),
            bm25=_bm25(terms, "%(idfs)s"),
            drawn=_bm25(terms, "%(drawn)s"),
            codes=sql.SQL(_CODES),
            cosine=sql.SQL(_COSINE).format(one=sql.SQL("v.vector"), other=sql.SQL("%(vector)s")),
            between=sql.SQL(_COSINE).format(one=sql.SQL("fused.vector"), other=sql.SQL("first.vector")),
            coverage=_share("c.lexemes"),
            held=sql.SQL(_HELD),
            overlap=_share("s.lexemes"),
            overlap_in_context=_share("(s.lexemes || above)"),
        )
        .as_bytes(None)
    )


def _bm25(terms: int, idfs: LiteralString) -> sql.Composed:
    """A chunk's BM25 without its factor k1 + 1, so that the most it can reach is the sum of `idfs`; of `lexemes` and
    `norm`.
    """
    worth = [sql.SQL(_OF_TERM).format(place=sql.Literal(place), idfs=sql.SQL(idfs)) for place in range(1, terms + 1)]
    return sql.SQL("({})").format(sql.SQL(" + ").join([sql.SQL("0::float8"), *worth]))


def _share(lexemes: str) -> sql.Composed:
    """The share of the question's terms, weighted by how rare they are, that `lexemes` holds."""
    return sql.SQL(_SHARE).format(lexemes=sql.SQL(lexemes))


def _passage(row: Mapping[str, Any], rarity: Sequence[tuple[str, float]]) -> Passage:
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
        holds={lexeme: idf for (lexeme, idf), is_there in zip(rarity, row["held"], strict=True) if is_there},
        lacks={lexeme: idf for (lexeme, idf), is_there in zip(rarity, row["held"], strict=True) if not is_there},
    )
