"""Migration 0009 on a database with documents: no vector is lost, and search finds what it found."""

import shutil
from pathlib import Path
from uuid import uuid4

import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

import migrations
from journeyman.servers.stack import Stack
from migrations import migrate
from retrieval.embedding import MiniLM
from retrieval.indexing.models import active_model
from retrieval.searching.search import search
from tests.conftest import on_database

TEXTS = ["The bearing is greased every 400 hours.", "Lunch is served from noon until two.", "Close valve V2 before."]
SENTENCE = "The bearing is greased every 400 hours, with KP2K-30."


def old_rows(conn: psycopg.Connection) -> None:
    """Three chunks as version 0008 of the schema keeps them."""
    embedder = MiniLM()
    conn.execute("INSERT INTO collection (name) VALUES ('shop')")
    conn.execute("INSERT INTO source (collection, uri) VALUES ('shop', '/docs')")
    conn.execute("INSERT INTO document (source_id, name, title, raw_hash, modified_at) VALUES (1, 'a', 'A', '', now())")
    for ordinal, (text, vector) in enumerate(zip(TEXTS, embedder.embed(TEXTS), strict=True)):
        conn.execute(
            "INSERT INTO chunk (document_id, ordinal, kind, heading, text, content_hash, lexemes, length, model,"
            " vector) VALUES (1, %s, 'text', '{}', %s, sha256(%s), to_tsvector('english', %s), 6, %s, %s)",
            [ordinal, text, text.encode(), text, embedder.name, HalfVector(vector)],
        )
    conn.execute(
        "INSERT INTO sentence VALUES (1, 0, %s, to_tsvector('english', %s), %s)",
        [SENTENCE, SENTENCE, HalfVector(embedder.embed([SENTENCE])[0])],
    )


def test_what_was_indexed_is_kept(stack: Stack, tmp_path: Path) -> None:
    """Chunks keep their ids, vectors move to the active model's tables, and words are counted."""
    for file in migrations.FOLDER.glob("*.sql"):
        if file.name < "0009":
            shutil.copy(file, tmp_path)
    name = f"test_{uuid4().hex}"
    with psycopg.connect(stack.database_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with psycopg.connect(on_database(stack.database_url, name), autocommit=True) as conn:
            migrate(conn, tmp_path)
            register_vector(conn)
            old_rows(conn)
            before = conn.execute("SELECT id, vector FROM chunk ORDER BY id").fetchall()
            migrate(conn)
            model = active_model(conn)
            assert model is not None
            assert (model.name, model.dimensions) == (MiniLM.name, 384)
            assert conn.execute("SELECT chunk_id, vector FROM chunk_vector ORDER BY 1").fetchall() == before
            found = search(conn, MiniLM(), "How often does the shaft support need lubricating?")[0]
            assert (found.chunk_id, found.text, found.collection) == (1, TEXTS[0], "shop")
            assert [sentence.text for sentence in found.sentences] == [SENTENCE]
            assert conn.execute("SELECT sum(chunks) FROM lexeme_count WHERE lexeme = 'valv'").fetchone() == (1,)
            assert conn.execute("SELECT chunks, length FROM chunk_count").fetchone() == (3, 18)
    finally:
        with psycopg.connect(stack.database_url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
