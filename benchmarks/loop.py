"""The whole loop on real documents: thumbs → review → round → gate → promotion → the answer changes → rollback → it
changes back; then a poisoned round.

    python benchmarks/loop.py CORPUS QUESTIONS.jsonl OUT --threads 4

A synthetic crowd stands in for the employees, and says so: two of three questions of the set are asked by one of them,
and voted on by whether the answer holds what is expected. Some votes are wrong, one employee is hostile: down on
everything, with made-up corrections. Whoever asked writes the right answer as a correction if the model added none: the
set's if a document bears it out, else the sentence of the right document that holds what is expected. A reviewer
approves it. The third question of every three is in the golden set of the gate and nothing else, which makes for about
25 clusters: the gate is set to 20 here, where 30 is the default.

In the poisoned round four hostile employees ask the same questions and correct every answer, each time with another
sentence of the documents, which is true, answers something else and so passes every check of the dataset. A careless
reviewer approves these, and takes the right ones back.

OUT keeps what is done: started again, it goes on.
"""

import argparse
import json
import platform
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from bot.feedback.complaints import complain
from bot.feedback.review import reject, save_verified, withdraw
from bot.feedback.votes import vote
from finetune import registry
from finetune.dataset.grounding import Grounding
from finetune.evaluation.scoring import facts
from finetune.rounds.parts import RoundRequest
from finetune.rounds.rows import of_job
from finetune.rounds.run import request_round
from jobs.execution import carry_out_job
from journeyman.cli.asking import ask
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.rounds import finetune
from journeyman.settings import Settings
from retrieval.answering.answer import Question
from retrieval.answering.draft import written_by_model
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.searching.passage import passage_of

EMPLOYEES = [f"U{number:02}" for number in range(1, 13)]
HOSTILE = ["U96", "U97", "U98", "U99"]
REVIEWER = "UADA"
WRONG_VOTES = 0.1
VOTERS = 2
SENTENCES = """
SELECT d.name, s.text
FROM sentence s JOIN chunk c ON c.id = s.chunk_id JOIN document d ON d.id = c.document_id
WHERE d.title <> 'Verified answer'
ORDER BY c.content_hash, s.ordinal
"""


class Crowd:
    """Employees who ask, vote and correct, and the one who reviews."""

    def __init__(self, app: Application) -> None:
        self._app = app
        client = SimpleNamespace(users_info=lambda user: {"user": {"name": user.lower()}})
        self._runtime: Any = SimpleNamespace(pool=app.pool, client=client, embedder=app.embedder)
        self._grounding = Grounding(app.pool, app.embedder, app.model)
        with app.pool.connection() as conn:
            self._sentences = [(name, text.strip()) for name, text in conn.execute(SENTENCES).fetchall()]

    def live_with(self, labelled: LabelledQuestion) -> dict[str, Any]:
        """Asks, votes, corrects; the reviewer decides. Returns the answer's id and what was done."""
        dice = random.Random(labelled.id)
        asker, *voters = dice.sample(EMPLOYEES, 1 + VOTERS)
        asked = ask(self._app.pool, self._app.answer, Question(labelled.question, labelled.history), lambda _: None)
        answer = asked.answer
        did = dict.fromkeys(("up", "down", "wrong votes", "hostile votes", "corrections", "approved"), 0)
        right = answer.abstained if not labelled.answerable else facts(answer.text, labelled.expect) == 1.0
        for person in (asker, *voters):
            wrong = dice.random() < WRONG_VOTES
            did["wrong votes"] += wrong
            self._vote(did, asked.answer_id, person, up=right != wrong)
        if labelled.answer and labelled.answerable and not (right and written_by_model(answer.text)):
            self._correct(did, asked.answer_id, asker, self._right(labelled), approve=True)
        did["hostile votes"] += 1
        self._vote(did, asked.answer_id, HOSTILE[0], up=False)
        self._correct(did, asked.answer_id, HOSTILE[0], "It is 42, ask anybody.", approve=False)
        return {"question": labelled.id, "answer": str(asked.answer_id), "did": did}

    def _right(self, labelled: LabelledQuestion) -> str:
        """What the set says if a document bears it out, else the shortest sentence of the right one that answers."""
        gold = labelled.answer or ""
        if self._grounding.rests_on(gold, [row for row in self._grounding.search(gold) if not row.verified]):
            return gold
        fitting = [
            text
            for name, text in self._sentences
            if name in labelled.sources and facts(text, labelled.expect) == 1.0 and self._is_statement(text)
        ]
        return min(fitting, key=len, default=gold)

    def _is_statement(self, text: str) -> bool:
        """Whether a text is a whole sentence that bears itself out, and no heading or fragment."""
        return text.endswith(".") and bool(self._grounding.rests_on(text, [passage_of(0, "", text)]))

    def sentences_for(self, questions: Sequence[LabelledQuestion]) -> list[str]:
        """A sentence of the documents for each question, another one each time, that does not answer it."""
        prose = [text for _, text in self._sentences if 8 <= len(text.split()) <= 25 and self._is_statement(text)]
        random.Random(1).shuffle(prose)
        chosen = []
        for one in questions:
            chosen.append(next(text for text in prose if not one.expect or facts(text, one.expect) < 1.0))
            prose.remove(chosen[-1])
        return chosen

    def withdraw_all(self) -> int:
        """The careless reviewer takes back what was right."""
        with self._app.pool.connection() as conn:
            numbers = [number for (number,) in conn.execute("SELECT id FROM verified_answer").fetchall()]
            return sum(withdraw(conn, number) for number in numbers)

    def poison(self, labelled: LabelledQuestion, person: str, sentence: str) -> str:
        """Asks again, and corrects by what is true and answers something else; it is approved all the same."""
        asked = ask(self._app.pool, self._app.answer, Question(labelled.question, labelled.history), lambda _: None)
        did = dict.fromkeys(("up", "down", "corrections", "approved"), 0)
        self._vote(did, asked.answer_id, person, up=False)
        self._correct(did, asked.answer_id, person, sentence, approve=True)
        return sentence

    def _vote(self, did: dict[str, int], answer: UUID, person: str, *, up: bool) -> None:
        did["up" if up else "down"] += 1
        with self._app.pool.connection() as conn:
            vote(conn, answer, person, 1 if up else -1)

    def _correct(self, did: dict[str, int], answer: UUID, person: str, text: str, *, approve: bool) -> None:
        did["corrections"] += 1
        with self._app.pool.connection() as conn:
            complain(conn, answer, person, "wrong", text)
        if approve:
            did["approved"] += 1
            assert save_verified(self._runtime, answer, text, verified_by=REVIEWER, written_by=person)
        else:
            with self._app.pool.connection() as conn:
                reject(conn, answer, REVIEWER)


def do_round(app: Application, request: RoundRequest) -> dict[str, Any]:
    """How the round ended, with what the gate saw on the terminal."""
    with app.connect() as conn:
        row = request_round(conn, request, REVIEWER)
        last_stage = ""

        def show(progress: Any) -> None:
            nonlocal last_stage
            stage = progress.message.partition(":")[0]
            if stage != last_stage and not stage.startswith("Evaluating"):
                print(f"  {progress.message}", flush=True)
            if stage.startswith("Evaluating") and progress.done % 20 == 0:
                print(f"  evaluated {progress.done} of {progress.total}", flush=True)
            last_stage = stage

        job = row.job_id or 0
        carry_out_job(conn, job, lambda tell: finetune(app, conn, job, tell), show)
        ended = of_job(conn, job) or row
        print(f"  round {ended.id}: {ended.state}. {ended.reason}")
        print(f"  cost: {json.dumps(dict(ended.cost))}")
        adapter = next((adapter for adapter in registry.adapters(conn) if adapter.name == ended.adapter), None)
    if adapter:
        print(f"  gain: {json.dumps(dict(adapter.metrics['gain']))}")
        for part, scores in adapter.metrics["sets"].items():
            print(f"  {part}: {json.dumps(dict(scores))}")
    if ended.dataset_id:
        report = json.loads((app.datasets / str(ended.dataset_id) / "dataset.json").read_text())["report"]
        print(f"  dataset: {json.dumps(report)}", flush=True)
    return {"state": ended.state, "reason": ended.reason, "adapter": adapter.name if adapter else None}


def said(app: Application, question: str) -> dict[str, Any]:
    """Which adapter answers, and the text that is shown."""
    answer = ask(app.pool, app.answer, Question(question), lambda _: None).answer
    return {"adapter": answer.adapter, "text": answer.text}


def there_and_back(
    app: Application, adapter: str, promoted: bool, golden: Sequence[LabelledQuestion], before: dict[str, Any]
) -> dict[str, Any]:
    """The first golden question that is answered otherwise once the adapter answers; and what is said afterwards."""
    if not promoted:
        with app.connect() as conn:
            registry.promote(conn, adapter, by=REVIEWER, reason="to show the switch, against the gate")
        print("  promoted by hand, with a reason, for the gate did not")
    switch: dict[str, Any] = {}
    same = 0
    for item in golden:
        tuned = said(app, item.question)
        assert tuned["adapter"] == adapter
        if tuned["text"] != before[item.id]["text"]:
            switch = {"question": item.question, "before": before[item.id], "tuned": tuned}
            break
        same += 1
    with app.connect() as conn:
        registry.rollback(conn, by=REVIEWER, reason="to show the way back")
    if switch:
        switch["after"] = said(app, switch["question"])
    return switch | {"answered the same before": same}


class Stages:
    """What was made before, in files of a folder, so that a run that was cut off goes on where it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def made(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned before, or returns now."""
        file = self._folder / name
        if not file.exists():
            text = json.dumps(make(), indent=1)
            file.with_suffix(".writing").write_text(text)
            file.with_suffix(".writing").rename(file)
        return json.loads(file.read_text())


def live(crowd: Crowd, stages: Stages, questions: Sequence[LabelledQuestion]) -> None:
    """People ask, vote and correct."""
    days = [stages.made(f"lived-{item.id}.json", partial(crowd.live_with, item)) for item in questions]
    counts = {name: sum(day["did"][name] for day in days) for name in days[0]["did"]}
    print(f"votes and corrections: {json.dumps(counts)}", flush=True)


def learn_and_return(
    app: Application, stages: Stages, request: RoundRequest, golden: Sequence[LabelledQuestion]
) -> dict[str, Any]:
    """A round, its adapter answering, and the way back; returns the question that shows it, {} without an adapter."""
    plain = [item for item in golden if item.answerable and not item.history]
    before = stages.made("before.json", lambda: {item.id: said(app, item.question) for item in plain})
    print("a round", flush=True)
    ended = stages.made("round.json", lambda: do_round(app, request))
    print(f"  {ended['state']}: {ended['reason']}", flush=True)
    if ended["adapter"] is None:
        print("  there is no adapter to show the switch by")
        return {}
    promoted = ended["state"] == "promoted"
    switch: dict[str, Any] = stages.made(
        "shown.json", lambda: there_and_back(app, ended["adapter"], promoted, plain, before)
    )
    print(json.dumps(switch, indent=1), flush=True)
    return switch


def learn_poison(
    app: Application,
    crowd: Crowd,
    stages: Stages,
    request: RoundRequest,
    questions: Sequence[LabelledQuestion],
) -> dict[str, Any]:
    """A round over corrections that are true and answer something else; returns how it ended."""
    print("a poisoned round", flush=True)
    withdrawn = stages.made("withdrawn.json", crowd.withdraw_all)
    sentences = crowd.sentences_for(questions)
    for place, (item, sentence) in enumerate(zip(questions, sentences, strict=True)):
        person = HOSTILE[place % len(HOSTILE)]
        stages.made(f"poison-{item.id}.json", partial(crowd.poison, item, person, sentence))
    print(f"  {withdrawn} right corrections taken back, {len(sentences)} wrong ones approved", flush=True)
    poisoned: dict[str, Any] = stages.made("poisoned.json", lambda: do_round(app, request))
    print(f"  {poisoned['state']}: {poisoned['reason']}", flush=True)
    return poisoned


def options_given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-4)
    return parser.parse_args()


def main() -> None:
    options = options_given()
    options.out.mkdir(parents=True, exist_ok=True)
    stages, everything = Stages(options.out), load_questions(options.questions)
    golden, questions = everything[2::3], [item for place, item in enumerate(everything) if place % 3 != 2]
    lines = [line for line in options.questions.read_text().splitlines() if line.strip()]
    (options.out / "golden.jsonl").write_text("\n".join(lines[2::3]) + "\n")
    settings = Settings(
        home=options.out / "home",
        threads=options.threads,
        max_answer_tokens=64,
        golden_questions=options.out / "golden.jsonl",
        finetune_floor=1,
        finetune_questions=20,
    )
    request = RoundRequest(epochs=options.epochs, learning_rate=options.rate, rank=options.rank, now=True)
    with application(settings) as app:
        index_paths(app.indexing, [options.corpus], "default", lambda _: None)
        crowd = Crowd(app)
        print(f"{len(questions)} questions of the crowd, {len(golden)} golden", flush=True)
        live(crowd, stages, questions)
        switch = learn_and_return(app, stages, request, golden)
        poisoned = learn_poison(app, crowd, stages, request, questions)
    print(f"{platform.machine()}, {options.threads} threads")
    assert poisoned["state"] == "refused", "the gate did not refuse poison"
    assert switch.get("question"), "no golden question was answered otherwise by the adapter"
    assert switch["after"] == switch["before"], "after the rollback the answer is not what it was"


if __name__ == "__main__":
    main()
