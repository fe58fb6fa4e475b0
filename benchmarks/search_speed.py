"""How long a hybrid search takes, against the bare HNSW query and against langchain-postgres; and what it misses.

    python benchmarks/search_speed.py
    python benchmarks/search_speed.py --chunks 100000 1000000 --peer /tmp/peer/bin/python --json speed.json

Fills a database of its own with a made-up corpus (or --database, which must be empty, or hold that corpus from an
earlier run), asks it questions with known vectors, so that no embedding is measured, and prints for each size: the
median of the bare HNSW query and of `search`, question by question in turn; recall@10 of the dense leg against an exact
scan, for filters that keep 0.1, 1, 10 and 100 % of the passages; and how far the bounded candidates agree with scoring
every passage by words. 100,000 passages take some 3 minutes to make, a million an hour. The peer: see
benchmarks/langchain_postgres_peer.py.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql

sys.path.insert(0, str(Path(__file__).parent.parent))

import retrieval.searching.search as searching
from benchmarks.server import benchmark_database
from benchmarks.synthetic_corpus import COLLECTIONS, AskedQuestion, KnownVectors, SyntheticCorpus, load
from migrations import migrate
from retrieval.indexing.models import Model, active_model
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.search import POOL, ef_search, search
from retrieval.searching.terms import candidates

K = 10
UNLIMITED = 10**9
FILTERS = {
    "0.1 %": ("thousandth",),
    "1 %": ("hundredth",),
    "10 %": ("tenth",),
    "100 %": tuple(COLLECTIONS),
}
_BARE = "SELECT chunk_id FROM {chunk_vectors} ORDER BY {vector} <=> %(vector)s LIMIT %(pool)s"
_VISIBLE = """
SELECT array_agg(DISTINCT id), sum(chunks) FROM collection JOIN chunk_count ON collection_id = id WHERE name = ANY (%s)
"""


def main() -> None:
    """Measure each size, and print what came of it."""
    options = arguments()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    results = {}
    for size in options.chunks:
        print(f"\n{size:,} passages")
        corpus = SyntheticCorpus(size)
        questions = corpus.questions(options.questions)
        with database(options.database) as url, psycopg.connect(url, autocommit=True) as conn:
            register_vector(conn)
            model = filled(conn, corpus)
            results[size] = measured(conn, model, questions, options.exact, ef_search(size))
            if options.peer:
                results[size] |= peer(options.peer, url, questions, ef_search(size))
    sizes = sorted(results)
    if len(sizes) > 1:
        growth = results[sizes[-1]]["search"] / results[sizes[0]]["search"]
        print(f"\nsearch at {sizes[-1]:,} / at {sizes[0]:,}: {growth:.2f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100_000], help="sizes to measure")
    parser.add_argument("--questions", type=int, default=200, help="to time")
    parser.add_argument("--exact", type=int, default=50, help="questions to compare with exact search")
    parser.add_argument("--peer", help="a Python that has langchain-postgres")
    parser.add_argument("--database", help="a PostgreSQL URL, in place of an embedded server")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """A migrated database."""
    with nullcontext(url) if url else benchmark_database() as found:
        with psycopg.connect(found, autocommit=True) as conn:
            migrate(conn)
        yield found


def filled(conn: Connection, corpus: SyntheticCorpus) -> Model:
    """The model of a database that holds the corpus; it is written if it is not there."""
    model = active_model(conn)
    if model and conn.execute("SELECT sum(chunks) FROM chunk_count").fetchone() == (corpus.size,):
        return model
    started = time.monotonic()
    model = load(conn, corpus)
    show("made in", f"{time.monotonic() - started:.0f} s")
    return model


def measured(conn: Connection, model: Model, questions: Sequence[AskedQuestion], exact: int, ef: int) -> dict[str, Any]:
    """The figures of one size."""
    embedder = KnownVectors(questions)
    conn.execute("SELECT set_config('hnsw.ef_search', %s, false)", [str(ef)])
    bare = sql.SQL(_BARE).format(chunk_vectors=model.chunk_vectors, vector=model.vector)
    tasks: dict[str, Callable[[AskedQuestion], Any]] = {
        "bare": lambda q: conn.execute(bare, {"vector": HalfVector(q.vector), "pool": POOL}).fetchall(),
        "search": lambda q: search(conn, embedder, q.text, k=K),
    }
    for name, collections in FILTERS.items():
        tasks[f"search, {name}"] = lambda q, c=collections: search(conn, embedder, q.text, k=K, scope=Scope(c))
    times = in_turn(tasks, questions)
    result: dict[str, Any] = {}
    for name, milliseconds in times.items():
        median, high = np.percentile(milliseconds, [50, 95])
        result[name] = median
        against = "" if name == "bare" else f"   {median / result['bare']:.2f} × bare"
        show(name, f"p50 {median:.1f} ms, p95 {high:.1f} ms{against}")
    result["ratio"] = result["search"] / result["bare"]
    for name, collections in FILTERS.items():
        result[f"recall@10, {name}"] = recall(conn, model, questions[:exact], collections, ef)
        show(f"recall@10 of the dense leg, {name}", f"{result[f'recall@10, {name}']:.4f}")
    first, overlap = agreement(conn, embedder, questions[:exact])
    result |= {"same first passage": first, "same ten passages": overlap}
    show("as with every passage scored by words", f"the first {first:.3f}, the first ten {overlap:.4f}")
    return result


def in_turn(
    tasks: dict[str, Callable[[AskedQuestion], Any]], questions: Sequence[AskedQuestion]
) -> dict[str, list[float]]:
    """Milliseconds by task. What disturbs the machine disturbs all tasks alike. Everything was asked once before: what
    is measured is an index in memory.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for place, question in enumerate([*questions, *questions]):
        for name, task in tasks.items():
            started = time.perf_counter()
            task(question)
            if place >= len(questions):
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def recall(
    conn: Connection, model: Model, questions: Sequence[AskedQuestion], collections: Sequence[str], ef: int
) -> float:
    """The share of the ten nearest passages that the dense leg finds, as `search` would draw it."""
    visible, chunks = conn.execute(_VISIBLE, [list(collections)]).fetchall()[0]
    if not chunks:
        return float("nan")

    def nearest(way: str, question: AskedQuestion) -> set[int]:
        names = {"chunk_vectors": model.chunk_vectors, "vector": model.vector}
        pool = sql.SQL(searching._DENSE[way]).format(**names)
        ranked = sql.SQL(
            "WITH pool AS MATERIALIZED ({}) SELECT id FROM pool JOIN {} ON chunk_id = id "
            "ORDER BY vector <=> %(vector)s LIMIT 10"
        ).format(pool, model.chunk_vectors)
        values = {"vector": HalfVector(question.vector), "visible": visible, "pool": POOL}
        with conn.transaction():
            conn.execute(searching._SETTINGS, {"ef_search": str(ef)})
            return {chunk for (chunk,) in conn.execute(ranked, values).fetchall()}

    way = "exact" if chunks <= searching.EXACT_DENSE else "index"
    return float(np.mean([len(nearest(way, q) & (right := nearest("exact", q))) / len(right) for q in questions]))


def agreement(conn: Connection, embedder: KnownVectors, questions: Sequence[AskedQuestion]) -> tuple[float, float]:
    """The share of questions whose first passage, and of passages among the first ten, that are found as well when
    every passage that holds any word of the question is scored.
    """

    def answers() -> list[list[int]]:
        return [[p.chunk_id for p in search(conn, embedder, q.text, k=K, scope=EVERYTHING)] for q in questions]

    bounded = answers()
    searching.candidates = lambda terms, chunks, visible: candidates(terms, chunks, visible, UNLIMITED)
    try:
        complete = answers()
    finally:
        searching.candidates = candidates
    pairs = list(zip(bounded, complete, strict=True))
    first = float(np.mean([a[0] == b[0] for a, b in pairs]))
    return first, float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


def peer(python: str, url: str, questions: Sequence[AskedQuestion], ef: int) -> dict[str, Any]:
    """langchain-postgres on the same passages, right after ours."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([{"text": question.text, "vector": question.vector.tolist()} for question in questions], file)
        file.flush()
        script = Path(__file__).with_name("langchain_postgres_peer.py")
        command = [python, str(script), url, file.name, str(ef), str(POOL)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = {}
    for name, figures in json.loads(output).items():
        median, high = np.percentile(figures["milliseconds"], [50, 95])
        result[f"langchain-postgres, {name}"] = median
        result[f"langchain-postgres, {name}, found by words"] = figures["found_by_words"]
        found = f"its full-text half found anything in {figures['found_by_words']} of {len(questions)}"
        show(f"langchain-postgres, {name}", f"p50 {median:.1f} ms, p95 {high:.1f} ms; {found}")
    return result


def show(name: str, value: str) -> None:
    """One line."""
    print(f"  {name:<42}{value}", flush=True)


if __name__ == "__main__":
    main()
