"""The peer of benchmarks/search_speed.py: langchain-postgres's hybrid search on the same passages and questions.

Runs in a virtual environment of its own, because langchain-postgres needs pgvector below 0.4:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install langchain-postgres==0.0.19

`python langchain_postgres_peer.py URL QUESTIONS.json EF_SEARCH POOL` copies the passages into a table of its own, makes
both indexes through its own interface, and prints as JSON, for its search as it comes ("all words") and with one
expression changed so that its full-text half asks for any of the words and not for all ("any word"), the milliseconds
of each question and in how many questions that half found anything.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from langchain_core.embeddings import Embeddings
from langchain_postgres import Column, PGEngine
from langchain_postgres.v2 import async_vectorstore
from langchain_postgres.v2.async_vectorstore import AsyncPGVectorStore
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion
from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions
from sqlalchemy import text

COPY = """
INSERT INTO peer (langchain_id, content, embedding, collection, content_tsv)
SELECT gen_random_uuid(), c.text, v.vector::vector(384), c.collection_id, c.lexemes
FROM chunk c JOIN chunk_vector v ON v.chunk_id = c.id ORDER BY c.id
"""
ALL_WORDS = "plainto_tsquery('pg_catalog.english', :fts_query)"
ANY_WORD = f"replace({ALL_WORDS}::text, '&', '|')::tsquery"


class NoEmbeddings(Embeddings):
    """Vectors are given, so none is made."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError


def hybrid(asked: str, pool: int) -> HybridSearchConfig:
    """One a question: its full-text query stays in it for ever."""
    return HybridSearchConfig(
        tsv_column="content_tsv",
        tsv_lang="pg_catalog.english",
        fts_query=asked,
        fusion_function=reciprocal_rank_fusion,
        primary_top_k=pool,
        secondary_top_k=pool,
    )


async def main(url: str, questions: list[dict], ef_search: int, pool: int) -> dict:
    """Fill the table, make the indexes, and ask everything in both ways."""
    engine = PGEngine.from_connection_string(url.replace("postgresql://", "postgresql+asyncpg://"))
    await engine._ainit_vectorstore_table(
        "peer", 384, metadata_columns=[Column("collection", "INTEGER")], hybrid_search_config=hybrid("", pool)
    )
    async with engine._pool.begin() as conn:
        await conn.execute(text("SET LOCAL maintenance_work_mem = '2GB'"))
        await conn.execute(text(COPY))
    store = await AsyncPGVectorStore.create(
        engine,
        NoEmbeddings(),
        "peer",
        metadata_columns=["collection"],
        hybrid_search_config=hybrid("", pool),
        index_query_options=HNSWQueryOptions(ef_search=ef_search),
    )
    await store.aapply_vector_index(HNSWIndex())
    await store.aapply_hybrid_search_index()
    async with engine._pool.connect() as conn:
        await (await conn.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM (ANALYZE) peer"))
    results = {"all words": await timed(engine, store, questions, pool, ALL_WORDS)}
    async_vectorstore.text = lambda statement: text(statement.replace(ALL_WORDS, ANY_WORD))
    results["any word"] = await timed(engine, store, questions, pool, ANY_WORD)
    await engine._adrop_table("peer")
    return results


async def timed(engine: PGEngine, store: AsyncPGVectorStore, questions: list[dict], pool: int, query: str) -> dict:
    """The milliseconds of each question, asked for the second time."""
    matches = text(f"SELECT EXISTS (SELECT FROM peer WHERE content_tsv @@ {query})")
    async with engine._pool.connect() as conn:
        found = [(await conn.execute(matches, {"fts_query": question["text"]})).scalar_one() for question in questions]
    milliseconds = []
    for question in [*questions, *questions]:
        config = hybrid(question["text"], pool)
        started = time.perf_counter()
        await store.asimilarity_search_with_score_by_vector(question["vector"], k=10, hybrid_search_config=config)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return {"milliseconds": milliseconds[len(questions) :], "found_by_words": sum(found)}


if __name__ == "__main__":
    address, file, ef, top = sys.argv[1:]
    print(json.dumps(asyncio.run(main(address, json.loads(Path(file).read_text()), int(ef), int(top)))))
