"""How good is search? nDCG@10 of the fused search beside its legs and beside peers, on collections with known answers.

    python benchmarks/retrieval_quality.py --cranfield FOLDER --questions QUESTIONS.jsonl DOCUMENTS
    python benchmarks/retrieval_quality.py --questions examples/questions/company.jsonl examples/company
    python benchmarks/retrieval_quality.py --only fitz-gov --json quality.json

Collections: Cranfield (a folder with documents.jsonl, queries.jsonl and qrels.tsv; relevance above 0 counts), fitz-gov
(MIT; texts that come twice once) and zaragoza-construction-faq in English and Swedish (CC-BY-4.0; answers are the
documents, without their questions), the last with the multilingual embedder. The packages hold the data:

    pip install --no-deps fitz-gov==4.1.0 zaragoza-construction-faq==1.2.1 bm25s

Each collection goes through the product's own pipeline into a database of its own. "fused" is the search, "reranked"
its order after late interaction, from which answers are made. Legs are those of the same search, "rank fusion" their
reciprocal ranks with equal weights (k = 60); bm25s, if it is installed, is a peer on whole documents.
With fitz-gov's unanswerable questions abstention is measured, too: fitted on one half, reported on the other.
"""

import argparse
import json
import math
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.server import benchmark_database
from retrieval.answering.answer import Question
from retrieval.answering.evidence.confidence import DEFAULTS, NOT_COMPARED
from retrieval.answering.evidence.marks import marks
from retrieval.answering.evidence.quotes import choose_quotes
from retrieval.answering.measuring.calibration import fit, risk_coverage, separation
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.passages import DRAWN, PASSAGES, passages_for
from retrieval.answering.prompt import MAX_PASSAGES, MAX_WORDS
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.embedders import Api, embedder_named
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.passage import Passage
from retrieval.searching.reading import distinct, grown
from retrieval.searching.reranking import LateInteraction, reranked
from retrieval.searching.search import search

DEEP = 60
FUSION_K = 60
RESAMPLES = 2000
LEGS = ("dense", "sentence", "lexical")


@dataclass(frozen=True)
class Collection:
    """Documents by name with title and text, and queries with the names of the right ones (none: unanswerable)."""

    name: str
    documents: Mapping[str, tuple[str, str]]
    queries: Sequence[tuple[str, frozenset[str]]]
    embedder: str = "all-MiniLM-L6-v2"
    unanswerable: Sequence[str] = field(default_factory=tuple)


def main() -> None:
    """Measure, and print a table for each collection."""
    options = arguments()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    results: dict[str, object] = {}
    for collection in collections(options):
        if options.only and collection.name not in options.only:
            continue
        results[collection.name] = measured(collection, options.queries)
    for file, folder in options.questions if not options.only or "questions" in options.only else []:
        results[file.stem] = asked(file, folder)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cranfield", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--questions",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "DOCUMENTS"),
        help="a labelled set; may be given several times",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="cranfield, fitz-gov, construction-en, -sv, questions"
    )
    parser.add_argument("--queries", type=int, default=10_000, help="most queries of a collection")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def collections(options: argparse.Namespace) -> Iterator[Collection]:
    """Those whose data is there."""
    if options.cranfield:
        yield cranfield(options.cranfield)
    if find_spec("fitz_gov"):
        yield fitz_gov()
    if find_spec("zaragoza_construction_faq"):
        yield construction("en", "all-MiniLM-L6-v2")
        yield construction("sv", "multilingual-e5-small")


def cranfield(folder: Path) -> Collection:
    """1,400 abstracts of aerodynamics."""
    lines = [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]
    documents = {str(entry["id"]): (entry["title"], entry["text"]) for entry in lines if entry["text"].strip()}
    right: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines():
        query, document, relevance = line.split("\t")
        if int(relevance) > 0:
            right.setdefault(query, set()).add(document)
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    known = [(query["text"], frozenset(right[str(query["id"])])) for query in queries if str(query["id"]) in right]
    return Collection("cranfield", documents, known)


def fitz_gov() -> Collection:
    """Short texts of many trades; of texts that come twice the first stands for all."""
    import fitz_gov

    data = Path(str(fitz_gov.__file__)).parent / "data"
    lines = [json.loads(line) for line in (data / "corpus/documents.jsonl").read_text().splitlines()]
    first: dict[str, str] = {}
    documents, same = {}, {}
    for entry in lines:
        if entry["content"].strip():
            same[entry["id"]] = first.setdefault(entry["content"], entry["id"])
            documents[same[entry["id"]]] = (entry.get("title", ""), entry["content"])
    mappings = json.loads((data / "queries/query_mappings.json").read_text())["mappings"]
    entries = [entry for kind in mappings.values() for entry in kind.values()]
    queries = {
        entry["query"]: frozenset(same[name] for name in entry["relevant_docs"] if name in same) for entry in entries
    }
    answerable = [(query, right) for query, right in queries.items() if right]
    nothing = [entry["query"] for entry in mappings["abstention"].values() if not entry["relevant_docs"]]
    return Collection("fitz-gov", documents, answerable, unanswerable=sorted(set(nothing) - {q for q, _ in answerable}))


def construction(language: str, embedder: str) -> Collection:
    """Questions and answers of the building trade."""
    from zaragoza_construction_faq import load

    entries = load(lang=language)
    documents = {str(place): ("", entry["a"]) for place, entry in enumerate(entries)}
    queries = [(entry["q"], frozenset({str(place)})) for place, entry in enumerate(entries)]
    return Collection(f"construction-{language}", documents, queries, embedder)


def measured(collection: Collection, most: int) -> dict[str, object]:
    """Index it, ask all queries, print and return the figures."""
    queries = collection.queries[:: math.ceil(len(collection.queries) / most)]
    print(f"\n{collection.name}: {len(collection.documents)} documents, {len(queries)} queries, {collection.embedder}")
    with tempfile.TemporaryDirectory() as folder, benchmark_database() as url:
        for name, (title, text) in collection.documents.items():
            Path(folder, f"{name}.md").write_text(f"# {title}\n\n{text}\n" if title.strip() else text + "\n")
        embedder = embedder_named(collection.embedder, api=Api())
        with psycopg.connect(url, autocommit=True) as conn:
            register_vector(conn)
            report = index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=10**7)
            if report.failures:
                print(f"  {len(report.failures)} documents were not read, such as {report.failures[0]}")

            def find(query: str) -> list[Passage]:
                return search(conn, embedder, query, k=DEEP)

            found = [find(query) for query, _ in queries]
            nothing = [find(query) for query in collection.unanswerable]
    rankings = {"fused": [documents_of(passages) for passages in found]}
    rankings |= {leg: [by_leg(passages, leg) for passages in found] for leg in LEGS}
    words = LateInteraction(embedder)
    rankings["reranked"] = [
        documents_of(reranked(words, query, passages, DEEP))
        for (query, _), passages in zip(queries, found, strict=True)
    ]
    rankings["rank fusion"] = [rank_fusion(passages) for passages in found]
    if find_spec("bm25s"):
        rankings["bm25s"] = peer(collection.documents, [query for query, _ in queries])
    right = [relevant for _, relevant in queries]
    gains = {
        name: np.array([ndcg(r, known) for r, known in zip(ranking, right, strict=True)])
        for name, ranking in rankings.items()
    }
    results: dict[str, object] = {}
    for name, gain in gains.items():
        low, high = interval(gain - gains["fused"])
        hits = {
            k: float(np.mean([bool(set(r[:k]) & known) for r, known in zip(rankings[name], right, strict=True)]))
            for k in (1, 5)
        }
        results[name] = {"ndcg@10": float(gain.mean()), "hit@1": hits[1], "hit@5": hits[5], "over fused": [low, high]}
        print(
            f"  {name:<12} nDCG@10 {gain.mean():.3f}  hit@1 {hits[1]:.3f}  hit@5 {hits[5]:.3f}"
            + (
                ""
                if name == "fused"
                else f"   over fused {gain.mean() - gains['fused'].mean():+.3f} [{low:+.3f}, {high:+.3f}]"
            )
        )
    if nothing:
        given = [[distinct(passages[:DRAWN])[:PASSAGES] for passages in side] for side in (found, nothing)]
        asked = [query for query, _ in queries], collection.unanswerable
        results["abstention"] = abstention(asked, given, right)
    return results


def documents_of(passages: Sequence[Passage]) -> list[str]:
    """The documents in the order of their best passages."""
    return list(dict.fromkeys(Path(passage.document).stem for passage in passages))


def by_leg(passages: Sequence[Passage], leg: str) -> list[str]:
    """The same in the order of one leg."""
    return documents_of(sorted((p for p in passages if leg in p.ranks), key=lambda p: p.ranks[leg]))


def rank_fusion(passages: Sequence[Passage]) -> list[str]:
    """By the sum of reciprocal ranks of passage vector and words (Cormack et al., SIGIR 2009)."""
    scores: dict[str, float] = {}
    for leg in ("dense", "lexical"):
        for place, name in enumerate(by_leg(passages, leg), 1):
            scores[name] = scores.get(name, 0.0) + 1 / (FUSION_K + place)
    return sorted(scores, key=lambda name: -scores[name])


def peer(documents: Mapping[str, tuple[str, str]], queries: Sequence[str]) -> list[list[str]]:
    """bm25s with its own tokenizer and stop words, as its documentation has it."""
    import bm25s

    names = list(documents)
    texts = [f"{title} {text}" for title, text in documents.values()]
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    found, _ = index.retrieve(
        bm25s.tokenize(list(queries), stopwords="en", show_progress=False), k=10, show_progress=False
    )
    return [[names[place] for place in row] for row in found]


def ndcg(ranking: Sequence[str], right: frozenset[str], k: int = 10) -> float:
    """Normalized discounted cumulative gain, relevance 0 or 1."""
    gain = sum(1 / math.log2(place + 1) for place, name in enumerate(ranking[:k], 1) if name in right)
    return gain / sum(1 / math.log2(place + 1) for place in range(1, min(k, len(right)) + 1))


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def abstention(
    asked: Sequence[Sequence[str]], given: Sequence[Sequence[Sequence[Passage]]], right: Sequence[frozenset[str]]
) -> dict[str, float]:
    """Answerable questions against those without an answer: what is fitted on every other one, on the rest."""
    rows = [
        (passages, any(Path(p.document).stem in known for p in passages))
        for passages, known in zip(given[0], right, strict=True)
    ]
    rows += [(passages, False) for passages in given[1]]
    answerable = np.array([label for _, label in rows], dtype=np.float64)
    texts = [*asked[0], *asked[1]]
    found = [marks(text, passages) for text, (passages, _) in zip(texts, rows, strict=True)]
    features = np.array([one.values(NOT_COMPARED) for one in found], dtype=np.float64)
    cosine = np.array([max((p.similarity for p in passages), default=0.0) for passages, _ in rows])
    half = np.arange(len(rows)) % 2 == 0
    *weights, bias = fit(features[half], answerable[half], DEFAULTS[NOT_COMPARED])
    judged = features @ np.array(weights) + bias
    rest = ~half
    figures: dict[str, float] = {"questions": int(rest.sum()), "unanswerable": int((1 - answerable[rest]).sum())}
    print(
        f"  abstention on {figures['questions']} questions, {figures['unanswerable']} without an answer that is found:"
    )
    cuts = {name: best_cut(scores[half], answerable[half]) for name, scores in (("fitted", judged), ("cosine", cosine))}
    sides = {"fitted": judged[rest], "cosine": cosine[rest]}
    for name, scores in sides.items():
        values = abstaining(scores, answerable[rest], cuts[name])
        figures |= {f"{name} {measure}": value for measure, value in values.items()}
        print(f"    {name:<8}" + "".join(f"  {measure} {value:.3f}" for measure, value in values.items()))
    for measure, (low, high) in gains_of_the_fitted(sides, answerable[rest], cuts).items():
        figures |= {f"{measure} from": low, f"{measure} to": high}
        print(f"    fitted minus cosine, {measure}: [{low:+.3f}, {high:+.3f}]")
    return figures


def abstaining(scores: np.ndarray, answerable: np.ndarray, cut: float) -> dict[str, float]:
    """Area under risk and coverage, area under the ROC curve, share that is wrong at the threshold."""
    return {
        "area": float(risk_coverage(scores, answerable).mean()),
        "AUROC": separation(scores, answerable),
        "wrong": float(((scores >= cut) != (answerable == 1)).mean()),
    }


def gains_of_the_fitted(
    sides: Mapping[str, np.ndarray], answerable: np.ndarray, cuts: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the differences to the cosine, paired bootstrap over questions."""
    dice, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = dice.integers(len(answerable), size=len(answerable))
        one, other = (abstaining(sides[name][drawn], answerable[drawn], cuts[name]) for name in ("fitted", "cosine"))
        found.append([one[measure] - other[measure] for measure in one])
    low, high = np.quantile(found, (0.025, 0.975), axis=0)
    return {measure: (float(low[place]), float(high[place])) for place, measure in enumerate(one)}


def best_cut(scores: np.ndarray, answerable: np.ndarray) -> float:
    """The threshold with the fewest errors."""
    cuts = np.unique(scores)
    errors = [((scores >= cut) != (answerable == 1)).mean() for cut in cuts]
    return float(cuts[int(np.argmin(errors))])


def asked(file: Path, folder: Path) -> dict[str, float]:
    """A labelled question set: where the right document comes, and whether the facts are in what is found and in what
    the model reads of it; then its follow-ups, by themselves and as they are searched.
    """
    labelled = [question for question in load_questions(file) if question.answerable]
    print(f"\n{file.name}: {len(labelled)} answerable questions")
    embedder = embedder_named("all-MiniLM-L6-v2", api=Api())
    with benchmark_database() as url, psycopg.connect(url, autocommit=True) as conn:
        register_vector(conn)
        index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=10**7)

        def find(text: str, meaning: Mapping[str, float] | None = None) -> list[Passage]:
            return passages_for(conn, embedder, LateInteraction(embedder), text, meaning=meaning)

        asked_as = [Question(question.question, question.history) for question in labelled]
        found = [find(standalone(question), meaning_of(question, standalone(question))) for question in asked_as]
        read = [
            read_by_the_model(conn, question.question, passages)
            for question, passages in zip(labelled, found, strict=True)
        ]
        alone = [find(question.question) for question in labelled if question.history]
    first = places(labelled, found)
    leaning = [question for question in labelled if question.history]
    joined = [place for question, place in zip(labelled, first, strict=True) if question.history]
    measures = {
        "hit@1": within(first, 1),
        "hit@5": within(first, 5),
        f"facts found, in {PASSAGES} passages": holds(labelled, found),
        "facts read by the model": holds(labelled, read),
    }
    for name, where in (("by themselves", places(leaning, alone)), ("as searched", joined)):
        measures |= {f"follow-ups {name}, hit@{k}": within(where, k) for k in (1, 5) if leaning}
    for name, values in measures.items():
        low, high = interval(np.array(values, dtype=np.float64))
        print(f"  {name:<34} {np.mean(values):.3f} [{low:.3f}, {high:.3f}]  n={len(values)}")
    missed = [question.id for question, place in zip(labelled, first, strict=True) if place > 1]
    print(f"  not first: {' '.join(missed)}")
    return {name: float(np.mean(values)) for name, values in measures.items()}


def read_by_the_model(conn: psycopg.Connection, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """What the chain gives the model of what was found: quoted passages first, and around them what has room."""
    quoted = [quote.passage for quote in choose_quotes(question, passages)]
    order = list({passage.chunk_id: passage for passage in [*quoted, *passages]}.values())
    return grown(conn, order, most=MAX_PASSAGES, words=MAX_WORDS)


def places(labelled: Sequence[LabelledQuestion], found: Sequence[Sequence[Passage]]) -> list[int]:
    """For each question the place of its first right document, from 1; 99 if there is none."""
    return [
        next((place for place, p in enumerate(passages, 1) if p.document in question.sources), 99)
        for question, passages in zip(labelled, found, strict=True)
    ]


def holds(labelled: Sequence[LabelledQuestion], given: Sequence[Sequence[Passage]]) -> list[bool]:
    """For each question whether all of its facts stand in the passages, as they are read."""
    return [
        all(re.search(fact, "\n".join(p.reading for p in passages), re.IGNORECASE) for fact in question.expect)
        for question, passages in zip(labelled, given, strict=True)
    ]


def within(places: Sequence[int], k: int) -> list[bool]:
    """For each whether it is among the first k."""
    return [place <= k for place in places]


if __name__ == "__main__":
    main()
