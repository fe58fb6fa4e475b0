"""A new embedding model: built beside the old one, switched to at once, gone back from, and never with a hole."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.embedders import Embedders
from retrieval.embedding import Embedder, Vectors
from retrieval.indexing.building import BeingBuilt, BuildProgress, NotBuilt, build, drop, models, previous, switch
from retrieval.indexing.index import index_sources
from retrieval.indexing.models import WrongModel, active_model
from retrieval.indexing.sources import list_sources, register_sources
from retrieval.indexing.verified import prepare, put_verified
from retrieval.searching.search import search

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


def switch_while_embedding(
    conn: Connection[Any], embedders: Embedders, then: Callable[[Connection[Any]], None] = lambda _: None
) -> None:
    """The next time that the small model embeds, the large one is switched to before it is done."""
    small = embedders.named(SMALL)
    assert isinstance(small, Hashing)
    embed = small.embed

    def switch_first(texts: Sequence[str]) -> Vectors:
        small.embed = embed  # type: ignore[method-assign]
        with psycopg.connect(conn.info.dsn, autocommit=True) as other:
            switch(other, embedders.named(LARGE))
            then(other)
        return embed(texts)

    small.embed = switch_first  # type: ignore[method-assign]


def holes(conn: Connection[Any]) -> int:
    """Chunks that the active model does not have all vectors of."""
    return int((conn.execute(HOLES).fetchone() or (0,))[0])


def test_first_model_is_the_setting(indexed: Connection[Any], embedders: Embedders) -> None:
    """An empty index takes the model that the settings name."""
    assert [(model.name, model.state, model.share) for model in models(indexed)] == [(SMALL, "active", 1.0)]


def test_switch_searches_with_the_new_model(indexed: Connection[Any], embedders: Embedders) -> None:
    """Of other dimensions; the old vectors stay, the new ones are made of the stored text, and progress is told."""
    told: list[BuildProgress] = []
    switch(indexed, embedders.named(LARGE), told.append)
    assert embedders.name == LARGE
    assert found(indexed, embedders, words(7)) == "07.md"
    assert [(model.name, model.state, model.share) for model in models(indexed)] == [
        (LARGE, "active", 1.0),
        (SMALL, "retired", 1.0),
    ]
    assert [step.done for step in told] == [0, 20, 30]
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

    def die(progress: BuildProgress) -> None:
        if progress.made:
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

    def change(progress: BuildProgress) -> None:
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


def test_index_run_follows_a_switch(indexed: Connection[Any], embedders: Embedders, folder: Path) -> None:
    """What it had embedded for the old model is embedded for the new one, and nothing is without its vectors."""
    for number in range(3):
        (folder / f"new{number}.md").write_text(text_about(100 + number))
    switch_while_embedding(indexed, embedders)
    index(indexed, embedders, folder)
    assert embedders.name == LARGE
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(101)) == "new1.md"
    assert index_sources(indexed, embedders, list_sources(indexed), max_bytes=1_000_000).documents["unchanged"] == 33


def test_index_run_without_the_new_model_stops(indexed: Connection[Any], embedders: Embedders, folder: Path) -> None:
    """Where the process has one embedder alone: the document stays as it was, and the next run goes on."""
    (folder / "07.md").write_text("# Pump 7\n\nAnother text.\n")
    switch_while_embedding(indexed, embedders)
    with pytest.raises(WrongModel):
        index(indexed, embedders.named(SMALL), folder)
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(7)) == "07.md"


def test_question_is_embedded_again_if_the_model_changes_meanwhile(
    indexed: Connection[Any], embedders: Embedders
) -> None:
    """Its vector is never compared with another model's, also when the old one is dropped at that moment."""
    switch_while_embedding(indexed, embedders, then=lambda other: drop(other, SMALL))
    assert found(indexed, embedders, words(7)) == "07.md"
    large = embedders.named(LARGE)
    assert isinstance(large, Hashing)
    assert large.embedded[-1] == words(7)


def test_verified_answer_is_embedded_again_if_the_model_changes_meanwhile(
    indexed: Connection[Any], embedders: Embedders
) -> None:
    """Storing one that was prepared for the old model is refused, so that it can be prepared anew."""
    ready = prepare(embedders, f"What is {words(60)}?", f"That is {words(61)}.")
    switch(indexed, embedders.named(LARGE))
    when = datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(WrongModel):
        put_verified(indexed, ready, collection="default", name="a", verified_at=when)
    ready = prepare(embedders, f"What is {words(60)}?", f"That is {words(61)}.")
    put_verified(indexed, ready, collection="default", name="a", verified_at=when)
    assert holes(indexed) == 0
    assert found(indexed, embedders, words(60)) == "a"


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


def test_one_process_builds_at_a_time(indexed: Connection[Any], embedders: Embedders) -> None:
    """Another one is told so, and whoever looks sees that it is worked on."""
    seen: list[bool] = []

    def look(progress: BuildProgress) -> None:
        with psycopg.connect(indexed.info.dsn, autocommit=True) as other:
            seen.append(models(other)[1].is_worked_on)
            for work in (build, switch):
                with pytest.raises(BeingBuilt, match="large is being built by another process"):
                    work(other, embedders.named(LARGE))
            with pytest.raises(BeingBuilt):
                drop(other, LARGE)

    build(indexed, embedders.named(LARGE), look)
    assert seen
    assert all(seen)
    assert not models(indexed)[1].is_worked_on


def test_progress_tells_pace_and_time_left() -> None:
    """From what this build made, and not from what was there before it."""
    progress = BuildProgress(done=60, total=100, made=20, embedded=100, seconds=10.0)
    assert progress.texts_per_second == 10
    assert progress.seconds_left == 20
    assert BuildProgress(40, 100, 0, 0, 0.0).seconds_left is None


def test_large_document_is_built_in_parts(indexed: Connection[Any], embedders: Embedders, folder: Path) -> None:
    """Progress is told and vectors are kept before all of it is embedded."""
    (folder / "large.md").write_text("".join(f"# Part {n}\n\nPart {n} says {n}.\n\n" for n in range(400)))
    index(indexed, embedders, folder)
    embedded: list[int] = []

    def stop(progress: BuildProgress) -> None:
        embedded.append(progress.embedded)
        if progress.embedded > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(indexed, embedders.named(LARGE), stop)
    kept = indexed.execute("SELECT count(*) FROM embedding WHERE model = 'large'").fetchone() or (0,)
    assert embedded[-1] == kept[0] < 900


def test_index_that_a_killed_build_has_left_is_built_anew(indexed: Connection[Any], embedders: Embedders) -> None:
    """Postgres keeps an index whose building ended half-way, and does not use it."""
    model = build(indexed, embedders.named(LARGE))
    name = model.index.as_string(None)
    indexed.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [name])
    build(indexed, embedders.named(LARGE))
    valid = indexed.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name]).fetchone()
    assert valid == (True,)


def test_documents_change_while_the_index_of_vectors_is_built(
    indexed: Connection[Any], embedders: Embedders, folder: Path
) -> None:
    """A new model's vectors go with their chunks although it is not searched with yet; that waits for nothing."""
    build(indexed, embedders.named(LARGE))
    (folder / "00.md").unlink()
    index(indexed, embedders, folder)
    assert [model.built for model in models(indexed)] == [29, 29]


BUILDER = """
import sys, time
import psycopg
from pgvector.psycopg import register_vector
from retrieval.indexing.building import build
from tests.retrieval.indexing.test_building import Hashing

class Slow(Hashing):
    def embed(self, texts):
        time.sleep(0.2)
        return super().embed(texts)

with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    build(conn, Slow("large", 1024), lambda progress: print(progress.done, flush=True))
"""


def test_build_survives_kill(indexed: Connection[Any], embedders: Embedders, folder: Path) -> None:
    """A process that is killed with -9 in the middle leaves what it made, and no lock; the next one does the rest."""
    for number in range(30, 60):
        (folder / f"{number:02}.md").write_text(text_about(number))
    index(indexed, embedders, folder)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, indexed.info.dsn], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while (line := process.stdout.readline()) and int(line) == 0:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 60
    while models(indexed)[1].is_worked_on:  # until Postgres notices that its client is gone
        assert time.monotonic() < until
        time.sleep(0.05)
    made = models(indexed)[1].built
    assert 0 < made < 60
    large = embedders.named(LARGE)
    assert isinstance(large, Hashing)
    switch(indexed, large)
    assert holes(indexed) == 0
    assert models(indexed)[0].built == 60
    assert len(large.embedded) < 3 * 60  # a passage and two sentences a document, and not all of them again
