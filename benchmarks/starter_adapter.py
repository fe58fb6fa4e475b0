"""Makes the starter adapter: the default model, tuned by this product's own training to answer from passages.

    pip install --no-deps fitz-gov==4.1.0
    python benchmarks/starter_adapter.py OUT --threads 2 --questions QUESTIONS.jsonl DOCUMENTS
    python benchmarks/starter_adapter.py OUT --judged JUDGED.jsonl --questions QUESTIONS.jsonl DOCUMENTS

The data is fitz-gov (MIT): questions with the passages that answer them, and questions whose passages do not. The
passages are indexed and found as the product does it, so that the prompts are those that are served and the distractors
are what search really finds beside the right ones. fitz-gov names no answers, but says why the passages answer: the
sentences nearest to the question and to that reason together are what is to be written, word for word, with their
numbers. What the answer quotes anyway stands before the model's own words, and so is not what it is to write.

With `--judged` the data is answers that people judged (task, turns, passages, answer, faithfulness; from
IBM/mt-rag-benchmark, Apache-2.0): of a faithful one the short sentence that is nearest to its question, if the check of
statements would show it, with the numbers of what it rests on. So one learns to answer in one short sentence.

A seventh of the questions, with their documents, is held out; no question of any evaluation of ours is in it.
Afterwards the held-out prompts are answered with and without the adapter, and so are the questions of a labelled set,
through the product's own chain over the same passages. OUT keeps what is done.
"""

import argparse
import hashlib
import json
import platform
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from finetune.dataset.guards import without_markers
from finetune.evaluation.scoring import token_f1
from finetune.significance import paired_gain
from finetune.training.process import run
from finetune.training.spec import Step, TrainingSpec
from journeyman.cli.judged_answers import passage_of
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.models import model_place
from journeyman.rounds import training_environment
from journeyman.settings import Settings
from retrieval.answering.answer import Question
from retrieval.answering.chain import AnswerChain
from retrieval.answering.draft import as_sentence
from retrieval.answering.evidence.quotes import choose_quotes
from retrieval.answering.groundedness.judge import Groundedness, statements_of
from retrieval.answering.measuring.evaluation import evaluate, load_questions
from retrieval.answering.passages import remembered
from retrieval.answering.prompt import answer_prompt, numbered
from retrieval.searching.passage import Passage
from retrieval.searching.reading import grown
from retrieval.text.sentences import split

FILES = ("trustworthy_direct", "trustworthy_hedged", "abstention")
REFUSAL = "The passages do not say."
HELD_OUT = 7  # one question in so many
PASSAGES, WORDS = 3, 280  # fewer than an answer reads, for training on a CPU
REFUSED = 0.1  # of the lines; with more, a small model refuses everything
SENTENCES, LONGEST_SENTENCE = 3, 30  # in words; what an answer has room for beside its quotes
AS_NEAR = 0.8  # of the best sentence's likeness that a further one needs
LEAST_WORDS = 5
MOST_TOKENS = 640
FAITHFUL = 3.5  # of 4, as people judged
ROLES = {"system": "system", "human": "user"}


@dataclass(frozen=True)
class Case:
    """A question, its passages, and whether and why they answer it."""

    id: str
    question: str
    passages: tuple[str, ...]
    answered: bool
    why: str


def cases() -> tuple[list[Case], dict[str, str]]:
    """The questions of fitz-gov, each once, and the titles of its texts that have one."""
    import fitz_gov

    data = Path(str(fitz_gov.__file__)).parent / "data"
    found: dict[str, Case] = {}
    for name in FILES:
        for row in json.loads((data / "tier1_core" / f"{name}.json").read_text())["cases"]:
            passages = tuple(dict.fromkeys(row["contexts"]))
            why = f"{row.get('description', '')}. {row.get('rationale', '')}"
            found.setdefault(row["query"], Case(row["id"], row["query"], passages, name != "abstention", why))
    documents = [json.loads(line) for line in (data / "corpus" / "documents.jsonl").read_text().splitlines()]
    titles = {entry["content"]: entry.get("title", "") for entry in documents}
    return sorted(found.values(), key=lambda case: case.id), titles


def sides(found: list[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """Training and held-out cases; a passage of the held-out side is in no case of the other."""
    order = list(found)
    random.Random(seed).shuffle(order)
    held = order[::HELD_OUT]
    known = {passage for case in held for passage in case.passages}
    return [case for case in order if case not in held and not known & set(case.passages)], held


def chosen(found: list[Case], most: int) -> list[Case]:
    """So many of them, as they stand, with as few unanswered questions as are wanted."""
    refused = round(most * REFUSED)
    answered = [case for case in found if case.answered][: most - refused]
    unanswered = [case for case in found if not case.answered][:refused]
    kept = {case.id for case in [*answered, *unanswered]}
    return [case for case in found if case.id in kept]


def write_documents(folder: Path, found: Sequence[Case], titles: dict[str, str]) -> None:
    """A file for each passage."""
    folder.mkdir(parents=True, exist_ok=True)
    for passage in {passage for case in found for passage in case.passages}:
        title = titles.get(passage, "")
        name = hashlib.sha256(passage.encode()).hexdigest()[:16]
        (folder / f"{name}.md").write_text(f"# {title}\n\n{passage}\n" if title else f"{passage}\n")


class Lines:
    """Turns cases into lines as `journeyman dataset build` writes them, over one side's documents."""

    def __init__(self, app: Application, collection: str) -> None:
        self._app, self._collection, self._chain = app, collection, app.chain()

    def line(self, case: Case) -> dict[str, Any] | None:
        """None where search does not find what answers."""
        question = Question(case.question, collections=(self._collection,))
        found, _ = self._chain.find(question, case.question)
        quotes = choose_quotes(case.question, found)
        order = list({one.chunk_id: one for one in [*(q.passage for q in quotes), *found]}.values())
        with self._app.pool.connection() as conn:
            read = grown(conn, order, most=PASSAGES, words=WORDS)
        said = self._answer(case, read, " ".join(quote.text for quote in quotes)) if case.answered else REFUSAL
        if not said:
            return None
        turns = answer_prompt().format_messages(passages=numbered(read), question=case.question)
        return {
            "prompt": [{"role": ROLES[turn.type], "content": without_markers(turn.text)} for turn in turns],
            "completion": [{"role": "assistant", "content": said}],
            "question": case.question,
            "example": case.id,
        }

    def _answer(self, case: Case, read: Sequence[Passage], quoted: str) -> str:
        """The sentences nearest to the question and to why it is answered, nearest first, without quoted ones."""
        right = {"".join(passage.split()) for passage in case.passages}
        sentences = [
            (sentence, number)
            for number, passage in enumerate(read, 1)
            if any("".join(passage.text.split()) in text for text in right)
            for sentence in split(passage.text, "text")
            if LEAST_WORDS <= len(sentence.split()) <= LONGEST_SENTENCE
        ]
        new = [one for one in sentences if one[0] not in quoted] or sentences
        if not new:
            return ""
        about, why = self._app.embedder.embed([case.question, case.why])
        near = self._app.embedder.embed([sentence for sentence, _ in new]) @ (about + why)
        order = sorted(range(len(new)), key=lambda place: -near[place])[:SENTENCES]
        best = [new[place] for place in order if near[place] >= AS_NEAR * near[order[0]]]
        return " ".join(f"{text if text[-1] in '.!?' else text + '.'} [{number}]" for text, number in best)


def make_dataset(app: Application, folder: Path, most: int, held_out: int, seed: int) -> None:
    """Lines to learn from, and lines that are held out with their documents."""
    found, titles = cases()
    training, held = sides(found, seed)
    folder.mkdir(parents=True)
    for name, side, count in (("train", training, most), ("test", held, held_out)):
        write_documents(folder / name, side, titles)
        index_paths(app.indexing, [folder / name], name, lambda _: None)
        lines = Lines(app, name)
        written = [line for case in chosen(side, count) if (line := lines.line(case))]
        print(f"{name}: {len(written)} lines of {count} questions", flush=True)
        (folder / f"{name}.sft.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))


def make_judged_dataset(app: Application, folder: Path, file: Path, seed: int) -> None:
    """Lines of one short sentence each; of a conversation all questions are on the same side."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    conversations = sorted({row["task"].split("-")[0] for row in rows})
    random.Random(seed).shuffle(conversations)
    held = set(conversations[::HELD_OUT])
    groundedness = Groundedness(app.embedder)
    lines: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for row in rows:
        if row["faithfulness"] >= FAITHFUL and row["passages"] and (line := judged_line(app, groundedness, row)):
            lines["test" if row["task"].split("-")[0] in held else "train"].append(line)
    folder.mkdir(parents=True)
    for name, side in lines.items():
        print(f"{name}: {len(side)} lines", flush=True)
        (folder / f"{name}.sft.jsonl").write_text("".join(json.dumps(line) + "\n" for line in side))


def judged_line(app: Application, groundedness: Groundedness, row: dict[str, Any]) -> dict[str, Any] | None:
    """None where no short sentence of the answer is borne out by what a prompt has room for."""
    question = row["turns"][-1]["content"]
    passages = [passage_of(number, entry["title"], entry["text"]) for number, entry in enumerate(row["passages"])]
    short = [one for one in statements_of(row["answer"]) if LEAST_WORDS <= len(one.split()) <= LONGEST_SENTENCE]
    judged = [one for one in groundedness.judge(question, short, passages) if one.shown and one.passages]
    if not judged:
        return None
    about = app.embedder.embed([question])[0]
    nearness = app.embedder.embed([one.text for one in judged]) @ about
    best = judged[int(nearness.argmax())]
    order = [passages[place] for place in dict.fromkeys([*best.passages, *range(len(passages))])][:PASSAGES]
    random.Random(row["task"]).shuffle(order)  # what answers is not always the first
    read = [replace(one, text=" ".join(one.text.split()[: WORDS // PASSAGES])) for one in order]
    cited = "".join(f"[{order.index(passages[place]) + 1}]" for place in best.passages if passages[place] in order)
    turns = answer_prompt().format_messages(passages=numbered(read), question=question)
    return {
        "prompt": [{"role": ROLES[turn.type], "content": without_markers(turn.text)} for turn in turns],
        "completion": [{"role": "assistant", "content": f"{as_sentence(best.text)} {cited}"}],
        "question": question,
        "example": row["task"],
    }


def examine(plain: Any, tuned: Any, held_out: Sequence[dict[str, Any]]) -> None:
    """What the model writes to held-out prompts, with and without the adapter."""
    scores: dict[str, list[dict[str, float]]] = {}
    for arm, model in (("base", plain), ("tuned", tuned)):
        for line in held_out:
            right = line["completion"][0]["content"]
            said = model.invoke([(turn["role"], turn["content"]) for turn in line["prompt"]], max_tokens=96).text
            refused, wanted = REFUSAL in said, set(re.findall(r"\[(\d)\]", right))
            found = {"refused rightly" if right == REFUSAL else "refused wrongly": float(refused)}
            if wanted:
                cited = set(re.findall(r"\[(\d)\]", said))
                found |= {"F1": token_f1(said, right), "cites a right one": float(bool(wanted & cited))}
            scores.setdefault(arm, []).append(found)
    for score in ("F1", "cites a right one", "refused rightly", "refused wrongly"):
        pairs = [(t[score], b[score]) for t, b in zip(scores["tuned"], scores["base"], strict=True) if score in t]
        told(score, [ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def ask_questions(app: Application, tuned: Any, file: Path, documents: Path, out: Path) -> None:
    """The answer hit rate of a labelled set, with and without the adapter, over the same passages."""
    questions = load_questions(file)
    index_paths(app.indexing, [documents], "questions", lambda _: None)
    chain = AnswerChain(app.pool, app.embedder, app.model, remembered(app.chain().find))
    hits: dict[str, list[float]] = {}
    for arm, one in (("base", chain), ("tuned", chain.with_model(tuned))):
        report = evaluate(one.stream, questions, ["questions"], lambda _: print(".", end="", flush=True))
        (out / f"answers-{arm}.json").write_text(json.dumps(report.as_dict(), indent=1, ensure_ascii=False))
        hits[arm] = [float(row.answer_hit) for row in report.rows]
        print(f"\n{arm}: {report.figures['answer_hit_rate']}")
    told("answer hit", hits["tuned"], hits["base"])


def told(score: str, tuned: Sequence[float], base: Sequence[float]) -> None:
    """A line of means and of the paired gain."""
    if not tuned:
        return
    gain = paired_gain([t - b for t, b in zip(tuned, base, strict=True)], [str(place) for place in range(len(tuned))])
    print(f"{score}: {sum(tuned) / len(tuned):.3f} tuned, {sum(base) / len(base):.3f} base, gain {gain}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--judged", type=Path, metavar="FILE", help="Answers that people judged, in place of fitz-gov.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--examples", type=int, default=480)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=40, metavar="N", help="Held-out questions that are answered.")
    parser.add_argument("--questions", type=Path, nargs=2, metavar=("FILE", "DOCUMENTS"), help="A labelled set.")
    options = parser.parse_args()
    settings = Settings(home=options.out / "home", threads=options.threads)
    dataset = options.out / "dataset"
    with application(settings) as app:
        if (dataset / "test.sft.jsonl").exists():
            print("The dataset is there already.")
        elif options.judged:
            make_judged_dataset(app, dataset, options.judged, options.seed)
        else:
            make_dataset(app, dataset, options.examples, options.held_out, options.seed)
        spec = TrainingSpec(
            model=str(model_place(app.settings)),
            dataset=str(dataset.resolve()),
            rank=options.rank,
            epochs=options.epochs,
            learning_rate=options.rate,
            threads=options.threads,
            seed=options.seed,
            max_length=MOST_TOKENS,
            tokens_per_step=4 * MOST_TOKENS,
            checkpoint_steps=10,
            device="cpu",
        )
        trained = run(options.out / "run", spec, show, environment=training_environment())
        print(f"{trained.examples} examples, {trained.tokens} tokens, {trained.seconds:.0f} s", flush=True)
        model: Any = app.model
        tuned = model.with_adapter(options.out / "run" / "adapter")
        examine(model, tuned, [json.loads(text) for text in (dataset / "test.sft.jsonl").read_text().splitlines()])
        if options.questions:
            ask_questions(app, tuned, *options.questions, options.out)
    print(f"{platform.machine()}, {options.threads} threads")


def show(step: Step | None) -> None:
    """How far training is."""
    if step:
        print(f"{step.step}/{step.steps} loss {step.loss:.3f} {step.tokens_per_second:.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
