"""RAG, fine-tuning, or both, on the questions and answers of one trade: does an adapter win on what it never saw?

    pip install --no-deps zaragoza-construction-faq==1.2.1
    python benchmarks/trade_faq.py OUT --threads 4

The data is zaragoza-construction-faq (CC-BY-4.0), Swedish building in English; answers that name its author's firm are
left out. Clusters of like questions are held out whole. What is indexed is what a company would have: the answers of
the training side, under their questions. The adapter learns from the same answers, with and without passages. All arms
answer held-out questions, one of each cluster; the gate's rule decides. Facts are the numbers of the right answer. OUT
keeps what is done: started again, it goes on with the next answer.
"""

import argparse
import hashlib
import json
import platform
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from finetune.comparison.arms import compare_arms
from finetune.comparison.outcomes import ARMS, Written
from finetune.comparison.report import Comparison, compare
from finetune.dataset.general import general_questions
from finetune.dataset.grounding import Grounding, prompt
from finetune.dataset.guards import without_markers
from finetune.dataset.likeness import cluster_names
from finetune.evaluation.gate import Guard, Outcome, decide
from finetune.evaluation.scoring import bare, chrf, facts
from finetune.training.process import run
from finetune.training.spec import Step, Trained, TrainingSpec
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.models import model_place
from journeyman.rounds import comparison_parts, training_environment
from journeyman.settings import Settings
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.prompt import SMALL, closed_book_prompt
from retrieval.text.words import numerals

FIRM = re.compile("zaragoza", re.IGNORECASE)
HELD_OUT = 5  # one cluster in so many
PASSAGES = 3
ROLES = {"system": "system", "human": "user"}


def entries() -> list[dict[str, str]]:
    """Questions and answers, without those that advertise."""
    from zaragoza_construction_faq import load

    return [entry for entry in load(lang="en") if not FIRM.search(entry["q"] + entry["a"])]


def write_documents(folder: Path, training: Sequence[dict[str, str]]) -> None:
    """One page for each subject."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in {entry["category"] for entry in training}:
        parts = [f"## {entry['q']}\n\n{entry['a']}\n" for entry in training if entry["category"] == category]
        (folder / f"{category}.md").write_text(f"# {category}\n\n" + "\n".join(parts))


def write_dataset(app: Application, folder: Path, training: Sequence[dict[str, str]], with_passages: int) -> None:
    """Every answer to its question alone; some also to the question with passages, of which one holds the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    search = Grounding(app.pool, app.embedder, app.model).search
    dice, lines = random.Random(0), []
    for place, entry in enumerate(training):
        turns = closed_book_prompt().format_messages(question=entry["q"])
        alone = [{"role": ROLES[turn.type], "content": without_markers(turn.text)} for turn in turns]
        lines.append(line(f"a{place}", entry, alone))
    for place, entry in enumerate(dice.sample(list(training), min(with_passages, len(training)))):
        passages = search(entry["q"])[:PASSAGES]
        dice.shuffle(passages)
        lines.append(line(f"p{place}", entry, prompt(SMALL, entry["q"], passages)))
    dice.shuffle(lines)
    (folder / "train.sft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))


def line(example: str, entry: dict[str, str], turns: list[Any]) -> dict[str, Any]:
    completion = [{"role": "assistant", "content": entry["a"]}]
    return {"prompt": turns, "completion": completion, "question": entry["q"], "example": example}


def answered(app: Application, labelled: LabelledQuestion, adapter: Path, folder: Path) -> dict[str, Written]:
    """What each arm answers to a question, which is kept in `folder`."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{labelled.id}.json"
    if not file.exists():
        parts = comparison_parts(app)
        comparison = compare_arms(parts, [labelled], ARMS, adapter, None, lambda: print(".", end="", flush=True))
        answers = {arm: asdict(answer) for arm, (answer,) in comparison.answers.items()}
        file.with_suffix(".writing").write_text(json.dumps(answers))
        file.with_suffix(".writing").rename(file)
    return {arm: Written(**values) for arm, values in json.loads(file.read_text()).items()}


def outcomes(answers: Sequence[Written], right: dict[str, str], cluster: dict[str, str]) -> list[Outcome]:
    """Scores for the gate: the answer's, and the share of the right answer's numbers that it names."""
    scored = []
    for answer in answers:
        text = bare(answer.answer)
        numbers = set(numerals(right[answer.id]))
        scores = {"answer": answer.score, "chrf": chrf(text, right[answer.id])}
        if numbers:
            scores["facts"] = len(numbers & set(numerals(text))) / len(numbers)
        scored.append(Outcome(answer.id, scores, cluster=cluster[answer.id]))
    return scored


def general(model: Any) -> list[Outcome]:
    """What everybody knows."""
    return [
        Outcome(
            f"g{place}", {"general": facts(model.invoke([("human", item.question)], max_tokens=24).text, item.expect)}
        )
        for place, item in enumerate(general_questions())
    ]


def mean(scored: Sequence[Outcome], score: str) -> float:
    values = [outcome.scores[score] for outcome in scored if score in outcome.scores]
    return sum(values) / len(values)


@dataclass(frozen=True)
class Sides:
    """What is learnt from, and what is asked: one question of each cluster that is held out, with the cluster's name.

    The others of a cluster would say the same once more.
    """

    training: Sequence[dict[str, str]]
    held_out: Sequence[tuple[dict[str, str], str]]

    @property
    def questions(self) -> list[LabelledQuestion]:
        return [
            LabelledQuestion(entry["id"], entry["q"], "fact", ["held out"], [], answer=entry["a"])
            for entry, _ in self.held_out
        ]

    @property
    def clusters(self) -> dict[str, str]:
        return {entry["id"]: cluster for entry, cluster in self.held_out}


def sides(app: Application, most: int) -> Sides:
    """The entries in two sides, whole clusters of like questions on one of them; at most so many are asked."""
    all_entries = entries()
    clusters = cluster_names(app.embedder, [entry["q"] for entry in all_entries])
    rows = list(zip(all_entries, clusters, strict=True))
    training = [entry for entry, cluster in rows if not is_held_out(cluster)]
    first = {cluster: entry for entry, cluster in rows[::-1] if is_held_out(cluster)}
    held_out = [(entry, cluster) for cluster, entry in sorted(first.items())]
    random.Random(0).shuffle(held_out)
    held_out = held_out[:most]
    print(
        f"{len(rows)} entries, {len(set(clusters))} clusters; {len(training)} to learn, {len(held_out)} asked",
        flush=True,
    )
    return Sides(training, held_out)


def is_held_out(cluster: str) -> bool:
    """Whether a cluster is on the side that is asked: one in so many, by chance that is always the same."""
    return int(hashlib.sha256(f"c{cluster}".encode()).hexdigest(), 16) % HELD_OUT == 0


def train_adapter(app: Application, options: argparse.Namespace, dataset: Path) -> Trained:
    """An adapter over the dataset, in the folder `run`."""
    spec = TrainingSpec(
        model=str(model_place(app.settings)),
        dataset=str(dataset.resolve()),
        rank=options.rank,
        epochs=options.epochs,
        learning_rate=options.rate,
        tokens_per_step=2048,
        max_length=768,
        threads=options.threads,
        device="cpu",
    )

    def on_step(step: Step | None) -> None:
        if step and step.step % 10 == 0:
            print(f"{step.step}/{step.steps} loss {step.loss:.3f} {step.tokens_per_second:.0f} tokens/s", flush=True)

    trained = run(options.out / "run", spec, on_step, environment=training_environment())
    print(f"trained on {trained.examples} examples, {trained.tokens} tokens in {trained.seconds:.0f} s", flush=True)
    return trained


def compared(app: Application, out: Path, adapter: Path, data: Sides, examples: int) -> Comparison:
    """The comparison of all arms over what is held out, from `out` where it was made before."""
    file = out / "comparison.json"
    if not file.exists():
        rows = [answered(app, labelled, adapter, out / "answers") for labelled in data.questions]
        # Asked one by one, each question was a cluster of its own, of the same name.
        answers = {arm: [replace(row[arm], cluster=data.clusters[row[arm].id]) for row in rows] for arm in ARMS}
        comparison = compare(answers, examples)
        file.write_text(json.dumps(comparison.as_dict()))
        if chart := comparison.chart():
            (out / "arms.png").write_bytes(chart)
    return Comparison.from_dict(json.loads(file.read_text()))


def print_gate(app: Application, comparison: Comparison, adapter: Path, data: Sides) -> None:
    """The scores of each arm, what the adapter forgot, and what the gate says of three pairs."""
    right = {entry["id"]: entry["a"] for entry, _ in data.held_out}
    arms = {arm: outcomes(answers, right, data.clusters) for arm, answers in comparison.answers.items()}
    for arm, scored in arms.items():
        print(f"{arm}: " + ", ".join(f"{score} {mean(scored, score):.3f}" for score in ("answer", "chrf", "facts")))
    model: Any = app.model
    knowledge = {"base": general(model), "tuned": general(model.with_adapter(adapter))}
    print("general: " + ", ".join(f"{arm} {mean(scored, 'general'):.3f}" for arm, scored in knowledge.items()))
    guards = (Guard("facts", most_lost=0.02), Guard("general", most_lost=0.1))
    for candidate, active in (("finetuned", "base"), ("rag+finetuned", "rag"), ("finetuned", "rag")):
        verdict = decide([*arms[candidate], *knowledge["tuned"]], [*arms[active], *knowledge["base"]], guards)
        print(f"gate, {candidate} over {active}, {verdict.gain}: {verdict.decision}. {verdict.reason}")


def options_given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--with-passages", type=int, default=60, metavar="N", help="Examples that have passages.")
    parser.add_argument("--most", type=int, default=60, metavar="N", help="Held-out questions that are asked.")
    return parser.parse_args()


def main() -> None:
    options = options_given()
    settings = Settings(home=options.out / "home", threads=options.threads, max_answer_tokens=64)
    with application(settings) as app:
        data = sides(app, options.most)
        write_documents(options.out / "documents", data.training)
        index_paths(app.indexing, [options.out / "documents"], "default", lambda _: None)
        dataset, adapter = options.out / "dataset", options.out / "run" / "adapter"
        if not (dataset / "train.sft.jsonl").exists():
            write_dataset(app, dataset, data.training, options.with_passages)
        trained = train_adapter(app, options, dataset)
        comparison = compared(app, options.out, adapter, data, trained.examples)
        print(f"\n{comparison.table(None)}\n\n{comparison.advice}\n")
        print_gate(app, comparison, adapter, data)
    print(f"{platform.machine()}, {options.threads} threads")


if __name__ == "__main__":
    main()
