"""Measures and fits the groundedness of statements against answers that people judged.

    python benchmarks/groundedness.py FILE [--out DIR] [--fit]

FILE has the fields of judged-answers (task, writer, turns, passages, answer, faithfulness from 1 to 4; from IBM/mt-
rag-benchmark, Apache-2.0). Statements of three content words or more count. Faithful are those of answers judged 3.5
or more, unfaithful those of 2.34 or less. The faithful ones are also put under another conversation's passages
(foreign) and changed in one place (benchmarks/changed_statements.py). Everything is cross-validated: what is said of
a conversation is fitted on the others, whole with all their writers and changes. Intervals of 95 % are from
resampling conversations' tasks. `--fit` writes the weights into the package; `--out` a picture of risk and coverage,
and examples to read.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import changed_statements as change  # noqa: E402 - the repository's root comes first
from benchmarks.additive_model import CURVES, WITHOUT_VECTORS, Array, as_weights, fit, log_odds  # noqa: E402
from retrieval.answering.groundedness.basis import Basis  # noqa: E402
from retrieval.answering.groundedness.features import FEATURES, extract_features, made_up  # noqa: E402
from retrieval.answering.groundedness.forms import typed  # noqa: E402
from retrieval.answering.groundedness.judge import Groundedness, as_judged  # noqa: E402
from retrieval.answering.groundedness.readings import Reader, StatementReading, rarity_by_length  # noqa: E402
from retrieval.answering.statements import statements_of  # noqa: E402
from retrieval.embedding import MiniLM  # noqa: E402
from retrieval.searching.passage import Passage, passage_of  # noqa: E402
from retrieval.text.words import content  # noqa: E402

KEPT = ROOT / "retrieval" / "answering" / "groundedness" / "groundedness_weights.json"
FAITHFUL, UNFAITHFUL = 3.5, 2.34
SHOWN = 0.9
"""Share of faithful statements that the threshold lets through, cross-validated."""
COUNTS = {
    "faithful": 1.0,
    "foreign": 8.0,
    "unfaithful": 0.3,
    "number": 6.5,
    "unit": 0.6,
    "code": 3.0,
    "name": 3.5,
    "number swapped": 0.5,
    "name swapped": 0.9,
    "negated": 7.5,
    "opposite": 0.7,
    "spliced": 0.7,
}
"""How much the statements of a kind count together in the fit."""
FALSE = 0.5
"""Share of false statements, over those that were written, that the probability is calibrated with."""
CHANGES: Mapping[str, tuple[Any, int]] = {
    "number": (change.number, 3),
    "unit": (change.unit, 2),
    "code": (change.code, 2),
    "name": (change.name, 2),
    "number swapped": (change.swapped, 1),
    "name swapped": (change.name, 1),
    "negated": (change.negated, 1),
    "opposite": (change.opposite, 1),
    "spliced": (change.spliced, 2),
}
"""How a statement is changed, and how often with different luck."""
ORDER = ("faithful", "foreign", *CHANGES, "unfaithful", "between")
EXACT = ("number", "unit", "code", "name")


@dataclass(frozen=True)
class Example:
    """A statement under the passages of a task, which for a foreign one is another."""

    kind: str
    text: str
    question: str
    task: str
    under: str
    writer: str
    domain: str
    faithfulness: float
    original: str = ""

    @property
    def conversation(self) -> str:
        return self.task.split("-")[0]


def main() -> None:
    """Measure, print; write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, help="a folder for the picture and the examples")
    parser.add_argument("--fit", action="store_true", help="write the weights into the package")
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    passages = {line["task"]: [as_passage(p) for p in line["passages"]] for line in lines}
    examples = examples_of(lines, random.Random(0))
    print(Counter(example.kind for example in examples))
    by_vectors, by_letters, known = features_of(examples, passages)
    folds = [example.conversation for example in examples]
    alone = {name: curve for name, curve in CURVES.items() if name not in WITHOUT_VECTORS}
    by_letters_alone = cross_validated(examples, by_letters, folds, alone)
    by_vectors_alone = cross_validated(examples, by_vectors, folds, CURVES)
    odds = both(examples, by_vectors_alone, by_letters_alone, known)
    report("cross-validated by conversation", examples, odds)
    report("two features, unfitted", examples, two_features(by_vectors))
    domains = [example.domain for example in examples]
    left_out = [
        cross_validated(examples, *model) for model in ((by_vectors, domains, CURVES), (by_letters, domains, alone))
    ]
    report("leave one domain out", examples, both(examples, left_out[0], left_out[1], known))
    report("letters alone, cross-validated by conversation", examples, by_letters_alone)
    reliability(examples, odds)
    timing(lines, passages)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        picture(examples, {"fitted": odds, "two features": two_features(by_vectors)}, given.out / "risk-coverage.png")
        (given.out / "examples.txt").write_text(read_by_eye(examples, odds), encoding="utf-8")
    if given.fit:
        write(examples, (by_vectors, by_vectors_alone, CURVES), (by_letters, by_letters_alone, alone))


def as_passage(entry: Mapping[str, str]) -> Passage:
    """A passage of the file."""
    return replace(passage_of(0, entry["title"], entry["text"]), document=entry["id"])


def domain_of(line: Mapping[str, Any]) -> str:
    """The collection that its passages are from: their ids begin with its name, those of Wikipedia with a number."""
    first = next((passage["id"].split("_")[0].split("-")[0] for passage in line["passages"]), "none")
    return "wikipedia" if first.isdigit() else first


def examples_of(lines: Sequence[Mapping[str, Any]], chance: random.Random) -> list[Example]:
    """All statements of all answers, and the faithful ones changed."""
    texts = {line["task"]: " ".join(p["text"] for p in line["passages"]) for line in lines}
    conversations = {line["task"].split("-")[0]: domain_of(line) for line in reversed(lines) if line["passages"]}
    true = [
        (line["task"], as_judged(statement, line["turns"][-1]["content"]))
        for line in lines
        if line["faithfulness"] >= FAITHFUL
        for statement in statements_of(line["answer"])
        if len(content(statement)) >= 3
    ]
    all_names = sorted({name for text in texts.values() for name in change.names_of(text)})
    found: list[Example] = []
    for line in lines:
        task, faithfulness = line["task"], line["faithfulness"]
        kind = "faithful" if faithfulness >= FAITHFUL else "unfaithful" if faithfulness <= UNFAITHFUL else "between"
        domain = conversations.get(task.split("-")[0], "none")
        question = line["turns"][-1]["content"]
        elsewhere = [other for other in texts if texts[other] and not other.startswith(task.split("-")[0])]
        pools = {
            "number": sorted(set(change.NUMBER.findall(texts[task]))),
            "code": sorted(typed(texts[task])),
            "name": [name for name in all_names if name.lower() not in texts[task].lower()],
            "number swapped": sorted(set(change.NUMBER.findall(texts[task]))),
            "name swapped": sorted(set(change.names_of(texts[task]))),
            "spliced": [text for other, text in true if not other.startswith(task.split("-")[0])],
        }
        for statement in statements_of(line["answer"]):
            text = as_judged(statement, question)
            if len(content(statement)) < 3:
                continue
            example = Example(kind, text, question, task, task, line["writer"], domain, faithfulness)
            found.append(example)
            if kind == "faithful":
                found += [replace(example, kind="foreign", under=chance.choice(elsewhere)) for _ in range(2)]
                found += changed(example, pools, chance)
    return found


def changed(example: Example, pools: Mapping[str, Sequence[str]], chance: random.Random) -> list[Example]:
    """A true statement in its false versions, each once. What is swapped comes from the same passages, what is changed
    does not stand in them.
    """
    found: dict[tuple[str, str], Example] = {}
    for kind, (make, times) in CHANGES.items():
        for _ in range(times):
            text = make(example.text, chance, pools.get(kind, ()))
            if text and text != example.text:
                found[kind, text] = replace(example, kind=kind, text=text, original=example.text)
    return list(found.values())


def features_of(examples: Sequence[Example], passages: Mapping[str, Sequence[Passage]]) -> tuple[Array, Array, Any]:
    """The features of each example with the vectors of words, and by the words' letters alone; and whether the
    embedding model knows its words, so that the former are used.
    """
    reader = Reader(MiniLM())
    texts = list(dict.fromkeys([e.text for e in examples] + [e.question for e in examples]))
    read: dict[str, StatementReading] = {}
    for start in range(0, len(texts), 64):
        batch = texts[start : start + 64]
        read |= dict(zip(batch, reader.statements(batch), strict=True))
        print(f"\rread {len(read)} of {len(texts)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    bases = {task: Basis(reader.passages(of_task)) for task, of_task in passages.items()}
    plain = {text: StatementReading(s.text, s.words, None, rarity_by_length(s.words)) for text, s in read.items()}
    features = [
        np.array(
            [extract_features(of_text[e.text], of_text[e.question], bases[e.under]).values for e in examples],
            dtype=np.float64,
        )
        for of_text in (read, plain)
    ]
    return features[0], features[1], np.array([read[e.text].vectors is not None for e in examples])


def both(examples: Sequence[Example], by_vectors: Array, by_letters: Array, known: Any) -> Array:
    """The log odds over the threshold by the weights that are used for each example."""
    by_vectors = by_vectors - threshold_of(examples, by_vectors)
    return np.where(known, by_vectors, by_letters - threshold_of(examples, by_letters))


def cross_validated(
    examples: Sequence[Example], features: Array, folds: Sequence[str], curves: Mapping[str, Any]
) -> Array:
    """The log odds of each example, fitted without its fold."""
    true, counts = labels(examples)
    found, of_fold = np.zeros(len(examples)), np.array(folds)
    for fold in sorted(set(folds)):
        rest = (of_fold != fold) & (counts > 0)
        steps = fit(features[rest], true[rest], counts[rest], curves)
        found[of_fold == fold] = log_odds(steps, features[of_fold == fold], curves)
    return without_made_up(found, features) if "nearness" in curves else found


def without_made_up(odds: Array, features: Array) -> Array:
    """The log odds, the least of all for what the check takes for made up."""
    return np.where(made_up(features), odds.min(), odds)


def labels(examples: Sequence[Example]) -> tuple[Array, Array]:
    """1 for what is faithful, and how much each statement counts."""
    sizes = Counter(example.kind for example in examples)
    counts = [COUNTS.get(example.kind, 0.0) / sizes[example.kind] for example in examples]
    return np.array([float(example.kind == "faithful") for example in examples]), np.array(counts)


def two_features(features: Array) -> Array:
    """Nearness to the best window plus the share of words in the best three; numbers must be held."""
    found = {name: features[:, FEATURES.index(name)] for name in ("nearness", "letters of all", "number missing")}
    return np.asarray(found["nearness"] + found["letters of all"] - 5 * (found["number missing"] > 0))


def threshold_of(examples: Sequence[Example], odds: Array, share: float = SHOWN) -> float:
    """What a share of the faithful statements reaches."""
    return float(np.quantile(odds[mask(examples, "faithful")], 1 - share))


def mask(examples: Sequence[Example], *kinds: str, **fields: str) -> Any:
    """Which examples are of these kinds and have these values."""
    return np.array([e.kind in kinds and all(getattr(e, n) == v for n, v in fields.items()) for e in examples])


def report(title: str, examples: Sequence[Example], odds: Array) -> None:
    """What is shown of each kind, writer and domain."""
    threshold = threshold_of(examples, odds)
    shown = odds >= threshold
    tasks = np.array([example.task for example in examples])
    print(f"\n{title}: shown (95 % interval)")
    for kind in ORDER:
        print_row(kind, shown, mask(examples, kind), tasks)
    print_row("a number, unit, code or name", shown, mask(examples, *EXACT), tasks)
    for writer in sorted({example.writer for example in examples}):
        print_row(f"faithful: {writer}", shown, mask(examples, "faithful", writer=writer), tasks)
    for domain in sorted({example.domain for example in examples}):
        print_row(f"faithful: {domain}", shown, mask(examples, "faithful", domain=domain), tasks)
        print_row(f"unfaithful: {domain}", shown, mask(examples, "unfaithful", domain=domain), tasks)


def print_row(name: str, shown: Any, which: Any, tasks: Any) -> None:
    """A line of the table; nothing where there is no example."""
    if not which.any():
        return
    low, high = interval(shown[which], tasks[which])
    print(f"  {name:32} {which.sum():5}  {shown[which].mean():.3f} [{low:.3f}, {high:.3f}]")


def interval(shown: Any, tasks: Any, times: int = 1000) -> tuple[float, float]:
    """Of the mean, from resampling whole tasks."""
    chance = np.random.default_rng(0)
    names, place = np.unique(tasks, return_inverse=True)
    hits, sizes = np.bincount(place, weights=shown), np.bincount(place)
    draws = chance.integers(0, len(names), (times, len(names)))
    means = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def calibrated(examples: Sequence[Example], odds: Array) -> tuple[float, float]:
    """Scale and shift of log odds to a probability (Platt 1999).

    What an answer was judged stands for each of its statements: 4 is 1, 1 is 0. Those that were changed or put under
    other passages are false, and count FALSE times as much together. What is taken for made up has the least odds of
    all and a probability of its own: it says nothing here.
    """
    kept = odds > odds.min()
    examples, odds = [example for example, is_kept in zip(examples, kept, strict=True) if is_kept], odds[kept]
    natural = mask(examples, "faithful", "between", "unfaithful")
    true = np.where(natural, [(example.faithfulness - 1) / 3 for example in examples], 0.0)
    counts = np.where(natural, 1 / natural.sum(), FALSE / (~natural).sum())
    size = np.abs(odds).mean()

    def loss(found: Array) -> float:
        total = found[0] * odds / size + found[1]
        return float(counts @ (np.logaddexp(0, total) - true * total))

    slope, shift = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope / size), float(shift)


def reliability(examples: Sequence[Example], odds: Array) -> None:
    """How faithful answers were judged whose statements got a probability, in fifths."""
    scale, shift = calibrated(examples, odds)
    natural = mask(examples, "faithful", "between", "unfaithful")
    probability = (1 / (1 + np.exp(-(odds * scale + shift))))[natural]
    judged = np.array([(example.faithfulness - 1) / 3 for example in examples])[natural]
    print("\nof what was written: probability, and what people judged (1 is 4 of 4)")
    for part in np.array_split(np.argsort(probability), 5):
        print(f"  {probability[part].mean():.3f}  {judged[part].mean():.3f}  ({len(part)})")


def timing(lines: Sequence[Mapping[str, Any]], passages: Mapping[str, Sequence[Passage]]) -> None:
    """Processor time of one statement after another, one core, passages read already."""
    judge = Groundedness(MiniLM(workers=1))
    times = []
    for line in lines[:60]:
        question, of_task = line["turns"][-1]["content"], passages[line["task"]]
        judge.judge(question, ["The passages are read."], of_task)
        for text in statements_of(line["answer"]):
            started = time.thread_time()
            judge.judge(question, [text], of_task)
            times.append(time.thread_time() - started)
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"\none statement: p50 {statistics.median(times) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms ({len(times)})")


def picture(examples: Sequence[Example], curves: Mapping[str, Array], path: Path) -> None:
    """Left: how many of the statements that were written are shown, and the share of unfaithful ones in them.
    Right: how many faithful ones are shown, and how many that were changed in one place.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    natural, faithful = mask(examples, "faithful", "unfaithful", "between"), mask(examples, "faithful")
    wrong, changed_one = mask(examples, "unfaithful")[natural], mask(examples, *EXACT, "negated")
    for name, odds in curves.items():
        order = np.argsort(-odds[natural])
        shown = np.arange(1, len(order) + 1)
        left.plot(shown / len(order), np.cumsum(wrong[order]) / shown, label=name)
        thresholds = np.quantile(odds[faithful], np.linspace(0, 1, 200))
        shares = [((odds[faithful] >= t).mean(), (odds[changed_one] >= t).mean()) for t in thresholds]
        right.plot(*zip(*shares, strict=True), label=name)
    left.axhline(wrong.mean(), color="grey", linestyle=":", label="everything shown")
    left.set(xlabel="written statements shown (coverage)", ylabel="of these, from unfaithful answers (risk)")
    right.set(xlabel="faithful statements shown", ylabel="changed in one place, shown")
    left.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"Wrote {path}")


def read_by_eye(examples: Sequence[Example], odds: Array) -> str:
    """Ten faithful statements that are refused, and ten of unfaithful answers or of a changed kind that are shown."""
    threshold, chance = threshold_of(examples, odds), random.Random(1)
    refused = [i for i in np.flatnonzero(mask(examples, "faithful")) if odds[i] < threshold]
    passed = [i for i in np.flatnonzero(mask(examples, "unfaithful")) if odds[i] >= threshold]
    altered = [i for i in np.flatnonzero(mask(examples, *EXACT, "negated")) if odds[i] >= threshold]
    parts = []
    for title, which in (("refused", refused), ("shown, unfaithful", passed), ("shown, changed", altered)):
        parts.append(f"## {title} ({len(which)})")
        for i in chance.sample(which, min(10, len(which))):
            example = examples[i]
            was = f"\n    was: {example.original}" if example.original else ""
            parts.append(
                f"- {odds[i] - threshold:+.2f} {example.kind}, {example.writer}, {example.task}\n"
                f"    question: {example.question}\n    {example.text}{was}"
            )
    return "\n".join(parts) + "\n"


def write(examples: Sequence[Example], *models: tuple[Array, Array, Mapping[str, Any]]) -> None:
    """The weights fitted on everything, with the threshold that cross-validation chose."""
    true, counts = labels(examples)
    kept: dict[str, Any] = {"embedder": MiniLM.name}
    for name, (features, odds, curves) in zip(("vectors", "letters"), models, strict=True):
        steps = fit(features[counts > 0], true[counts > 0], counts[counts > 0], curves)
        scale, shift = calibrated(examples, odds)
        kept[name] = as_weights(steps, threshold_of(examples, odds), scale, shift, curves)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"Wrote {KEPT}")


if __name__ == "__main__":
    main()
