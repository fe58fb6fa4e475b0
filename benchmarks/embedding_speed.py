"""How fast texts are embedded: the default embedder beside `sentence-transformers` as it comes, same weights, one run.

    python benchmarks/embedding_speed.py examples/company [MORE FOLDERS] --texts 600

Prints the throughput of both over the passages of the folders' documents, how alike their vectors are, and the time of
one question's embedding, each alone and while another process keeps a core busy. Each side runs in a process of its
own, in turn, five times; the medians and their ratio are printed. Ours is measured once in numpy alone, and once as a
worker has it after many texts: in 16 bits where the machine is made for it (retrieval/embedders/bulk.py).
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from retrieval.embedders.bulk import suited_device

SIDES = ("numpy", "bulk", "sentence-transformers")
THEIRS = SIDES[-1]
QUESTIONS = 30
FIGURES = {
    "rate": "texts/s",
    "rate_beside": "texts/s, a core busy",
    "alone": "ms a question",
    "beside": "ms a question, a core busy",
}


def main() -> None:
    """Run each side in turn, and print."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("folders", nargs="*", type=Path)
    arguments.add_argument("--texts", type=int, default=600)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.side:
        measure(given.side, json.load(sys.stdin))
        return
    texts = passages(given.folders)[: given.texts]
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    vectors: dict[str, np.ndarray] = {}
    for _ in range(given.rounds):
        for side in SIDES:
            found = run(side, texts)
            vectors[side] = np.asarray(found.pop("vectors"), dtype=np.float32)
            runs[side].append(found)
    print(f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, {len(texts)} passages")
    print(f"bulk in 16 bits on {suited_device('auto') or 'nothing: numpy'}")
    for side in SIDES[:-1]:
        cosine = float(np.min(np.sum(vectors[side] * vectors[THEIRS], axis=1)))
        print(f"least cosine of {side} to {THEIRS}: {cosine:.6f}")
    for figure, unit in FIGURES.items():
        medians = {side: statistics.median(found[figure] for found in runs[side]) for side in SIDES}
        print(f"{unit:<28} {THEIRS} {medians[THEIRS]:8.1f}", end="")
        for side in SIDES[:-1]:
            ratio = medians[side] / medians[THEIRS]
            print(f"   {side} {medians[side]:8.1f}, {ratio if 'texts' in unit else 1 / ratio:.1f} times better", end="")
        print()


def passages(folders: list[Path]) -> list[str]:
    """What the embedder reads of the folders' documents."""
    from retrieval.indexing.chunking import chunk_document, embedding_text
    from retrieval.loading import load
    from retrieval.loading.files import scan

    texts = []
    for folder in folders or [Path("examples/company")]:
        for name, path in scan(folder).files.items():
            document = load(name, path.read_bytes())
            texts += [embedding_text(document.title, c.heading, c.text) for c in chunk_document(document)]
    return texts


def run(side: str, texts: list[str]) -> dict[str, list[float] | float]:
    """One side in a fresh process, with the environment as it comes for sentence-transformers."""
    environment = dict(os.environ)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM")
    for name in names:
        environment.pop(name, None)
    if side != THEIRS:  # as `journeyman` sets them: journeyman/cli/__init__.py
        environment |= dict(zip(names, ("1", "1", "PASSIVE", "false"), strict=True))
    command = [sys.executable, __file__, "--side", side]
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side: str, texts: list[str]) -> None:
    """In the child: embed, and print the figures as JSON."""
    from retrieval.embedders.bulk import BulkMiniLM
    from retrieval.embedding import MiniLM, installed_folder

    if side == "numpy":
        embed = MiniLM().embed
    elif side == "bulk":
        embed = BulkMiniLM(after=0).embed
    else:
        from sentence_transformers import SentenceTransformer

        embed = SentenceTransformer(str(installed_folder())).encode
    embed(texts[:32])  # from so many on, the embedder counts them

    def rate() -> float:
        started = time.perf_counter()
        embed(texts)
        return len(texts) / (time.perf_counter() - started)

    found = {"vectors": np.asarray(embed(texts)).tolist(), "rate": rate(), "alone": question_time(embed)}
    busy = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    busy.start()
    time.sleep(1)
    found |= {"rate_beside": rate(), "beside": question_time(embed)}
    busy.kill()
    print(json.dumps(found))


def question_time(embed: object) -> float:
    """The median time of one question, in milliseconds."""
    times = []
    for number in range(QUESTIONS):
        started = time.perf_counter()
        embed([f"How often must spindle number {number} be greased?"])  # type: ignore[operator]
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


if __name__ == "__main__":
    main()
