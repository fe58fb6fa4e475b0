"""Does the system know when the documents do not answer? The confidence as it stands beside the one before, on domains
that nothing was fitted on.

    python benchmarks/abstention.py --table table.jsonl --judged FILE.jsonl \\
        --set mtrag-cloud QUESTIONS.jsonl DOCUMENTS --crossed grbl QUESTIONS.jsonl DOCUMENTS \\
        --crossed company examples/questions/company.jsonl examples/company

Domains: labelled question sets (`--set`; of kinds answerable and unanswerable, others do not count; or with and without
sources); sets of which each is also asked of the other's documents (`--crossed`, two of them); answers that were judged
(`--judged`: their questions, also asked without the passages that answer them); fitz-gov (a sample of 840 questions,
1,000 documents) and zaragoza-construction-faq (every other question, asked of either half of the answers) if they are
installed. Each corpus is indexed into a database of its own. What was measured of each question is kept in the table
(JSON Lines): with one that is there already, nothing is indexed.

Then, with each domain left out in turn (mtrag-cloud and the judged questions about the same documents together):
weights and threshold are fitted on the others, so that in none of these more than `WRONGLY` of the answerable are
refused, and judge it. `--print` gives the weights that are fitted on all. `--recorded` adds what a capable model said:
lines with `id` and `probability of yes` of mtrag-cloud's questions.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector.psycopg import register_vector

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.retrieval_quality import fitz_gov
from benchmarks.server import benchmark_database
from retrieval.answering.answer import Question, Turn
from retrieval.answering.evidence.confidence import COMPARED, NOT_COMPARED, Calibration
from retrieval.answering.evidence.marks import READ, Marks, logit, marks
from retrieval.answering.measuring.calibration import risk_coverage, separation
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.passages import best_distinct
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.answering.question.mentions import names_only_what_is_missing
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import LateInteraction
from retrieval.searching.search import search

Array = npt.NDArray[np.float64]

WRONGLY = 0.08
"""Share of answerable questions that may be refused in each domain that is fitted on."""
MOST_WRONGLY = 0.10
FIRM = 1.0
"""Of the ridge, beside the weight of one question."""
RESAMPLES = 1000
FOLDS = 10
TOGETHER = {"mtrag-cloud": {"judged-cloud"}, "judged-cloud": {"mtrag-cloud"}, "grbl": set(), "company": set()}
FITTED_ON = ("mtrag-cloud", "construction", "fitz-gov", "grbl", "company")
"""Domains whose answerable questions set the threshold: of the judged ones too few are there, and their labels
coarse.
"""
OLD_WEIGHTS, OLD_THRESHOLD = (5.7, 2.3, 11.4, -8.3), 0.3
SAMPLE = 420
"""Questions of fitz-gov of each kind."""


@dataclass(frozen=True)
class Row:
    """A question as it was judged. `old`: the marks of the confidence before; `only_missing`: all codes that it names
    stand nowhere.
    """

    domain: str
    id: str
    kind: str
    answerable: bool | None
    marks: Mapping[str, float | None]
    old: Sequence[float]
    only_missing: bool


@dataclass(frozen=True)
class Asked:
    """A question, and the documents that are taken from what is found."""

    question: LabelledQuestion
    answerable: bool | None
    kind: str
    without: frozenset[str] = frozenset()


def main() -> None:
    """Measure what is not in the table yet, and report."""
    options = arguments()
    if not options.table.exists():
        with options.table.open("w", encoding="utf-8") as kept:
            for row in measured(options):
                kept.write(json.dumps(asdict(row)) + "\n")
    rows = [Row(**json.loads(line)) for line in options.table.read_text(encoding="utf-8").splitlines()]
    recorded = said_by_model(options.recorded) if options.recorded else {}
    domains = list(dict.fromkeys(row.domain for row in rows))
    for names in (COMPARED, NOT_COMPARED):
        print(f"\nmarks: {', '.join(names)}")
        for domain in domains:
            report(domain, rows, names, recorded)
    if options.print:
        for names in (COMPARED, NOT_COMPARED):
            print(fitted([row for row in rows if row.answerable is not None], names))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    for name in ("--set", "--crossed"):
        parser.add_argument(name, nargs=3, action="append", default=[], metavar=("NAME", "QUESTIONS", "DOCUMENTS"))
    parser.add_argument("--judged", type=Path, metavar="FILE")
    parser.add_argument("--given", action="store_true", help="only the sets that are given")
    parser.add_argument("--recorded", type=Path, metavar="FILE")
    parser.add_argument("--print", action="store_true")
    return parser.parse_args()


# What is asked of which documents.


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """A row for each question of all domains."""
    for name, questions, documents in options.set:
        yield from asked_of(name, Path(documents), [labelled(one) for one in load_questions(Path(questions))])
    sets = [(name, load_questions(Path(questions)), Path(folder)) for name, questions, folder in options.crossed]
    for name, questions, folder in sets:
        others = [one for other, theirs, _ in sets if other != name for one in theirs]
        crossed = [Asked(one, False, "crossed") for one in others]
        yield from asked_of(name, folder, [*(labelled(one) for one in questions), *crossed])
    if options.judged:
        yield from judged(options.judged)
    if find_spec("zaragoza_construction_faq") and not options.given:
        yield from construction()
    if find_spec("fitz_gov") and not options.given:
        yield from many_trades()


def labelled(question: LabelledQuestion) -> Asked:
    """By its kind, where that says it; partly answerable and underspecified ones count as neither."""
    known = {"answerable": True, "unanswerable": False, "partial": None, "underspecified": None}
    return Asked(question, known.get(question.kind, question.answerable), question.kind)


def judged(file: Path) -> Iterator[Row]:
    """The documents are the passages of all of the questions: of technical documentation, and of an encyclopedia."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    tasks = {line["task"]: line for line in lines if line["passages"]}.values()
    for domain, is_cloud in (("judged-cloud", True), ("judged-wiki", False)):
        mine = [task for task in tasks if task["passages"][0]["id"].startswith("ibmcld") == is_cloud]
        documents = {p["id"].replace("/", "_"): (p["title"], p["text"]) for task in mine for p in task["passages"]}
        questions = []
        for task in mine:
            *before, last = [Turn("user" if t["role"] == "user" else "assistant", t["content"]) for t in task["turns"]]
            question = LabelledQuestion(task["task"], last.text, task["answerability"], (), (), tuple(before))
            questions.append(labelled(question))
            if question.kind == "answerable":
                own = frozenset(passage["id"].replace("/", "_") for passage in task["passages"])
                questions.append(Asked(question, False, "its passages removed", own))
        yield from asked_of_texts(domain, documents, questions)


def construction() -> Iterator[Row]:
    """Either half of the answers, asked the questions of both."""
    from zaragoza_construction_faq import load

    entries = list(enumerate(load(lang="en")[::2]))
    for half in (0, 1):
        documents = {str(place): ("", entry["a"]) for place, entry in entries if place % 2 == half}
        questions = [
            Asked(LabelledQuestion(f"{half}-{place}", entry["q"], "faq", (), ()), place % 2 == half, "faq")
            for place, entry in entries
        ]
        yield from asked_of_texts("construction", documents, questions)


def many_trades() -> Iterator[Row]:
    """A sample of fitz-gov: questions with their documents, those without with what resembles an answer."""
    collection, dice = fitz_gov(), random.Random(0)
    known = dice.sample(list(collection.queries), SAMPLE)
    nothing = dice.sample(list(collection.unanswerable), SAMPLE)
    names = set().union(*(right for _, right in known))
    names |= set(dice.sample(sorted(set(collection.documents) - names), 700))
    questions = [Asked(LabelledQuestion(str(n), q, "fitz", (), ()), True, "fitz") for n, (q, _) in enumerate(known)]
    questions += [Asked(LabelledQuestion(f"n{n}", q, "fitz", (), ()), False, "fitz") for n, q in enumerate(nothing)]
    yield from asked_of_texts("fitz-gov", {name: collection.documents[name] for name in sorted(names)}, questions)


def asked_of_texts(domain: str, documents: Mapping[str, tuple[str, str]], questions: Sequence[Asked]) -> Iterator[Row]:
    """As files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (title, text) in documents.items():
            Path(folder, f"{name}.md").write_text(f"# {title}\n\n{text}\n" if title.strip() else text + "\n")
        yield from asked_of(domain, Path(folder), questions)


def asked_of(domain: str, folder: Path, questions: Sequence[Asked]) -> Iterator[Row]:
    """A row for each question, as the chain finds its passages."""
    embedder = MiniLM()
    with benchmark_database() as url, psycopg.connect(url, autocommit=True) as conn:
        register_vector(conn)
        index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=10**7)
        reranker = LateInteraction(embedder)
        for one in questions:
            question = Question(one.question.question, one.question.history)
            asked = standalone(question)
            meaning = meaning_of(question, asked)
            found = search(conn, embedder, asked, k=60, meaning=meaning)
            found = [passage for passage in found if Path(passage.document).stem not in one.without]
            yield row(domain, one, best_distinct(reranker, asked, found))
    print(f"{domain}: {len(questions)} questions", flush=True)


def row(domain: str, one: Asked, passages: Sequence[Passage]) -> Row:
    """What is measured of a question."""
    found = marks(one.question.question, passages)
    only_missing = names_only_what_is_missing(one.question.question, passages)
    return Row(domain, one.question.id, one.kind, one.answerable, asdict(found), old_marks(passages), only_missing)


def old_marks(passages: Sequence[Passage]) -> tuple[float, float, float]:
    """Of the confidence before: nearest passage, best sentence, the mean of the three nearest sentences."""
    sentences = [sentence for passage in passages[:READ] for sentence in passage.sentences]
    near = sorted((sentence.similarity for sentence in sentences), reverse=True)[:3]
    return (
        max((passage.similarity for passage in passages[:READ]), default=0.0),
        max((sentence.similarity + sentence.overlap for sentence in sentences), default=0.0),
        sum(near) / 3,
    )


# What is made of it.


def report(domain: str, rows: Sequence[Row], names: Sequence[str], recorded: Mapping[str, float]) -> None:
    """One domain, by what was fitted on the others."""
    left_out = {domain} | TOGETHER.get(domain, set())
    known = [row for row in rows if row.answerable is not None]
    calibration = fitted([row for row in known if row.domain not in left_out], names)
    mine = [row for row in known if row.domain == domain]
    mine = [row for row in mine if row.id in recorded] or mine
    answerable = np.array([row.answerable for row in mine], dtype=np.float64)
    sides = {
        "before": (np.array([old_confidence(row) for row in mine]), OLD_THRESHOLD),
        "now": (np.array([confidence(row, calibration) for row in mine]), calibration.threshold),
    }
    if recorded and all(row.id in recorded for row in mine):
        said = np.array([logit(recorded[row.id]) for row in mine])
        sides["as shipped"] = (
            np.array([confidence(r, calibration, recorded[r.id]) for r in mine]),
            calibration.threshold,
        )
        sides["yes fitted"] = (with_yes(sides["now"][0], said, answerable), calibration.threshold)
    print(f"  {domain}: {int(answerable.sum())} answerable, {int((1 - answerable).sum())} not")
    for side, (scores, threshold) in sides.items():
        told = "".join(
            f"  {name} {value:.2f} [{low:.2f}, {high:.2f}]"
            for name, (value, low, high) in with_intervals(scores, answerable, threshold).items()
        )
        print(f"    {side:<15}{told}")


def with_yes(judged: Array, said: Array, answerable: Array) -> Array:
    """The confidence with the logit of the model's yes, its weight and middle fitted by tenfold cross-validation: there
    is one recording, so that its domain cannot be left out. Prints those that are fitted on all.
    """
    alone = np.log(np.clip(judged, 1e-6, 1 - 1e-6) / (1 - np.clip(judged, 1e-6, 1 - 1e-6)))
    found, fold = np.zeros(len(said)), np.arange(len(said)) % FOLDS
    for number in range(FOLDS):
        held = fold == number
        weight, middle = weight_and_middle(alone[~held], said[~held], answerable[~held])
        found[held] = 1 / (1 + np.exp(-(alone[held] + weight * (said[held] - middle))))
    print("    weight of yes and its middle:", weight_and_middle(alone, said, answerable))
    return found


def weight_and_middle(alone: Array, said: Array, answerable: Array) -> tuple[float, float]:
    """Those of the least loss, both kinds of questions counting as much."""
    share = np.where(answerable == 1, 0.5 / answerable.sum(), 0.5 / (1 - answerable).sum())
    options = [(weight, middle) for weight in np.arange(0, 8.1, 0.25) for middle in np.arange(-2, 3.01, 0.1)]

    def loss(option: tuple[float, float]) -> float:
        total = alone + option[0] * (said - option[1])
        return float((share * np.logaddexp(0, np.where(answerable == 1, -total, total))).sum())

    best = min(options, key=loss)
    return float(best[0]), float(best[1])


def with_intervals(scores: Array, answerable: Array, threshold: float) -> dict[str, tuple[float, float, float]]:
    """Each figure with its 95 % percentile bootstrap interval over questions, of each kind as many."""
    dice = np.random.default_rng(0)
    kinds = [np.flatnonzero(answerable == kind) for kind in (0, 1)]
    drawn = [np.concatenate([dice.choice(kind, len(kind)) for kind in kinds]) for _ in range(RESAMPLES)]
    resampled = [figures(scores[some], answerable[some], threshold) for some in drawn]
    found = figures(scores, answerable, threshold)
    bounds = {name: np.quantile([one[name] for one in resampled], (0.025, 0.975)) for name in found}
    return {name: (value, float(bounds[name][0]), float(bounds[name][1])) for name, value in found.items()}


def figures(scores: Array, answerable: Array, threshold: float) -> dict[str, float]:
    """What is refused at the threshold; and whatever threshold is chosen."""
    refused = scores < threshold
    return {
        "refused": float(refused[answerable == 0].mean()),
        "wrongly": float(refused[answerable == 1].mean()),
        "AUROC": separation(scores, answerable),
        f"at {MOST_WRONGLY:.0%} wrongly": at_most_wrongly(scores, answerable),
        "area": float(risk_coverage(scores, answerable).mean()),
    }


def at_most_wrongly(scores: Array, answerable: Array) -> float:
    """The share of unanswerable questions refused at the threshold that refuses `MOST_WRONGLY` of the others."""
    right = np.sort(scores[answerable == 1])
    threshold = right[int(MOST_WRONGLY * len(right))]
    return float((scores[answerable == 0] < threshold).mean())


def old_confidence(row: Row) -> float:
    """By the weights that were there."""
    *weights, bias = OLD_WEIGHTS
    return float(1 / (1 + np.exp(-(np.dot(weights, row.old) + bias))))


def confidence(row: Row, calibration: Calibration, says_yes: float | None = None) -> float:
    """As the chain has it: 0 where all codes that are named are missing."""
    if row.only_missing:
        return 0.0
    return calibration.confidence(Marks(**row.marks), says_yes=says_yes)  # type: ignore[arg-type]


def fitted(rows: Sequence[Row], names: Sequence[str]) -> Calibration:
    """A ridge logistic regression in which each domain counts as the root of its size, and in it both kinds as much;
    its threshold is the highest at which no domain loses more than `WRONGLY`.
    """
    features = np.array([[row.marks[name] for name in names] for row in rows], dtype=np.float64)
    answerable = np.array([row.answerable for row in rows], dtype=np.float64)
    sizes = dict.fromkeys({(row.domain, row.answerable) for row in rows}, 0)
    for row in rows:
        sizes[row.domain, row.answerable] += 1
    counted = {domain: min(150, sum_of(sizes, domain)) ** 0.5 for domain, _ in sizes}
    weight = np.array([counted[row.domain] / sizes[row.domain, row.answerable] for row in rows])
    weights = newton(features, answerable, weight * len(rows) / weight.sum())
    unbounded = Calibration(tuple(map(float, weights)), 0.0, tuple(names))
    judged: dict[str, list[float]] = {}
    for row in rows:
        if row.answerable and row.domain in FITTED_ON:
            judged.setdefault(row.domain, []).append(confidence(row, unbounded))
    threshold = min(float(np.quantile(right, WRONGLY)) for right in judged.values())
    return Calibration(unbounded.weights, threshold, tuple(names))


def sum_of(sizes: Mapping[tuple[str, Any], int], domain: str) -> int:
    """Questions of a domain."""
    return sum(size for (name, _), size in sizes.items() if name == domain)


def newton(features: Array, answerable: Array, weight: Array, steps: int = 30) -> Array:
    """Weights and bias by iteratively reweighted least squares, on standardized features."""
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = np.hstack([(features - middle) / spread, np.ones((len(features), 1))])
    ridge = np.diag([FIRM] * features.shape[1] + [1e-6])
    found = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ found))
        gradient = x.T @ (weight * (p - answerable)) + ridge @ found
        found -= np.linalg.solve((x * (weight * p * (1 - p))[:, None]).T @ x + ridge, gradient)
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - weights @ middle)


def said_by_model(file: Path) -> dict[str, float]:
    """The probability of yes by question."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    said = {line["id"]: line.get("probability of yes", line.get("answers", {}).get("yes")) for line in lines}
    return {name: float(yes) for name, yes in said.items() if yes is not None}


if __name__ == "__main__":
    main()
