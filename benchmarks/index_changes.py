"""What a change costs: a paragraph on top of a long document, a file that moves, and 10,000 files that stay.

    python benchmarks/index_changes.py
    python benchmarks/index_changes.py --sections 1000 --documents 10000 --json changes.json

The first is measured beside LangChain's `index()` with its RecordManager, in the same run, with the same embedder:
RecursiveCharacterTextSplitter, InMemoryVectorStore and InMemoryRecordManager, so that nothing of theirs is written to
disk, cleanup="incremental". Ours writes to an embedded PostgreSQL. Exits with 1 if a bar is missed.
"""

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager
from langchain_core.indexing import index as langchain_index
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from pgvector.psycopg import register_vector

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.server import benchmark_database
from retrieval.embedding import MiniLM, Vectors
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.indexing.tally import IndexReport

PARAGRAPH = "This edition was checked by the safety officer; pages that are older must be destroyed.\n\n"
WORDS = "pump valve bearing oil pressure gauge press conveyor filter seal motor guard sensor lubrication torque".split()


class Counting:
    """MiniLM, and how many texts it was given."""

    name, dimensions = MiniLM.name, MiniLM.dimensions

    def __init__(self) -> None:
        self.model, self.texts = MiniLM(), 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return self.model.embed(texts)


class ForLangChain(Embeddings):
    """The same embedder as LangChain wants it."""

    def __init__(self, embedder: Counting) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embedder.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def main() -> None:
    """Measure, print, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    figures = inserted(manual(options.sections)) | unchanged(options.documents)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    holds = figures["chunks"] <= 3 and figures["sooner"] >= 10 and figures["embedded"] == 0 and figures["seconds"] <= 10
    sys.exit(not holds)


def manual(sections: int) -> str:
    """A manual with so many sections of two paragraphs."""
    generator = random.Random(4)

    def sentence() -> str:
        return " ".join(generator.choices(WORDS, k=12)).capitalize() + f" {generator.randint(1, 999)}."

    parts = [
        f"## Section {number}\n\n" + " ".join(sentence() for _ in range(7)) + "\n\n"
        for number in range(1, sections + 1)
    ]
    return "# Manual\n\n" + "".join(parts)


def inserted(text: str) -> dict[str, float]:
    """A paragraph on top: what is embedded anew, and how long it takes."""
    changed = text.replace("# Manual\n\n", "# Manual\n\n" + PARAGRAPH, 1)
    embedder = Counting()
    with tempfile.TemporaryDirectory() as folder, benchmark_database() as url:
        file = Path(folder, "manual.md")
        with psycopg.connect(url, autocommit=True) as conn:
            register_vector(conn)

            def run() -> tuple[IndexReport, float, int]:
                before, started = embedder.texts, time.perf_counter()
                report = index_sources(conn, embedder, register_sources(conn, [file]), max_bytes=10**8)
                return report, time.perf_counter() - started, embedder.texts - before

            file.write_text(text)
            first, _, _ = run()
            file.write_text(changed)
            report, ours, texts = run()
    theirs, peer_texts = peer(text, changed, embedder)
    embedded = report.chunks["embedded"]
    print(f"\n{sum(first.chunks.values())} passages, a paragraph on top:")
    print(f"  ours                 {ours:7.3f} s   {embedded} passages embedded ({texts} texts with their sentences)")
    print(f"  LangChain index()    {theirs:7.3f} s   {peer_texts} texts embedded   {theirs / ours:.1f} times as long")
    return {"chunks": embedded, "texts": texts, "ours": ours, "theirs": theirs, "sooner": theirs / ours}


def peer(text: str, changed: str, embedder: Counting) -> tuple[float, int]:
    """The seconds and the texts of LangChain's second run."""
    records = InMemoryRecordManager(namespace="benchmark")
    records.create_schema()
    store = InMemoryVectorStore(ForLangChain(embedder))
    splitter = RecursiveCharacterTextSplitter(chunk_size=800, chunk_overlap=0)
    seconds, texts = 0.0, 0
    for version in (text, changed):
        before, started = embedder.texts, time.perf_counter()
        documents = splitter.split_documents([Document(version, metadata={"source": "manual.md"})])
        langchain_index(documents, records, store, cleanup="incremental", source_id_key="source", key_encoder="sha256")
        seconds, texts = time.perf_counter() - started, embedder.texts - before
    return seconds, texts


def unchanged(count: int) -> dict[str, float]:
    """So many files that stay, scanned again; and all of them in a folder that was renamed."""
    embedder = Counting()
    embedder.model = Fast()
    with tempfile.TemporaryDirectory() as folder, benchmark_database() as url:
        root = Path(folder, "documents")
        for number in range(count):
            path = root / f"{number % 100:02}" / f"{number}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# Part {number}\n\nPart {number} lies on shelf {number % 77}.\n")
        time.sleep(2.5)  # what was changed within the tick of a file system's clock is read again
        with psycopg.connect(url, autocommit=True) as conn:
            register_vector(conn)

            def run() -> tuple[IndexReport, float, int]:
                before, started = embedder.texts, time.perf_counter()
                report = index_sources(conn, embedder, register_sources(conn, [root]), max_bytes=10**8)
                return report, time.perf_counter() - started, embedder.texts - before

            _, first, _ = run()
            again, seconds, embedded = run()
            (root / "00").rename(root / "elsewhere")
            moved, _, of_moved = run()
    print(f"\n{count} documents ({first:.0f} s with an embedder that does nothing), scanned again:")
    print(f"  {seconds:.2f} s, {embedded} texts embedded, {again.documents['unchanged']} unchanged")
    print(f"  {moved.documents['new']} of them moved: {of_moved} texts embedded")
    return {"seconds": seconds, "embedded": embedded + of_moved}


class Fast:
    """Vectors of ones, for what has nothing to do with embedding."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        return np.full((len(texts), 384), 384**-0.5, dtype=np.float32)


if __name__ == "__main__":
    main()
