"""Embedding models in Postgres: their rows, and the tables that hold their vectors.

Each model's vectors stand in partitions of their own, chunk_vector_<id> and sentence_vector_<id>, so that a new model
is built beside the one that questions are embedded with, and an old one is dropped at once.
"""

from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.rows import class_row

_LOCK = "SELECT pg_advisory_xact_lock(%(lock)s)"
_LOCK_KEY = 0x656D626564  # "embed"
_COLUMNS = "id, name, dimensions, state"
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
_INDEX = """
CREATE INDEX IF NOT EXISTS {index} ON {partition} USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops)
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

    @property
    def chunk_vectors(self) -> sql.Identifier:
        """The table of its chunks' vectors."""
        return sql.Identifier(f"chunk_vector_{self.id}")

    @property
    def sentence_vectors(self) -> sql.Identifier:
        """The table of its sentences' vectors."""
        return sql.Identifier(f"sentence_vector_{self.id}")

    @property
    def vector(self) -> sql.Composed:
        """The column `vector` of these tables as the HNSW index knows it."""
        return sql.SQL("vector::halfvec({})").format(sql.Literal(self.dimensions))


def active_model(conn: Connection[Any]) -> Model | None:
    """The model that questions are embedded with; None before anything was indexed."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(_ACTIVE).fetchone()


def require_active(conn: Connection[Any], name: str, dimensions: int) -> Model:
    """The active model, which is the first that comes. Raises WrongModel if it is not this one."""
    with conn.transaction():
        model = active_model(conn) or prepare_model(conn, name, dimensions)
    check_model(model, name, dimensions)
    return model


def check_model(model: Model, name: str, dimensions: int) -> None:
    """Raises WrongModel if the model is not the one of this name and these dimensions."""
    if (model.name, model.dimensions) != (name, dimensions):
        raise WrongModel(
            f"The index is searched with vectors of {model.name} ({model.dimensions} dimensions), "
            f"and these are of {name} ({dimensions})."
        )


def prepare_model(conn: Connection[Any], name: str, dimensions: int) -> Model:
    """The model's row and empty tables with their index, made if they are missing. The first model is the active one.

    Raises WrongModel if the model is known with other dimensions.
    """
    with conn.transaction(), conn.cursor(row_factory=class_row(Model)) as cursor:
        values = {"name": name, "dimensions": dimensions}
        model = cursor.execute(_NAMED, values).fetchone()
        if model is None:
            conn.execute(_LOCK, {"lock": _LOCK_KEY})
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
    index_vectors(conn, model)
    return model


def index_vectors(conn: Connection[Any], model: Model) -> None:
    """Builds the HNSW index of a model's chunks if there is none; writers of this model wait for it."""
    conn.execute(
        sql.SQL(_INDEX).format(
            index=sql.Identifier(f"chunk_vector_{model.id}_hnsw"),
            partition=model.chunk_vectors,
            dimensions=sql.Literal(model.dimensions),
        )
    )
