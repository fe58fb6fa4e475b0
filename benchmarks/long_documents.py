"""Documents of many passages: how much may one of them take the places of others? Chooses
`retrieval.searching.reranking.SPREAD`.

    pip install --no-deps zaragoza-construction-faq==1.2.1
    pip download --no-deps --no-binary :all: --no-build-isolation Django==5.2.19 celery==5.7.0 SQLAlchemy==2.1.9 \\
        Cython==3.3.1 gunicorn==27.0.1 tornado==6.6.1 supervisor==4.3.0
    python benchmarks/long_documents.py --sources FOLDER_OF_UNPACKED_DOWNLOADS

Two collections with known answers. The construction FAQ as pages, eight answers of one subject on each, asked by their
questions. And the documentation of open-source projects, asked by the headings of their FAQs, which are cut out of the
pages. Counted are the right document (hit@k) and the passage with the beginning of the answer (passage@k).
"""

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.server import benchmark_database
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.reranking import LateInteraction, spread_out
from retrieval.searching.search import search

PAGE = 8
DEEP = 60
BEGINNING = 50  # characters by which an answer's passage is known
SPREADS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
PAGES = (".rst", ".txt", ".md")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.])\1{3,}")
_ROLE = re.compile(r":[\w:]+:`")


@dataclass(frozen=True)
class Asked:
    """A question, the name of the right document and how the answer begins (empty: unknown)."""

    question: str
    document: str
    beginning: str


def construction(folder: Path) -> list[Asked]:
    """Pages of one subject without the questions; returns those."""
    from zaragoza_construction_faq import load

    subjects: dict[str, list[dict[str, str]]] = {}
    for entry in load(lang="en"):
        subjects.setdefault(entry["category"], []).append(entry)
    asked = []
    for subject, entries in subjects.items():
        for start in range(0, len(entries), PAGE):
            name, some = f"{subject}-{start // PAGE}.md", entries[start : start + PAGE]
            (folder / name).write_text(f"# {subject}\n\n" + "\n\n".join(entry["a"] for entry in some) + "\n")
            asked += [Asked(entry["q"], name, plain(entry["a"])[:BEGINNING]) for entry in some]
    return asked


def documentation(sources: Path, folder: Path) -> list[Asked]:
    """The pages under each project's doc or docs, FAQs without the headings that are questions; returns those."""
    asked = []
    for project in sorted(path for path in sources.iterdir() if path.is_dir()):
        pages = sorted(path for top in ("doc", "docs") for path in (project / top).rglob("*") if path.suffix in PAGES)
        for page in pages:
            name = str(page.relative_to(sources).with_suffix(".md" if page.suffix == ".md" else ".rst"))
            if re.search("release|changelog|changes|news|history", name.lower()):
                continue
            text = page.read_text(errors="replace")
            if "faq" in name:
                text, questions = without_questions(text)
                asked += [Asked(question, name, beginning) for question, beginning in questions.items()]
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return asked


def without_questions(text: str) -> tuple[str, Mapping[str, str]]:
    """A page without its headings that end in a question mark, and those with the beginning of what follows them."""
    lines, kept, questions = text.splitlines(), list[str](), dict[str, str]()
    at = 0
    while at < len(lines):
        line, below = lines[at].strip(), lines[at + 1].strip() if at + 1 < len(lines) else ""
        underlined = bool(_UNDERLINE.fullmatch(below))
        if line.endswith("?") and (underlined or line.startswith("#")):
            at += 2 if underlined else 1
            answer = plain(" ".join(lines[at : at + 12])).removeprefix("answer ")
            questions[_ROLE.sub("", line.strip("# ")).replace("`", "")] = answer[:BEGINNING]
            kept.append("")
        else:
            kept.append(lines[at])
            at += 1
    return "\n".join(kept), questions


def plain(text: str) -> str:
    """Its words alone."""
    return re.sub(r"\W+", " ", _ROLE.sub("", text)).lower().strip()


def measured(name: str, folder: Path, asked: Sequence[Asked]) -> None:
    """Index the pages, ask all questions, and print a line for each spread."""
    embedder = MiniLM()
    reranker = LateInteraction(embedder)
    documents: dict[float, list[int]] = {spread: [] for spread in SPREADS}
    passages: dict[float, list[int]] = {spread: [] for spread in SPREADS}
    with benchmark_database() as url, psycopg.connect(url, autocommit=True) as conn:
        register_vector(conn)
        report = index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=10**7)
        print(f"\n{name}: {len(asked)} questions; {len(report.failures)} pages without text or not read", flush=True)
        for one in asked:
            found = search(conn, embedder, one.question, k=DEEP)
            head, rest = found[: reranker.pool], found[reranker.pool :]
            scores = reranker.scores(one.question, head)
            known = one.beginning and any(one.beginning in plain(passage.text) for passage in found)
            for spread in SPREADS:
                places = spread_out(scores, [passage.document_id for passage in head], spread)
                order = [*(head[place] for place in places), *rest]
                documents[spread].append(first([passage.document == one.document for passage in order]))
                if known:
                    passages[spread].append(first([one.beginning in plain(passage.text) for passage in order]))
    for spread in SPREADS:
        gain = np.array(documents[spread]) <= 5
        low, high = interval(gain * 1.0 - (np.array(documents[0.0]) <= 5))
        hits = "  ".join(f"hit@{k} {np.mean(np.array(documents[spread]) <= k):.3f}" for k in (1, 3, 5, 8))
        read = "  ".join(f"passage@{k} {np.mean(np.array(passages[spread]) <= k):.3f}" for k in (3, 5, 8))
        print(f"  {spread:<5} {hits} (hit@5 over none [{low:+.3f}, {high:+.3f}])  {read} of {len(passages[spread])}")


def first(right: Sequence[bool]) -> int:
    """The place of the first right one, from 1; 99 if there is none."""
    return next((place for place, is_right in enumerate(right, 1) if is_right), 99)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean."""
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, metavar="FOLDER", help="unpacked source distributions with FAQs")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as made:
        measured("construction, as pages", Path(made), construction(Path(made)))
    if options.sources:
        with tempfile.TemporaryDirectory() as made:
            measured("documentation", Path(made), documentation(options.sources, Path(made)))


if __name__ == "__main__":
    main()
