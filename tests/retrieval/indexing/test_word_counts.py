"""What is counted agrees with what is there, whatever happens to the chunks."""

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.indexing.document_rows import delete_document
from retrieval.indexing.models import require_active
from retrieval.indexing.sources import register_sources, remove_source
from retrieval.indexing.word_counts import compact
from tests.retrieval.flat import Flat, put_texts

WORDS = "pump oil seal valve bearing drum belt motor fan filter".split()


def counted(conn: Connection) -> tuple[dict[str, int], dict[int, tuple[int, int]]]:
    lexemes = conn.execute("SELECT lexeme, sum(chunks) FROM lexeme_count GROUP BY 1 HAVING sum(chunks) <> 0")
    chunks = conn.execute("SELECT collection_id, sum(chunks), sum(length) FROM chunk_count GROUP BY 1")
    return dict(lexemes.fetchall()), {c: (n, length) for c, n, length in chunks.fetchall() if n}


def there(conn: Connection) -> tuple[dict[str, int], dict[int, tuple[int, int]]]:
    lexemes = conn.execute("SELECT lexeme, count(*) FROM chunk, unnest(lexemes) GROUP BY 1")
    chunks = conn.execute("SELECT collection_id, count(*), sum(length) FROM chunk GROUP BY 1")
    return dict(lexemes.fetchall()), {c: (n, length) for c, n, length in chunks.fetchall()}


@pytest.fixture
def sources(conn: Connection) -> list[int]:
    """Two sources in collections of their own."""
    register_vector(conn)
    return [register_sources(conn, ["/tmp"], collection=name)[0].id for name in ("shop", "office")]


def sentence_of(generator: random.Random) -> str:
    return " ".join(generator.choices(WORDS, k=generator.randint(1, 8))).capitalize() + "."


def test_counts_follow_every_change(conn: Connection, sources: list[int]) -> None:
    """Documents that come, change, stay alike, are made anew and go, alone or with their source."""
    generator = random.Random(7)
    documents: dict[tuple[int, str], int] = {}
    for step in range(60):
        source, name = generator.choice(sources), f"{generator.randint(1, 6)}.md"
        if generator.random() < 0.2 and (source, name) in documents:
            (row,) = conn.execute("SELECT id FROM document WHERE (source_id, name) = (%s, %s)", [source, name])
            delete_document(conn, row[0])
            del documents[source, name]
        else:
            texts = [sentence_of(generator) for _ in range(generator.randint(0, 5))]
            put_texts(conn, source, name, texts, keep=generator.random() < 0.7)
            documents[source, name] = len(texts)
        if step % 20 == 10:
            compact(conn)
        assert counted(conn) == there(conn)
    assert remove_source(conn, "/tmp", "shop")
    assert counted(conn) == there(conn)
    assert counted(conn)[0]


def test_a_new_language_counts_its_words(conn: Connection, sources: list[int]) -> None:
    """A document that is stemmed anew has other lexemes."""
    put_texts(conn, sources[0], "a.md", ["Pumpen pumping."])
    put_texts(conn, sources[0], "a.md", ["Pumpen pumping."], language="german")
    assert counted(conn) == there(conn)
    assert counted(conn)[0] == {"pump": 1, "pumping": 1}


def test_rows_are_put_together(conn: Connection, sources: list[int]) -> None:
    """The sums stay, the rows become few, and what has gone leaves none."""
    for number in range(20):
        put_texts(conn, sources[0], f"{number}.md", ["Pump and oil."])
    put_texts(conn, sources[0], "gone.md", ["Valve."])
    put_texts(conn, sources[0], "gone.md", [])
    before = counted(conn)
    compact(conn)
    assert counted(conn) == before
    rows = conn.execute("SELECT lexeme, chunks FROM lexeme_count ORDER BY 1").fetchall()
    assert rows == [("oil", 20), ("pump", 20)]
    assert conn.execute("SELECT chunks FROM chunk_count").fetchall() == [(20,)]


def test_writers_and_compaction_do_not_wait_for_each_other(database: str) -> None:
    """Four processes swap documents of the same words while a fifth compacts: no deadlock, no count is lost."""
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        (source,) = register_sources(conn, ["/tmp"])
        require_active(conn, Flat.name, Flat.dimensions)

        def write(worker: int) -> None:
            generator = random.Random(worker)
            with psycopg.connect(database, autocommit=True) as own:
                register_vector(own)
                for _ in range(15):
                    put_texts(own, source.id, f"{worker}.md", [sentence_of(generator) for _ in range(4)])

        def tidy(_: int) -> None:
            with psycopg.connect(database, autocommit=True) as own:
                for _ in range(15):
                    compact(own)

        with ThreadPoolExecutor(5) as threads:
            jobs = [threads.submit(write, worker) for worker in range(4)] + [threads.submit(tidy, 0)]
            for job in jobs:
                job.result(timeout=60)
        assert counted(conn) == there(conn)
        assert sum(counted(conn)[0].values()) > 0
