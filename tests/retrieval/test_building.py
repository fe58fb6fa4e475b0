"""A new embedding model: built beside the old one, switched to at once, gone back from, and never with a hole."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.building import NotBuilt, Progress, build, drop, models, previous, switch
from retrieval.embedders import Embedders
from retrieval.embedding import Embedder, Vectors
from retrieval.index import index_sources, register_sources
from retrieval.models import WrongModel, active_model
from retrieval.search import search
from retrieval.verified import prepare, put_verified

HOLES = """
SELECT count(*) FROM chunk c, embedding_model m WHERE m.state = 'active' AND (
    NOT EXISTS (SELECT FROM chunk_vector v WHERE v.chunk_id = c.id AND v.model_id = m.id)
    OR (SELECT count(*) FROM sentence s WHERE s.chunk_id = c.id)
       <> (SELECT count(*) FROM sentence_vector v WHERE v.chunk_id = c.id AND v.model_id = m.id))
"""


class Hashing:
    """Vectors of words, by their hashes: texts that share words are near each other. Notes what it embeds."""

    def __init__(self, name: str, dimensions: int) -> None:
        self.name, self.dimensions = name, dimensions
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        vectors = np.full((len(texts), self.dimensions), 0.01, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                place = int.from_bytes(hashlib.sha256((self.name + word).encode()).digest()[:4])
                vectors[row, place % self.dimensions] += 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


SMALL, LARGE = "small", "large"


def words(number: int) -> str:
    """Words that no other document has."""
    return " ".join(hashlib.sha256(f"{number} {place}".encode()).hexdigest()[:9] for place in range(4))


def text_about(number: int) -> str:
    """A document with a section that holds such words."""
    return f"# Pump\n\nThis one is {words(number)}. It is blue.\n"


@pytest.fixture
def embedders(database: str) -> Embedders:
    """Two models of different dimensions, of which the database says which is active."""

    def active() -> str | None:
        with psycopg.connect(database, autocommit=True) as conn:
            model = active_model(conn)
        return model.name if model else None

    made: dict[str, Embedder] = {SMALL: Hashing(SMALL, 64), LARGE: Hashing(LARGE, 1024)}
    return Embedders(made.__getitem__, active, first=SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty documents, more than are embedded together."""
    for number in range(30):
        (tmp_path / f"{number:02}.md").write_text(text_about(number))
    return tmp_path


@pytest.fixture
def indexed(database: str, folder: Path, embedders: Embedders) -> Connection[Any]:
    """The documents, with the small model."""
    conn = psycopg.connect(database, autocommit=True)
    register_vector(conn)
    index(conn, embedders, folder)
    return conn


def index(conn: Connection[Any], embedders: Embedder, folder: Path) -> None:
    """Brings the index up to date."""
    report = index_sources(conn, embedders, register_sources(conn, [folder]), max_bytes=1_000_000)
    assert not report.failures


def found(conn: Connection[Any], embedders: Embedders, question: str) -> str:
    """The document that is found first."""
    return search(conn, embedders, question)[0].document


def holes(conn: Connection[Any]) -> int:
    """Chunks that the active model does not have all vectors of."""
    return int((conn.execute(HOLES).fetchone() or (0,))[0])


def test_first_model_is_the_setting(indexed: Connection[Any], embedders: Embedders) -> None:
    """An empty index takes the model that the settings name."""
    assert [(model.name, model.state, model.share) for model in models(indexed)] == [(SMALL, "active", 1.0)]


def test_switch_searches_with_the_new_model(indexed: Connection[Any], embedders: Embedders) -> None:
    """Of other dimensions; the old vectors stay, the new ones are made of the stored text, and progress is told."""
    told: list[Progress] = []
    switch(indexed, embedders.named(LARGE), told.append)
    assert embedders.name == LARGE
    assert found(indexed, embedders, words(7)) == "07.md"
    assert [(model.name, model.state, model.share) for model in models(indexed)] == [
        (LARGE, "active", 1.0),
        (SMALL, "retired", 1.0),
    ]
    assert [step.done for step in told] == [20, 30]
    assert told[-1].total == 30
    assert holes(indexed) == 0


def test_nothing_is_searched_with_a_model_that_is_being_built(indexed: Connection[Any], embedders: Embedders) -> None:
    """Building changes nothing for those who ask."""
    build(indexed, embedders.named(LARGE))
    assert embedders.name == SMALL
    assert found(indexed, embedders, words(7)) == "07.md"


def test_killed_build_goes_on_where_it_was(indexed: Connection[Any], embedders: Embedders) -> None:
    """What was embedded before is not embedded again."""
    large = embedders.named(LARGE)
    assert isinstance(large, Hashing)

    def die(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(indexed, large, die)
    before = len(large.embedded)
    assert 0 < models(indexed)[1].share < 1
    switch(indexed, large)
    assert len(large.embedded) == len(set(large.embedded))
    assert len(large.embedded) > before
    assert holes(indexed) == 0


def test_what_is_indexed_meanwhile_is_caught_up_with(
    indexed: Connection[Any], embedders: Embedders, folder: Path
) -> None:
    """A document that is new, changed or removed while the model is built is so in the new model, too."""

    def change(progress: Progress) -> None:
        if progress.done == 20:
            (folder / "00.md").write_text(text_about(0).replace("blue", "red"))
            (folder / "30.md").write_text(text_about(30))
            (folder / "29.md").unlink()
            with psycopg.connect(indexed.info.dsn, autocommit=True) as other:
                index(other, embedders, folder)

    switch(indexed, embedders.named(LARGE), change)
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(30)) == "30.md"
    assert "red" in search(indexed, embedders, words(0))[0].text
    assert indexed.execute("SELECT count(*) FROM document").fetchone() == (30,)


def test_index_run_that_began_before_the_switch_leaves_no_hole(
    indexed: Connection[Any], embedders: Embedders, folder: Path
) -> None:
    """It was made for the old model: it stops, and the next one goes on."""
    (folder / "new.md").write_text(text_about(50))
    small = embedders.named(SMALL)
    assert isinstance(small, Hashing)
    embed = small.embed

    def switch_first(texts: Sequence[str]) -> Vectors:
        vectors = embed(texts)
        with psycopg.connect(indexed.info.dsn, autocommit=True) as other:
            switch(other, embedders.named(LARGE))
        return vectors

    small.embed = switch_first  # type: ignore[method-assign]
    with pytest.raises(WrongModel):
        index(indexed, embedders, folder)
    small.embed = embed  # type: ignore[method-assign]
    assert holes(indexed) == 0
    index(indexed, embedders, folder)
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(50)) == "new.md"


def test_rollback_catches_up(indexed: Connection[Any], embedders: Embedders, folder: Path) -> None:
    """Back to the model before, with what was indexed since, verified answers among it."""
    switch(indexed, embedders.named(LARGE))
    (folder / "40.md").write_text(text_about(40))
    index(indexed, embedders, folder)
    ready = prepare(embedders, f"What is {words(60)}?", f"That is {words(61)}.")
    put_verified(
        indexed,
        ready,
        collection="default",
        name="a",
        verified_at=indexed.execute("SELECT now()").fetchone()[0],  # type: ignore[index]
    )
    switch(indexed, embedders.named(previous(indexed)))
    assert embedders.name == SMALL
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(40)) == "40.md"
    assert found(indexed, embedders, words(60)) == "a"


def test_searches_see_one_model_or_the_other(indexed: Connection[Any], embedders: Embedders) -> None:
    """Questions that are asked all through a switch and back are all answered."""
    failed: list[BaseException] = []
    answered = 0
    ended = threading.Event()

    def ask() -> None:
        nonlocal answered
        with psycopg.connect(indexed.info.dsn, autocommit=True) as conn:
            while not ended.is_set():
                try:
                    assert found(conn, embedders, words(7)) == "07.md"
                    answered += 1
                except BaseException as error:  # noqa: BLE001 - told to the test
                    failed.append(error)
                    return

    asking = threading.Thread(target=ask)
    asking.start()
    for name in (LARGE, SMALL) * 3:
        switch(indexed, embedders.named(name))
    ended.set()
    asking.join()
    assert failed == []
    assert answered > 0


def test_dropping_a_model(indexed: Connection[Any], embedders: Embedders) -> None:
    """All of its vectors go; the active one cannot be dropped, nor one that is not there."""
    switch(indexed, embedders.named(LARGE))
    with pytest.raises(NotBuilt, match="searched with"):
        drop(indexed, LARGE)
    drop(indexed, SMALL)
    assert [model.name for model in models(indexed)] == [LARGE]
    assert indexed.execute("SELECT DISTINCT model FROM embedding").fetchall() == [(LARGE,)]
    with pytest.raises(NotBuilt, match="no embedding model named small"):
        drop(indexed, SMALL)
    with pytest.raises(NotBuilt, match="no earlier"):
        previous(indexed)
    switch(indexed, embedders.named(SMALL))
    assert found(indexed, embedders, words(7)) == "07.md"
