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


def do_round(app: Application, wanted: RoundRequest) -> dict[str, Any]:
    """How the round ended, with what the gate saw on the terminal."""
    with app.connect() as conn:
        found = request_round(conn, wanted, REVIEWER)
        told = ""

        def show(progress: Any) -> None:
            nonlocal told
            stage = progress.message.partition(":")[0]
            if stage != told and not stage.startswith("Examining"):
                print(f"  {progress.message}", flush=True)
            if stage.startswith("Examining") and progress.done % 20 == 0:
                print(f"  evaluated {progress.done} of {progress.total}", flush=True)
            told = stage

        carry_out_job(conn, found.job_id or 0, lambda tell: app.finetune(conn, found.job_id or 0, tell), show)
        ended = of_job(conn, found.job_id or 0) or found
        print(f"  round {ended.id}: {ended.state}. {ended.reason}")
        print(f"  cost: {json.dumps(dict(ended.cost))}")
        made = next((adapter for adapter in registry.adapters(conn) if adapter.name == ended.adapter), None)
    if made:
        print(f"  gain: {json.dumps(dict(made.metrics['gain']))}")
        for part, scores in made.metrics["sets"].items():
            print(f"  {part}: {json.dumps(dict(scores))}")
    if ended.dataset_id:
        report = json.loads((app.datasets / str(ended.dataset_id) / "dataset.json").read_text())["report"]
        print(f"  dataset: {json.dumps(report)}", flush=True)
    return {"state": ended.state, "reason": ended.reason, "adapter": made.name if made else None}


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
    shown: dict[str, Any] = {}
    same = 0
    for one in golden:
        tuned = said(app, one.question)
        assert tuned["adapter"] == adapter
        if tuned["text"] != before[one.id]["text"]:
            shown = {"question": one.question, "before": before[one.id], "tuned": tuned}
            break
        same += 1
    with app.connect() as conn:
        registry.rollback(conn, by=REVIEWER, reason="to show the way back")
    if shown:
        shown["after"] = said(app, shown["question"])
    return shown | {"answered the same before": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-4)
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)

    def kept(name: str, make: Callable[[], Any]) -> Any:
        """What was made before, or now."""
        file = out / name
        if not file.exists():
            text = json.dumps(make(), indent=1)
            file.with_suffix(".writing").write_text(text)
            file.with_suffix(".writing").rename(file)
        return json.loads(file.read_text())

    everything = load_questions(options.questions)
    golden = everything[2::3]
    crowd_questions = [one for place, one in enumerate(everything) if place % 3 != 2]
    lines = [line for line in options.questions.read_text().splitlines() if line.strip()]
    (out / "golden.jsonl").write_text("\n".join(lines[2::3]) + "\n")
    settings = Settings(
        home=out / "home",
        threads=options.threads,
        max_answer_tokens=64,
        golden_questions=out / "golden.jsonl",
        finetune_floor=1,
        finetune_questions=20,
    )
    wanted = RoundRequest(epochs=options.epochs, learning_rate=options.rate, rank=options.rank, now=True)
    with application(settings) as app:
        app.index([options.corpus], "default", lambda _: None)
        crowd = Crowd(app)
        print(f"{len(crowd_questions)} questions of the crowd, {len(golden)} golden", flush=True)
        lived = [kept(f"lived-{one.id}.json", lambda one=one: crowd.live_with(one)) for one in crowd_questions]
        counts = {name: sum(one["did"][name] for one in lived) for name in lived[0]["did"]}
        print(f"votes and corrections: {json.dumps(counts)}", flush=True)
        plain = [one for one in golden if one.answerable and not one.history]
        before = kept("before.json", lambda: {one.id: said(app, one.question) for one in plain})

        print("a round", flush=True)
        ended = kept("round.json", lambda: do_round(app, wanted))
        print(f"  {ended['state']}: {ended['reason']}", flush=True)
        shown: dict[str, Any] = {}
        if ended["adapter"] is None:
            print("  there is no adapter to show the switch by")
        else:
            promoted = ended["state"] == "promoted"
            shown = kept("shown.json", lambda: there_and_back(app, ended["adapter"], promoted, plain, before))
            print(json.dumps(shown, indent=1), flush=True)

        print("a poisoned round", flush=True)
        withdrawn = kept("withdrawn.json", crowd.withdraw_all)
        sentences = crowd.sentences_for(crowd_questions)
        for place, (one, sentence) in enumerate(zip(crowd_questions, sentences, strict=True)):
            person = HOSTILE[place % len(HOSTILE)]
            kept(f"poison-{one.id}.json", lambda o=one, p=person, s=sentence: crowd.poison(o, p, s))
        print(f"  {withdrawn} right corrections taken back, {len(sentences)} wrong ones approved", flush=True)
        poisoned = kept("poisoned.json", lambda: do_round(app, wanted))
        print(f"  {poisoned['state']}: {poisoned['reason']}", flush=True)
    print(f"{platform.machine()}, {options.threads} threads")
    assert poisoned["state"] == "refused", "the gate did not refuse poison"
    assert shown.get("question"), "no golden question was answered otherwise by the adapter"
    assert shown["after"] == shown["before"], "after the rollback the answer is not what it was"


if __name__ == "__main__":
    main()
