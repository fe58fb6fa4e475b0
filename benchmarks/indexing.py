"""Texts a second while documents are indexed, many short ones: `python benchmarks/indexing.py [DOCUMENTS]`.

To compare two versions, run it in both, in turns.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from journeyman.servers.stack import running_stack
from migrations import migrate
from retrieval.embedders.bulk import BulkMiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources


class Counting(BulkMiniLM):
    """The default embedder, which counts its texts and its time."""

    texts, seconds = 0, 0.0

    def embed(self, texts):
        started = time.perf_counter()
        vectors = super().embed(texts)
        self.texts, self.seconds = self.texts + len(texts), self.seconds + time.perf_counter() - started
        return vectors


def write(folder: Path, count: int) -> None:
    """Documents of one to three paragraphs of a few sentences, the same in every run."""
    dice = random.Random(20)
    words = [
        f"{a}{b}" for a in ("pump", "valve", "seal", "drum", "belt", "oil") for b in ("", "s", "ing", "er", "head")
    ]
    for number in range(count):
        paragraphs = []
        for _ in range(dice.randint(1, 3)):
            sentences = [" ".join(dice.choices(words, k=dice.randint(6, 18))) + f" {dice.random():.4f}." for _ in "123"]
            paragraphs.append(" ".join(sentence.capitalize() for sentence in sentences))
        (folder / f"{number:05}.md").write_text(f"# Part {number}\n\n" + "\n\n".join(paragraphs) + "\n")


def main(count: int) -> None:
    """Indexes them once in a fresh home."""
    home = Path(tempfile.mkdtemp(prefix="journeyman-indexing-"))
    documents = home / "documents"
    documents.mkdir()
    write(documents, count)
    embedder = Counting()
    embedder.embed(["warm-up"])
    embedder.texts, embedder.seconds = 0, 0.0
    with (
        running_stack(home / "home", redis_url="redis://unused") as stack,
        psycopg.connect(stack.database_url, autocommit=True) as conn,
    ):
        migrate(conn)
        sources = register_sources(conn, [documents])
        started = time.perf_counter()
        report = index_sources(conn, embedder, sources, max_bytes=10**6)
        seconds = time.perf_counter() - started
    print(
        f"{report.documents['new']} documents, {embedder.texts} texts in {seconds:.1f} s: "
        f"{embedder.texts / seconds:.0f} texts/s; in the embedder {embedder.texts / embedder.seconds:.0f} texts/s"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
