"""Embedding models on the real Postgres: which is active, and that each has tables of its own."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import Connection

from retrieval.indexing.models import Model, WrongModel, active_model, index_vectors, prepare_model, require_active


def test_the_first_model_is_the_active_one(conn: Connection) -> None:
    """Whatever comes later is built beside it."""
    assert active_model(conn) is None
    first = require_active(conn, "first", 3)
    second = prepare_model(conn, "second", 4)
    assert (first.state, second.state) == ("active", "building")
    assert active_model(conn) == first


def test_preparing_twice_changes_nothing(conn: Connection) -> None:
    """It is known by its name, which stands for one number of dimensions."""
    model = prepare_model(conn, "BAAI/bge-small-en-v1.5; a name with ' and \" in it", 384)
    assert prepare_model(conn, model.name, 384) == model
    with pytest.raises(WrongModel, match="has 384 dimensions in the index, not 512"):
        prepare_model(conn, model.name, 512)


def test_only_one_model_can_be_active(conn: Connection) -> None:
    """The database holds it, whoever writes."""
    prepare_model(conn, "first", 3)
    prepare_model(conn, "second", 3)
    with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
        conn.execute("UPDATE embedding_model SET state = 'active'")


def test_another_model_than_the_active_one_is_refused(conn: Connection) -> None:
    """Distances between vectors of two models mean nothing."""
    require_active(conn, "first", 3)
    with pytest.raises(WrongModel, match=r"vectors of first \(3 dimensions\), and these are of second \(4"):
        require_active(conn, "second", 4)
    assert prepare_model(conn, "second", 4).state == "building"


@pytest.mark.parametrize("dimensions", [3, 1536, 4000])
def test_each_has_tables_and_an_index_of_its_dimensions(conn: Connection, dimensions: int) -> None:
    """The index is used for the expression that `Model.vector` gives."""
    prepare_model(conn, "other", 5)
    model = prepare_model(conn, "model", dimensions)
    index_vectors(conn, model)  # the first one has it from the start
    conn.execute("SET LOCAL enable_seqscan = off")
    plan = conn.execute(
        psycopg.sql.SQL("EXPLAIN SELECT chunk_id FROM {} ORDER BY {} <=> %s::halfvec LIMIT 1").format(
            model.chunk_vectors, model.vector
        ),
        [str([1] * dimensions)],
    ).fetchall()
    assert f"chunk_vector_{model.id}_hnsw" in str(plan)


def test_a_model_too_large_for_the_index_is_refused(conn: Connection) -> None:
    """HNSW takes at most 4,000 dimensions of half precision."""
    with pytest.raises(WrongModel, match="large has 4001 dimensions, and at most 4000"):
        prepare_model(conn, "large", 4001)


def test_processes_that_start_at_once_make_it_once(database: str) -> None:
    """The first index run of several workers."""

    def prepare(_: int) -> Model:
        with psycopg.connect(database) as conn:
            return require_active(conn, "model", 3)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(prepare, range(4)))) == 1
