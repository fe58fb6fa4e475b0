"""The cache of vectors: what nothing in the index needs leaves it after some days, and not before."""

from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.indexing.vector_cache import KEPT_DAYS, prune_vectors
from tests.retrieval.indexing.test_index import HashEmbedder

PUMP = "The pump is blue. It stands in hall 3.\n"
NIGHT = "Nobody works alone at night. Ask for the key.\n"


def cached(conn: Connection) -> int:
    return (conn.execute("SELECT count(*) FROM embedding").fetchone() or (0,))[0]


def pass_days(conn: Connection, days: int) -> None:
    conn.execute("UPDATE embedding SET unused_since = unused_since - make_interval(days => %s)", [days])


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_what_nothing_needs_goes_after_some_days(conn: Connection, tmp_path: Path, batch: int) -> None:
    """Vectors of chunks and sentences in the index stay, however long nobody asked for them; a text that comes back in
    time is not embedded again, and its days begin anew.
    """
    embedder = HashEmbedder()
    for name, text in {"pump.txt": PUMP, "night.txt": NIGHT}.items():
        (tmp_path / name).write_text(text)
    sources = register_sources(conn, [tmp_path])

    def run() -> None:
        index_sources(conn, embedder, sources, max_bytes=1000)

    run()
    everything = cached(conn)
    assert prune_vectors(conn, batch=batch) == 0
    (tmp_path / "night.txt").unlink()
    run()
    assert prune_vectors(conn, batch=batch) == 0
    pass_days(conn, KEPT_DAYS - 1)
    assert prune_vectors(conn, batch=batch) == 0
    assert cached(conn) == everything

    (tmp_path / "night.txt").write_text(NIGHT)
    embedder.texts.clear()
    run()
    assert embedder.texts == []
    assert prune_vectors(conn, batch=batch) == 0
    assert conn.execute("SELECT count(*) FROM embedding WHERE unused_since IS NOT NULL").fetchone() == (0,)

    (tmp_path / "night.txt").unlink()
    run()
    prune_vectors(conn, batch=batch)
    pass_days(conn, KEPT_DAYS + 1)
    assert prune_vectors(conn, batch=batch) == 3  # a chunk and its two sentences
    assert cached(conn) == everything - 3
    assert prune_vectors(conn, batch=batch) == 0

    (tmp_path / "night.txt").write_text(NIGHT)
    run()
    assert len(embedder.texts) == 3
