"""Searches while documents are swapped without a pause: does any see half of a version, or two at once?"""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from pgvector.psycopg import register_vector

from retrieval.indexing.sources import register_sources
from retrieval.searching.search import search
from tests.retrieval.flat import Flat, put_texts

CHUNKS = {"old": 5, "new": 7}
"""A version of a document has so many chunks; all of them name the document and the version."""


@dataclass(frozen=True, slots=True)
class SwapResult:
    """What the searches saw. `half` of them saw a document with chunks missing, or of two versions, or none at all."""

    searches: int
    swaps: int
    half: int
    versions: dict[str, int]


def search_during_swaps(database: str, *, searches: int, documents: int = 8, readers: int = 2) -> SwapResult:
    """A writer for each half of the documents swaps them to and fro until the readers are done."""
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        source = register_sources(conn, ["/tmp"])[0].id
        for number in range(documents):
            put_texts(conn, source, f"{number}.md", texts_of(number, "old"))
    done = threading.Event()
    halves = [range(0, documents, 2), range(1, documents, 2)]
    with ThreadPoolExecutor(len(halves) + readers) as threads:
        writers = [threads.submit(_write, database, source, numbers, done) for numbers in halves]
        reading = [
            threads.submit(_read, database, documents, len(range(reader, searches, readers)), reader)
            for reader in range(readers)
        ]
        try:
            seen = [version for job in reading for version in job.result()]
        finally:
            done.set()
        swaps = sum(job.result() for job in writers)
    versions = {version: seen.count(version) for version in CHUNKS}
    return SwapResult(len(seen), swaps, seen.count("half"), versions)


def texts_of(number: int, version: str) -> list[str]:
    """The chunks of a version of a document; the last one is the same in both, and keeps its row."""
    own = [f"Part {part} of unit u{number}x is {version}." for part in range(CHUNKS[version] - 1)]
    return [*own, f"The end of unit u{number}x."]


def _write(database: str, source: int, numbers: Sequence[int], done: threading.Event) -> int:
    swaps = 0
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        while not done.is_set():
            for number in numbers:
                put_texts(conn, source, f"{number}.md", texts_of(number, ("new", "old")[swaps // len(numbers) % 2]))
                swaps += 1
    return swaps


def _read(database: str, documents: int, searches: int, seed: int) -> list[str]:
    """What each search saw of the document it asked for: a version, or "half"."""
    generator = random.Random(seed)
    with psycopg.connect(database, autocommit=True) as conn:
        return [_seen(conn, generator.randrange(documents)) for _ in range(searches)]


def _seen(conn: psycopg.Connection, number: int) -> str:
    passages = search(conn, Flat(), f"u{number}x", k=2 * max(CHUNKS.values()))
    texts = sorted(passage.text for passage in passages if f"u{number}x" in passage.text)
    return next((version for version in CHUNKS if texts == sorted(texts_of(number, version))), "half")
