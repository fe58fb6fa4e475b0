"""Sources to the index: what a run embeds, replaces, keeps and reports."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import Connection

from jobs.progress import Progress
from retrieval.embedding import MiniLM, Vectors
from retrieval.indexing.attempts import begin_attempts, documents_set_aside
from retrieval.indexing.batch import HARMLESS
from retrieval.indexing.index import index_sources
from retrieval.indexing.models import WrongModel
from retrieval.indexing.pending import raw_hash
from retrieval.indexing.sources import MissingPath, list_sources, register_sources, remove_source
from retrieval.indexing.tally import Extent, IndexReport
from retrieval.loading import ParsedDocument, load

LIMIT = 1_000_000
OIL = "Use the hydraulic oil HV 46 and no other, and look at its level every day before the shift."
SEAL = "Replace the seal SK-17 once a year, or as soon as there is oil on the floor below the rotor."


class HashEmbedder:
    """Unit vectors made of the texts' hashes. `texts` is what it was asked to embed; it fails at text `fail_at`."""

    name = "hash"
    dimensions = 384

    def __init__(self, fail_at: int | None = None, delay: float = 0.0) -> None:
        self.texts: list[str] = []
        self.fail_at = fail_at
        self.delay = delay

    def embed(self, texts: Sequence[str]) -> Vectors:
        time.sleep(self.delay)
        self.texts += texts
        if self.fail_at is not None and len(self.texts) >= self.fail_at:
            raise RuntimeError("the embedder was killed")
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        vectors = np.array([np.random.default_rng(seed).standard_normal(self.dimensions) for seed in seeds])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class OtherEmbedder(HashEmbedder):
    name = "other"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source of three documents."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(f"# Pump\n\n## Oil\n\n{OIL}\n\n## Seal\n\n{SEAL}\n")
    (docs / "rules.txt").write_text("Nobody works alone at night.\n")
    (docs / "codes.csv").write_text("Code,Meaning\nE1,Too hot\nE2,Too cold\n")
    return docs


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


Index = Callable[..., IndexReport]


@pytest.fixture
def index(conn: Connection, folder: Path, embedder: HashEmbedder) -> Index:
    """Indexes the folder once more."""

    def run(using: HashEmbedder = embedder, limit: int = LIMIT) -> IndexReport:
        sources = [source for source in list_sources(conn) if source.uri == str(folder)]
        sources = sources or register_sources(conn, [folder])
        return index_sources(conn, using, sources, max_bytes=limit)

    return run


def counts(report: IndexReport) -> dict[str, int]:
    return {name: number for name, number in {**report.documents, **report.chunks}.items() if number}


def texts(conn: Connection, name: str) -> list[str]:
    rows = conn.execute(
        "SELECT c.text FROM chunk c JOIN document d ON d.id = c.document_id WHERE d.name = %s ORDER BY c.ordinal",
        [name],
    )
    return [text for (text,) in rows]


def ids(conn: Connection) -> set[int]:
    return {chunk for (chunk,) in conn.execute("SELECT id FROM chunk")}


def test_first_run_writes_documents_and_chunks(conn: Connection, index: Index) -> None:
    """Each chunk is written with its place, heading, hash and vector, and the report counts them."""
    assert counts(index()) == {"new": 3, "embedded": 5}
    rows = conn.execute(
        "SELECT d.name, d.title, c.ordinal, c.kind, c.heading, c.text, m.name, vector_dims(v.vector::vector)"
        " FROM chunk c JOIN document d ON d.id = c.document_id JOIN chunk_vector v ON v.chunk_id = c.id"
        " JOIN embedding_model m ON m.id = v.model_id ORDER BY d.name, c.ordinal"
    ).fetchall()
    assert rows == [
        ("codes.csv", "Codes", 0, "row", [], "Code: E1\nMeaning: Too hot", "hash", 384),
        ("codes.csv", "Codes", 1, "row", [], "Code: E2\nMeaning: Too cold", "hash", 384),
        ("pump.md", "Pump", 0, "text", ["Oil"], OIL, "hash", 384),
        ("pump.md", "Pump", 1, "text", ["Seal"], SEAL, "hash", 384),
        ("rules.txt", "Rules", 0, "text", [], "Nobody works alone at night.", "hash", 384),
    ]
    assert all(source.scanned_at for source in list_sources(conn))


def test_lexemes_hold_words_and_identifiers(conn: Connection, folder: Path, index: Index) -> None:
    """Words are stemmed in the document's language, identifiers stay as written; the length counts both."""
    (folder / "pump.md").write_text("# Pump\n\n## Setting $110\n\nReplacing seals SK-17 on G38.2\n")
    index()
    (found, length) = conn.execute(
        "SELECT c.lexemes @@ '''$110'' & ''sk-17'' & ''g38.2'' & ''replac'' & ''seal'' & ''set'''::tsquery, c.length"
        " FROM chunk c JOIN document d ON d.id = c.document_id WHERE d.name = 'pump.md'"
    ).fetchone() or (None, None)
    assert found
    assert length >= 8


def test_unchanged_files_cost_no_embedding(index: Index, embedder: HashEmbedder, folder: Path) -> None:
    """A second run reads and embeds nothing, even if a file was touched."""
    first = index()
    embedder.texts.clear()
    (folder / "pump.md").touch()
    report = index()
    assert embedder.texts == []
    assert report.documents["unchanged"] == 3
    assert report.chunks == {"embedded": 0, "reused": first.chunks["embedded"], "removed": 0}


def test_one_changed_paragraph_embeds_one_chunk(conn: Connection, folder: Path, index: Index) -> None:
    """Only the chunk of the paragraph is new, all others keep their rows."""
    long = "The drum of conveyor {} turns on two bearings that are greased with four strokes every two weeks, not more."
    sections = [f"## Part {i}\n\n{long.format(i)}" for i in range(30)]
    (folder / "long.md").write_text("# Long\n\n" + "\n\n".join(sections))
    index()
    before = ids(conn)
    sections[11] = sections[11].replace("four strokes", "five strokes")
    (folder / "long.md").write_text("# Long\n\n" + "\n\n".join(sections))
    assert counts(index()) == {"changed": 1, "unchanged": 3, "embedded": 1, "reused": len(before) - 1, "removed": 1}
    assert len(before & ids(conn)) == len(before) - 1


def test_insert_at_the_top_of_1000_sections_embeds_three_chunks_at_most(
    conn: Connection, folder: Path, index: Index, embedder: HashEmbedder
) -> None:
    """What moves down keeps its vector, and its row with a new place."""
    sections = "".join(
        f"## Section {i}\n\nThe valve {i} is to be opened by hand, slowly, {i} times.\n\n" for i in range(1000)
    )
    (folder / "long.md").write_text(f"# Long\n\n{sections}")
    index()
    embedder.texts.clear()
    (folder / "long.md").write_text(f"# Long\n\nThis paragraph is new.\n\n{sections}")
    report = index()
    assert report.documents["changed"] == 1
    assert 1 <= report.chunks["embedded"] <= 3
    assert len(embedder.texts) <= 6
    rows = texts(conn, "long.md")
    assert rows[0] == "This paragraph is new."
    assert [int(text.split("valve ")[1].split()[0]) for text in rows[1:]] == list(range(1000))


def test_a_renamed_file_embeds_nothing(conn: Connection, folder: Path, index: Index, embedder: HashEmbedder) -> None:
    """Its document takes the new name and keeps its chunks."""
    index()
    before = ids(conn)
    embedder.texts.clear()
    (folder / "deep").mkdir()
    (folder / "rules.txt").rename(folder / "deep" / "night rules.txt")
    report = index()
    assert embedder.texts == []
    assert report.documents == {"new": 1, "changed": 0, "unchanged": 2, "removed": 1, "failed": 0}
    assert report.chunks["removed"] == 0
    assert ids(conn) == before
    assert texts(conn, "deep/night rules.txt")
    assert not texts(conn, "rules.txt")


@pytest.mark.parametrize(
    ("name", "text", "moved", "title"),
    [
        ("rules_at_night.txt", "Nobody works alone.\n", "rules_by_day.txt", "Rules by day"),
        ("rules_at_night.txt", "Nobody works alone.\n", "deep/rules_at_night.txt", "Rules at night"),
        ("rules.md", "# Rules\n\nNobody works alone.\n", "old.md", "Rules"),
        ("rules.md", "# At night\n\nNobody works alone.\n", "old.md", "At night"),
    ],
)
def test_a_renamed_file_is_called_by_its_new_name(
    conn: Connection, folder: Path, index: Index, embedder: HashEmbedder, name: str, text: str, moved: str, title: str
) -> None:
    """Unless it has a title of its own, be it that of its old name."""
    (folder / name).write_text(text)
    index()
    embedder.texts.clear()
    (folder / moved).parent.mkdir(exist_ok=True)
    (folder / name).rename(folder / moved)
    index()
    assert embedder.texts == []
    assert conn.execute("SELECT title FROM document WHERE name = %s", [moved]).fetchall() == [(title,)]


def test_a_removed_file_disappears_in_the_same_run(conn: Connection, folder: Path, index: Index) -> None:
    """With its chunks; the last file of a folder as well."""
    index()
    (folder / "codes.csv").unlink()
    report = index()
    assert (report.documents["removed"], report.chunks["removed"]) == (1, 2)
    assert texts(conn, "codes.csv") == []
    (folder / "pump.md").unlink()
    (folder / "rules.txt").unlink()
    assert index().documents["removed"] == 2
    assert ids(conn) == set()


def test_a_vanished_folder_loses_nothing(conn: Connection, folder: Path, index: Index) -> None:
    """A drive that is not mounted is a failure to report, not a reason to forget."""
    index()
    before = ids(conn)
    folder.rename(folder.with_name("elsewhere"))
    report = index()
    assert ids(conn) == before
    assert report.documents["failed"] == 1
    assert report.failures[0]["document"] == str(folder)
    assert "stay in the index" in report.failures[0]["error"]


def test_a_single_file_can_be_a_source(conn: Connection, folder: Path, embedder: HashEmbedder) -> None:
    """It is called by its own name, and gone when it is deleted."""
    sources = register_sources(conn, [folder / "rules.txt"])
    assert counts(index_sources(conn, embedder, sources, max_bytes=LIMIT)) == {"new": 1, "embedded": 1}
    assert texts(conn, "rules.txt")
    (folder / "rules.txt").unlink()
    assert index_sources(conn, embedder, sources, max_bytes=LIMIT).documents["removed"] == 1


def test_a_named_file_of_unknown_type_is_a_failure(conn: Connection, folder: Path, embedder: HashEmbedder) -> None:
    """In a folder it is passed over, but who names it wants to know."""
    (folder / "tool.exe").write_bytes(b"MZ")
    named = register_sources(conn, [folder / "tool.exe"])
    (failure,) = index_sources(conn, embedder, named, max_bytes=LIMIT).failures
    assert failure["document"] == "tool.exe"
    assert "not supported" in failure["error"]
    whole = register_sources(conn, [folder])
    assert index_sources(conn, embedder, whole, max_bytes=LIMIT).documents["failed"] == 0


def test_failures_are_reported_and_the_others_go_on(conn: Connection, folder: Path, index: Index) -> None:
    """A broken file keeps its earlier version, which the reason says."""
    index()
    (folder / "pump.md").write_bytes(b"\x00\x01")
    (folder / "empty.md").write_bytes(b"")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / "large.txt").write_text("x" * 3000)
    (folder / "rules.txt").write_text("Two people work at night.\n")
    report = index(limit=2000)
    errors = {failure["document"]: failure["error"] for failure in report.failures}
    assert sorted(errors) == ["broken.pdf", "empty.md", "large.txt", "pump.md"]
    assert errors["pump.md"].endswith("the version indexed before stays")
    assert "too large" in errors["large.txt"]
    assert report.documents == {"new": 0, "changed": 1, "unchanged": 1, "removed": 0, "failed": 4}
    assert "SK-17" in " ".join(texts(conn, "pump.md"))
    assert texts(conn, "rules.txt") == ["Two people work at night."]


def test_a_killed_run_leaves_the_old_version(conn: Connection, folder: Path, index: Index) -> None:
    """The document is as it was, and the next run goes on with the vectors that were made."""
    index()
    before = texts(conn, "rules.txt")
    sentence = "On day {} of the shift plan the drum and both bearings of the conveyor are looked after by two people."
    (folder / "rules.txt").write_text("\n\n".join(f"DAY {i} OF THE PLAN\n\n{sentence.format(i)}" for i in range(100)))
    with pytest.raises(RuntimeError, match="killed"):
        index(HashEmbedder(fail_at=180))
    assert texts(conn, "rules.txt") == before
    report = index()
    assert report.documents["changed"] == 1
    assert report.chunks["reused"] > 20
    assert len(texts(conn, "rules.txt")) == 100


def test_another_embedder_is_refused(conn: Connection, index: Index) -> None:
    """Vectors of two models never stand side by side."""
    index()
    other = OtherEmbedder()
    with pytest.raises(WrongModel, match="vectors of hash"):
        index(other)
    assert other.texts == []


def test_every_chunk_and_sentence_has_its_vector(conn: Connection, folder: Path, index: Index) -> None:
    """Those that came, those that stayed, and those that were made anew; what went leaves none behind."""
    index()
    (folder / "pump.md").write_text(
        f"# Pump\n\n## Noise\n\nA loud pump draws air. Look for a leak.\n\n## Oil\n\n{OIL}\n"
    )
    index()
    (folder / "rules.txt").unlink()
    index()
    chunks = conn.execute("SELECT id FROM chunk ORDER BY 1").fetchall()
    sentences = conn.execute("SELECT chunk_id, ordinal FROM sentence ORDER BY 1, 2").fetchall()
    assert conn.execute("SELECT chunk_id FROM chunk_vector ORDER BY 1").fetchall() == chunks != []
    assert conn.execute("SELECT chunk_id, ordinal FROM sentence_vector ORDER BY 1, 2").fetchall() == sentences != []


def test_the_counts_of_words_stay_few(conn: Connection, folder: Path, index: Index) -> None:
    """However many documents hold a word, a search adds up few rows."""
    for number in range(30):
        (folder / f"{number}.txt").write_text(f"The conveyor number {number}.\n")
    index()
    rows = conn.execute("SELECT count(*), sum(chunks) FROM lexeme_count WHERE lexeme = 'conveyor'").fetchone()
    assert rows == (1, 30)


def test_the_same_text_is_embedded_once(conn: Connection, folder: Path, index: Index, embedder: HashEmbedder) -> None:
    """Over documents and versions: what the cache has is not made again."""
    index()
    (folder / "copy.md").write_text((folder / "pump.md").read_text())
    embedder.texts.clear()
    report = index()
    assert embedder.texts == []
    assert (report.documents["new"], report.chunks["embedded"]) == (1, 0)


def test_progress_is_told(conn: Connection, folder: Path, embedder: HashEmbedder) -> None:
    """It counts files up to their number, and names the one at hand."""
    told: list[Progress] = []
    index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=LIMIT, progress=told.append)
    assert told[0] == Progress("codes.csv", 0, 3, dict.fromkeys(("embedded", "reused", "removed", "failed"), 0))
    assert told[-1].done == told[-1].total == 3
    assert told[-1].counts["embedded"] > 0
    assert told[-1].lasting


@pytest.mark.parametrize("extent", [Extent(force=True), Extent(dry_run=True)])
def test_what_is_done_again_does_not_last(
    conn: Connection, embedder: HashEmbedder, folder: Path, extent: Extent
) -> None:
    """A run by force embeds all again when it begins again, and a dry run embeds nothing that stays."""
    told: list[Progress] = []
    sources = register_sources(conn, [folder])
    index_sources(conn, embedder, sources, max_bytes=LIMIT, progress=told.append, extent=extent)
    assert told[-1].counts["embedded"] > 0
    assert not any(progress.lasting for progress in told)


def test_sources_are_registered_once_and_all_or_none(conn: Connection, folder: Path) -> None:
    """The same path twice is one source of its collection; a missing path registers nothing."""
    with pytest.raises(MissingPath, match="nowhere"):
        register_sources(conn, [folder, folder / "nowhere"])
    assert list_sources(conn) == []
    (first,) = register_sources(conn, [folder])
    assert register_sources(conn, [folder, str(folder) + "/"]) == [first]
    register_sources(conn, [folder], collection="safety")
    assert [(source.collection, source.uri) for source in list_sources(conn)] == [
        ("default", str(folder)),
        ("safety", str(folder)),
    ]


def test_a_removed_source_takes_its_documents_along(conn: Connection, folder: Path, index: Index) -> None:
    """Once it is forgotten there is nothing left to find."""
    index()
    assert remove_source(conn, folder)
    assert not remove_source(conn, folder)
    assert ids(conn) == set()
    assert list_sources(conn) == []


@pytest.fixture
def connections(database: str) -> Iterator[tuple[Connection, Connection]]:
    with psycopg.connect(database) as one, psycopg.connect(database) as two:
        yield one, two


def test_two_runs_on_a_source_wait_for_each_other(connections: tuple[Connection, Connection], folder: Path) -> None:
    """The second finds everything done; nothing is embedded or written twice."""
    one, two = connections
    sources = register_sources(one, [folder])
    reports: list[IndexReport] = []

    def run(conn: Connection) -> None:
        reports.append(index_sources(conn, HashEmbedder(delay=0.05), sources, max_bytes=LIMIT))

    threads = [threading.Thread(target=run, args=[conn]) for conn in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.documents["new"] for report in reports) == [0, 3]
    assert sorted(report.documents["unchanged"] for report in reports) == [0, 3]


def test_no_transaction_is_open_while_texts_are_embedded(
    connections: tuple[Connection, Connection], folder: Path
) -> None:
    """Nobody waits for the embedder, and every document that is finished can be searched at once."""
    conn, _ = connections
    seen: list[psycopg.pq.TransactionStatus] = []

    class Watching(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            seen.append(conn.info.transaction_status)
            return super().embed(texts)

    index_sources(conn, Watching(), register_sources(conn, [folder]), max_bytes=LIMIT)
    assert set(seen) == {psycopg.pq.TransactionStatus.IDLE}


@pytest.mark.slow
def test_index_with_the_default_embedder(conn: Connection, folder: Path) -> None:
    """The nearest chunk by cosine distance is the one that answers."""
    embedder = MiniLM()
    index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=LIMIT)
    (question,) = embedder.embed(["May I be on my own in the late shift?"])
    (text,) = conn.execute(
        "SELECT text FROM chunk c JOIN chunk_vector v ON v.chunk_id = c.id ORDER BY vector <=> %s::halfvec LIMIT 1",
        [str(question.tolist())],
    ).fetchone() or ("",)
    assert text == "Nobody works alone at night."


class Picky(HashEmbedder):
    """Raises at a text with "poison" in it. `sizes` are those of the batches that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        if any("poison" in text for text in texts):
            raise ValueError("no")
        self.sizes.append(len(texts))
        return super().embed(texts)


def set_aside(conn: Connection) -> list[tuple[str, int, str | None]]:
    return [(found.name, found.attempts, found.error) for found in documents_set_aside(conn)]


def test_documents_are_embedded_together(conn: Connection, folder: Path, index: Index) -> None:
    """The texts of all three are one batch; each document has its own count of chunks that were embedded."""
    embedder = Picky()
    assert counts(index(embedder)) == {"new": 3, "embedded": 5}
    assert len(embedder.sizes) == 1
    (folder / "again.txt").write_text("Nobody works alone at night.\n")
    (folder / "more.txt").write_text("Nobody works alone at night.\n\n" + "Everybody rests. " * 3)
    assert index(embedder).documents["new"] == 2
    assert len(embedder.sizes) == 2


def test_a_document_that_the_embedder_refuses_is_set_aside(conn: Connection, folder: Path, index: Index) -> None:
    """The others are indexed in the same run. After three attempts it is not tried, until it is changed or by force."""
    (folder / "bad.txt").write_text("This is poison.\n")
    report = index(Picky())
    assert report.documents == {"new": 3, "changed": 0, "unchanged": 0, "removed": 0, "failed": 1}
    assert [failure["document"] for failure in report.failures] == ["bad.txt"]
    assert set_aside(conn) == []
    index(Picky())
    index(Picky())
    assert set_aside(conn) == [("bad.txt", 3, "ValueError; the log says more")]
    (failure,) = index().failures  # with an embedder that would take it
    assert failure["error"].startswith("set aside after 3 attempts (ValueError")
    sources = [source for source in list_sources(conn) if source.uri == str(folder)]
    index_sources(conn, Picky(), sources, max_bytes=LIMIT, extent=Extent(force=True))
    assert set_aside(conn) == []
    assert conn.execute("SELECT attempts FROM document_attempt").fetchall() == [(1,)]
    (folder / "bad.txt").write_text("This is medicine.\n")
    assert index().documents["new"] == 1
    assert conn.execute("SELECT count(*) FROM document_attempt").fetchone() == (0,)


def test_a_parser_that_fails_does_not_end_the_run(conn: Connection, folder: Path, embedder: HashEmbedder) -> None:
    """Whatever it raises; and a document that is gone is not remembered."""

    def parse(name: str, data: bytes, suffix: str) -> ParsedDocument:
        if name == "rules.txt":
            raise RecursionError
        return load(name, data, suffix)

    sources = register_sources(conn, [folder])
    report = index_sources(conn, embedder, sources, max_bytes=LIMIT, parse=parse)
    assert (report.documents["new"], report.documents["failed"]) == (2, 1)
    assert report.failures[0]["error"].startswith("it cannot be indexed (RecursionError")
    (folder / "rules.txt").unlink()
    index_sources(conn, embedder, sources, max_bytes=LIMIT)
    assert conn.execute("SELECT count(*) FROM document_attempt").fetchone() == (0,)


def test_what_was_in_hand_when_a_process_died_is_tried_alone(conn: Connection, folder: Path, index: Index) -> None:
    """Three times for each: an innocent document gets through, whatever ended the process is set aside."""
    sources = register_sources(conn, [folder])
    data = {path.name: path.read_bytes() for path in folder.iterdir()}
    hashes = [raw_hash(Path(name).suffix, data[name]) for name in sorted(data)]
    begin_attempts(conn, sources[0].id, sorted(data), hashes)
    begin_attempts(conn, sources[0].id, ["codes.csv"], [hashes[0]])
    (folder / "zebra.txt").write_text("The zebra crossing is in front of hall 3.\n")
    embedder = Picky()
    told: list[Progress] = []
    assert index_sources(conn, embedder, sources, max_bytes=LIMIT, progress=told.append).documents["new"] == 4
    order = list(dict.fromkeys(progress.message for progress in told))
    assert order == ["zebra.txt", "pump.md", "rules.txt", "codes.csv"]  # the most suspicious last
    assert embedder.texts.count(HARMLESS) == 1  # the model is loaded before anybody is blamed
    assert len(embedder.sizes) == 1 + 4
    (folder / "deadly.txt").write_text("Whoever reads this dies.\n")
    deadly = raw_hash(".txt", (folder / "deadly.txt").read_bytes())
    for _ in range(3):
        begin_attempts(conn, sources[0].id, ["deadly.txt"], [deadly])
    (failure,) = index(embedder).failures
    assert "each time the process that worked on it ended" in failure["error"]
    assert set_aside(conn) == [("deadly.txt", 3, None)]


def test_a_run_that_is_stopped_blames_no_document(conn: Connection, folder: Path) -> None:
    """An embedder that takes nothing, or a stop from outside, is not a document's fault."""
    sources = register_sources(conn, [folder])
    for _ in range(4):
        with pytest.raises(RuntimeError, match="killed"):
            index_sources(conn, HashEmbedder(fail_at=1), sources, max_bytes=LIMIT)
    assert conn.execute("SELECT count(*) FROM document_attempt").fetchone() == (0,)
