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
from dataclasses import asdict, replace
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
from finetune.training.spec import Step, TrainingSpec
from journeyman.composition import Application, application
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
    (folder / "train.sft.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))


def line(example: str, entry: dict[str, str], turns: list[Any]) -> dict[str, Any]:
    completion = [{"role": "assistant", "content": entry["a"]}]
    return {"prompt": turns, "completion": completion, "question": entry["q"], "example": example}


def answered(app: Application, asked: LabelledQuestion, adapter: Path, folder: Path) -> dict[str, Written]:
    """What each arm answers to a question, which is kept in `folder`."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{asked.id}.json"
    if not file.exists():
        parts = app.comparison_parts()
        found = compare_arms(parts, [asked], ARMS, adapter, None, lambda: print(".", end="", flush=True))
        file.with_suffix(".writing").write_text(json.dumps({arm: asdict(one) for arm, (one,) in found.answers.items()}))
        file.with_suffix(".writing").rename(file)
    return {arm: Written(**one) for arm, one in json.loads(file.read_text()).items()}


def outcomes(written: Sequence[Written], right: dict[str, str], cluster: dict[str, str]) -> list[Outcome]:
    """Scores for the gate: the answer's, and the share of the right answer's numbers that it names."""
    found = []
    for one in written:
        said = bare(one.answer)
        wanted, named = numerals(right[one.id]), numerals(said)
        scores = {"answer": one.score, "chrf": chrf(said, right[one.id])}
        if wanted:
            scores["facts"] = len(set(wanted) & set(named)) / len(set(wanted))
        found.append(Outcome(one.id, scores, cluster=cluster[one.id]))
    return found


def general(model: Any) -> list[Outcome]:
    """What everybody knows."""
    return [
        Outcome(
            f"g{place}", {"general": facts(model.invoke([("human", one.question)], max_tokens=24).text, one.expect)}
        )
        for place, one in enumerate(general_questions())
    ]


def mean(found: Sequence[Outcome], score: str) -> float:
    values = [outcome.scores[score] for outcome in found if score in outcome.scores]
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--with-passages", type=int, default=60, metavar="N", help="Examples that have passages.")
    parser.add_argument("--most", type=int, default=60, metavar="N", help="Held-out questions that are asked.")
    options = parser.parse_args()
    settings = Settings(home=options.out / "home", threads=options.threads, max_answer_tokens=64)
    with application(settings) as app:
        known = entries()
        number = cluster_names(app.embedder, [entry["q"] for entry in known])
        held = [int(hashlib.sha256(f"c{value}".encode()).hexdigest(), 16) % HELD_OUT == 0 for value in number]
        training = [entry for entry, is_held in zip(known, held, strict=True) if not is_held]
        # One question of each cluster: its others would say the same once more.
        first = {value: entry for entry, value, is_held in list(zip(known, number, held, strict=True))[::-1] if is_held}
        asked = [(entry, value) for value, entry in sorted(first.items())]
        random.Random(0).shuffle(asked)
        asked = asked[: options.most]
        print(
            f"{len(known)} entries, {len(set(number))} clusters; {len(training)} to learn, {len(asked)} asked",
            flush=True,
        )
        write_documents(options.out / "documents", training)
        app.index([options.out / "documents"], "default", lambda _: None)
        dataset = options.out / "dataset"
        if not (dataset / "train.sft.jsonl").exists():
            write_dataset(app, dataset, training, options.with_passages)
        spec = TrainingSpec(
            model=str(app.model_place()),
            dataset=str(dataset.resolve()),
            rank=options.rank,
            epochs=options.epochs,
            learning_rate=options.rate,
            tokens_per_step=2048,
            max_length=768,
            threads=options.threads,
            device="cpu",
        )

        def tell(step: Step | None) -> None:
            if step and step.step % 10 == 0:
                print(
                    f"{step.step}/{step.steps} loss {step.loss:.3f} {step.tokens_per_second:.0f} tokens/s", flush=True
                )

        trained = run(options.out / "run", spec, tell, environment=app.training_environment())
        print(f"trained on {trained.examples} examples, {trained.tokens} tokens in {trained.seconds:.0f} s", flush=True)
        questions = [
            LabelledQuestion(entry["id"], entry["q"], "fact", ["held out"], [], answer=entry["a"]) for entry, _ in asked
        ]
        cluster = {entry["id"]: value for entry, value in asked}
        folder = options.out / "run" / "adapter"
        kept = options.out / "comparison.json"
        if not kept.exists():
            rows = [answered(app, one, folder, options.out / "answers") for one in questions]
            # Asked one by one, each question was a cluster of its own, of the same name.
            found = compare(
                {arm: [replace(row[arm], cluster=cluster[row[arm].id]) for row in rows] for arm in ARMS},
                trained.examples,
            )
            kept.write_text(json.dumps(found.as_dict()))
            if chart := found.chart():
                (options.out / "arms.png").write_bytes(chart)
        comparison = Comparison.from_dict(json.loads(kept.read_text()))
        print(f"\n{comparison.table(None)}\n\n{comparison.advice}\n")
        right = {entry["id"]: entry["a"] for entry, _ in asked}
        arms = {arm: outcomes(written, right, cluster) for arm, written in comparison.answers.items()}
        for arm, found_outcomes in arms.items():
            told = ", ".join(f"{score} {mean(found_outcomes, score):.3f}" for score in ("answer", "chrf", "facts"))
            print(f"{arm}: {told}")
        model: Any = app.model
        knows = {"base": general(model), "tuned": general(model.with_adapter(folder))}
        print("general: " + ", ".join(f"{arm} {mean(found, 'general'):.3f}" for arm, found in knows.items()))
        guards = (Guard("facts", most_lost=0.02), Guard("general", most_lost=0.1))
        for candidate, active in (("finetuned", "base"), ("rag+finetuned", "rag"), ("finetuned", "rag")):
            verdict = decide([*arms[candidate], *knows["tuned"]], [*arms[active], *knows["base"]], guards)
            print(f"gate, {candidate} over {active}, {verdict.gain}: {verdict.decision}. {verdict.reason}")
    print(f"{platform.machine()}, {options.threads} threads")


if __name__ == "__main__":
    main()
