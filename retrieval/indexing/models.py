"""Embedding models in Postgres: their rows, and the tables that hold their vectors.

Each model's vectors stand in partitions of their own, chunk_vector_<id> and sentence_vector_<id>, so that a new model
is built beside the one that questions are embedded with, and an old one is dropped at once.
"""

from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.rows import class_row

from jobs import locks

FITTED = "all-MiniLM-L6-v2"
"""The model that the weights of search were fitted with."""
COSINES = {FITTED: (0.18, 0.12), "multilingual-e5-small": (0.83, 0.0245)}
"""Mean and spread (standard deviation) of a model's cosines between random passages, in collections like theirs."""
LEAST_MEASURED, GROWTH = 200, 4
"""The cosines of another model are measured when there are so many chunks, and again when there are so many times more.
"""

MOST_DIMENSIONS = 4000
"""Dimensions that a halfvec may have in an HNSW index of pgvector."""

_LOCK = "SELECT pg_advisory_xact_lock(%(lock)s)"
_HOLD = "SELECT pg_advisory_xact_lock_shared(%(lock)s)"
_COLUMNS = "id, name, dimensions, state, cosine_mean, cosine_spread"
_NAMED = f"SELECT {_COLUMNS} FROM embedding_model WHERE name = %(name)s"  # noqa: S608
_ACTIVE = f"SELECT {_COLUMNS} FROM embedding_model WHERE state = 'active'"  # noqa: S608
_ADD = f"""
INSERT INTO embedding_model (name, dimensions, state)
VALUES (%(name)s, %(dimensions)s, CASE WHEN EXISTS (SELECT FROM embedding_model) THEN 'building' ELSE 'active' END)
RETURNING {_COLUMNS}
"""  # noqa: S608
# Made alone and attached then: that waits for no search and no swap, as CREATE TABLE … PARTITION OF would.
_CREATE = "CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL)"
_ATTACH = "ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES IN ({id})"
# With 200 in place of 400, a search of a million has to look at a third more to find as many of the nearest.
_INDEX = """
CREATE INDEX {concurrently} IF NOT EXISTS {index} ON {partition}
USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = 24, ef_construction = 400)
"""
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%(index)s)"
# A graph that fits into this memory is built several times as fast. A node holds its vector and about 50 links.
_MEMORY = """
SELECT set_config('maintenance_work_mem',
    least(1048576, greatest(65536, (SELECT count(*) FROM {partition}) * (2 * {dimensions} + 1000) / 1024))::text, false)
"""
# Every pair out of 128 chunks: in the order of a hash, so that they are a sample and the same one every time.
_MEASURE = """
WITH extent AS (
    SELECT coalesce(sum(chunks), 0) AS chunks FROM chunk_count
), sample AS (
    SELECT row_number() OVER (ORDER BY md5(chunk_id::text)) AS place, vector
    FROM {chunk_vectors} ORDER BY place LIMIT 128
), pair AS (
    SELECT 1 - (a.vector <=> b.vector) AS cosine FROM sample a JOIN sample b ON a.place < b.place
)
UPDATE embedding_model
SET cosine_mean = (SELECT avg(cosine) FROM pair), measured_over = extent.chunks,
    cosine_spread = (SELECT nullif(stddev_samp(cosine), 0) FROM pair)
FROM extent
WHERE id = %(model)s AND extent.chunks >= greatest(%(least)s, %(growth)s * coalesce(measured_over, 0))
"""


class WrongModel(ValueError):
    """The index holds the vectors of another embedding model; the message says which."""


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model whose vectors the database keeps."""

    id: int
    name: str
    dimensions: int
    state: Literal["building", "active", "retired"]
    cosine_mean: float | None = None
    cosine_spread: float | None = None

    @property
    def cosine_line(self) -> tuple[float, float]:
        """Slope and offset that bring this model's cosines to the scale of the model that search was fitted with."""
        fitted_mean, fitted_spread = COSINES[FITTED]
        mean, spread = COSINES.get(self.name, (self.cosine_mean, self.cosine_spread))
        if mean is None or spread is None:
            return 1.0, 0.0
        slope = fitted_spread / spread
        return slope, fitted_mean - slope * mean

    @property
    def chunk_vectors(self) -> sql.Identifier:
        """The table of its chunks' vectors."""
        return sql.Identifier(f"chunk_vector_{self.id}")

    @property
    def sentence_vectors(self) -> sql.Identifier:
        """The table of its sentences' vectors."""
        return sql.Identifier(f"sentence_vector_{self.id}")

    @property
    def index(self) -> sql.Identifier:
        """The HNSW index of its chunks' vectors."""
        return sql.Identifier(f"chunk_vector_{self.id}_hnsw")

    @property
    def vector(self) -> sql.Composed:
        """The column `vector` of these tables as the HNSW index knows it."""
        return sql.SQL("vector::halfvec({})").format(sql.Literal(self.dimensions))


def active_model(conn: Connection[Any]) -> Model | None:
    """The model that questions are embedded with; None before anything was indexed."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(_ACTIVE).fetchone()


def model_named(conn: Connection[Any], name: str) -> Model | None:
    """The model of this name, if its vectors are kept."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(_NAMED, {"name": name}).fetchone()


def require_active(conn: Connection[Any], name: str, dimensions: int) -> Model:
    """The active model, which is the first that comes. Raises WrongModel if it is not this one."""
    with conn.transaction():
        model = active_model(conn) or prepare_model(conn, name, dimensions)
    check_model(model, name, dimensions)
    return model


def hold_active(conn: Connection[Any], model: Model) -> None:
    """Keeps the model active until the transaction ends. Raises WrongModel if it is not."""
    conn.execute(_HOLD, {"lock": locks.SWITCH})
    active = active_model(conn)
    if active is None or active.id != model.id:
        raise WrongModel(f"The index was switched from {model.name} to another embedding model: start again.")


def writers_wait(conn: Connection[Any]) -> None:
    """Waits until nobody writes vectors of the active model, and lets nobody do so until the transaction ends."""
    conn.execute(_LOCK, {"lock": locks.SWITCH})


def searches_wait(conn: Connection[Any]) -> None:
    """Waits until nobody searches, and lets nobody do so until the transaction ends, which it must do at once."""
    conn.execute(_LOCK, {"lock": locks.SEARCH})


def check_model(model: Model, name: str, dimensions: int) -> None:
    """Raises WrongModel if the model is not the one of this name and these dimensions."""
    if (model.name, model.dimensions) != (name, dimensions):
        raise WrongModel(
            f"The index is searched with vectors of {model.name} ({model.dimensions} dimensions), "
            f"and these are of {name} ({dimensions})."
        )


def prepare_model(conn: Connection[Any], name: str, dimensions: int) -> Model:
    """The model's row and empty tables, made if they are missing. The first model is the active one, and has its index.

    Raises WrongModel if the model is known with other dimensions, or has too many.
    """
    if dimensions > MOST_DIMENSIONS:
        raise WrongModel(
            f"{name} has {dimensions} dimensions, and at most {MOST_DIMENSIONS} can be searched: "
            "ask for fewer with @DIMENSIONS behind its name, if the model bears that."
        )
    with conn.transaction(), conn.cursor(row_factory=class_row(Model)) as cursor:
        values = {"name": name, "dimensions": dimensions}
        model = cursor.execute(_NAMED, values).fetchone()
        if model is None:
            conn.execute(_LOCK, {"lock": locks.MODEL})
            model = cursor.execute(_NAMED, values).fetchone() or _added(conn, name, dimensions)
    if model.dimensions != dimensions:
        raise WrongModel(f"{name} has {model.dimensions} dimensions in the index, not {dimensions}.")
    return model


def _added(conn: Connection[Any], name: str, dimensions: int) -> Model:
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        model = cursor.execute(_ADD, {"name": name, "dimensions": dimensions}).fetchone()
    if model is None:
        raise RuntimeError("a model that was just stored is not there")
    for parent, partition in (("chunk_vector", model.chunk_vectors), ("sentence_vector", model.sentence_vectors)):
        names = {"parent": sql.Identifier(parent), "partition": partition, "id": sql.Literal(model.id)}
        conn.execute(sql.SQL(_CREATE).format(**names))
        conn.execute(sql.SQL(_ATTACH).format(**names))
    if model.state == "active":
        index_vectors(conn, model)  # else once it is full, which takes a fraction of the time
    return model


def index_vectors(conn: Connection[Any], model: Model) -> None:
    """Builds the HNSW index of a model's chunks if there is none; writers of this model wait for it."""
    conn.execute(_index_statement(model, sql.SQL("")))


def index_vectors_beside(conn: Connection[Any], model: Model) -> None:
    """Builds the HNSW index of a model's chunks while others write and search. `conn` is in autocommit mode. What a
    build that was killed has left is built anew.
    """
    index = model.index.as_string(None)
    validity = conn.execute(_IS_VALID, {"index": index}).fetchone()
    if validity == (True,):
        return
    if validity is not None:
        conn.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(model.index))
    conn.execute(sql.SQL(_MEMORY).format(partition=model.chunk_vectors, dimensions=sql.Literal(model.dimensions)))
    try:
        conn.execute(_index_statement(model, sql.SQL("CONCURRENTLY")))
    finally:
        if not conn.closed:
            conn.execute("RESET maintenance_work_mem")


def _index_statement(model: Model, concurrently: sql.SQL) -> sql.Composed:
    return sql.SQL(_INDEX).format(
        concurrently=concurrently,
        index=model.index,
        partition=model.chunk_vectors,
        dimensions=sql.Literal(model.dimensions),
    )


def measure_cosines(conn: Connection[Any], model: Model) -> None:
    """Notes how this model's cosines are spread over the index, if it holds chunks enough and many more than before."""
    if model.name in COSINES:
        return
    statement = sql.SQL(_MEASURE).format(chunk_vectors=model.chunk_vectors)
    with conn.transaction():
        conn.execute(statement, {"model": model.id, "least": LEAST_MEASURED, "growth": GROWTH})
