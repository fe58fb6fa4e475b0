"""A run of the evaluation that the gate decides by: the same questions to a model with each adapter, as it serves them.

A question is put to all arms before the next one, over passages that are found once for all of them. Verified answers
are not among these, because the corrections that are asked about stand in them. What the arms made of a question is
kept in a file, so that a run that was cut off goes on where it was.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from finetune.dataset.general import general_questions
from finetune.dataset.grounding import EVERYONE, supporting
from finetune.evaluation import judging
from finetune.evaluation.gate import PRIMARY, Guard, Outcome
from finetune.evaluation.scores import answer_score, chrf, facts, token_f1
from finetune.evaluation.scoring import about_tokens, bare, says_nothing, worth
from retrieval.answering.answer import Answer, Done, Question
from retrieval.answering.chain import AnswerChain
from retrieval.answering.chat_model import token_counter
from retrieval.answering.draft import NOTE, written_by_model
from retrieval.answering.evidence.confidence import Calibration, calibration
from retrieval.answering.examples import Examples, exemplified
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.passages import PASSAGES, FindPassages, remembered
from retrieval.answering.policy import Policy
from retrieval.answering.prompt import REFUSAL, PromptPlan
from retrieval.answering.question.followup import standalone
from retrieval.answering.statements import statements, without_citations
from retrieval.answering.writing import MAX_ADDED
from retrieval.searching.passage import Passage, passage_of
from retrieval.searching.reading import grown
from retrieval.searching.reranking import Reranker, search_and_rerank

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from retrieval.answering.measuring.evaluation import LabelledQuestion
    from retrieval.embedding import Embedder

HELD_OUT, GOLDEN, REGRESSION = "held out", "golden", "corrected before"
DISTRACTED, UNANSWERABLE, GENERAL = "distracted", "unanswerable", "general"
ABSTAINING = "abstaining"
SHOWN = "examples"
"""The arm without an adapter that is shown, as examples, the verified answers that an adapter could learn from."""
DECIDING = JUDGED = (HELD_OUT, GOLDEN)
"""The sets by whose questions an adapter must be better: those of the others are derived from them."""
Verdict = Callable[[str, str, str | None], float | None]
"""What a judge makes of a question, what was said, and what is right, where that is known."""
MOST_DERIVED = 40
"""Questions of the sets that are derived from others: more would tell little more and take long."""
DISTRACTORS = 2
"""Passages of another question that stand before a question's own."""
GENERAL_TOKENS = 24

# What may be lost at most, of each score: about what chance moves a set of the size at hand. Without a question that
# tells about one of these, nobody knows: the gate then decides nothing.
REQUIRED = (
    Guard("refused", UNANSWERABLE, most_lost=0.05),
    Guard("kept", most_lost=0.05),
    Guard("grounded", most_lost=0.05),
    Guard("cited", least=1.0),
    Guard("stopped", most_lost=0.05),
    Guard("brief", most_lost=0.1),
    Guard("general", GENERAL, most_lost=0.1),
)
# These are looked at where there are such questions, or right answers to compare with.
OPTIONAL = (
    Guard(PRIMARY, GOLDEN, most_lost=0.0, certain=0.02),
    Guard(PRIMARY, REGRESSION, most_lost=0.02),
    Guard(PRIMARY, DISTRACTED, most_lost=0.02),
    Guard("chrf", HELD_OUT, most_lost=0.02),
    Guard("similarity", HELD_OUT, most_lost=0.05),
)
VOICE = 3
"""Clusters of which one person wrote the corrections, from which they count as one if they are most."""
LONG = 4.0
"""An answer is brief that has at most so many times the words of a right one."""
USUAL_WORDS = 15
"""Of a right answer that is not known."""


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """A question of the examination; `right` is an answer that a person approved, `expect` what a right one holds."""

    id: str
    set: str
    question: str
    cluster: str = ""
    right: str | None = None
    expect: Sequence[str] = ()
    prompt: Sequence[Mapping[str, str]] = ()
    given: str | None = None  # the question whose passages are read besides, or in place of its own
    history: Sequence[Any] = field(default=())


@dataclass(frozen=True, slots=True)
class FewShotModel:
    """A model that is shown examples beside the passages that it reads."""

    model: Any
    examples: Examples


def items_of(folder: Path, clusters: Mapping[str, str], golden: "Sequence[LabelledQuestion]") -> list[EvaluationItem]:
    """The questions of a dataset's held-out side and of a golden set, with those that are derived from them."""
    learnt = [_item(line, HELD_OUT, clusters) for line in _lines(folder / "test.sft.jsonl")]
    corrected = [_item(line, REGRESSION, clusters) for line in _lines(folder / "regression.jsonl")]
    # Where the dataset took the right passage away, what is right is to say so; the answer stands in the correction.
    silent = [replace(item, set=UNANSWERABLE, right=None) for item in learnt if item.right == REFUSAL]
    held_out = {item.question: replace(item, set=HELD_OUT) for item in corrected}
    held_out |= {item.question: item for item in learnt if item.right != REFUSAL}
    chosen = [
        EvaluationItem(
            labelled.id,
            GOLDEN if labelled.answerable else UNANSWERABLE,
            labelled.question,
            right=labelled.answer if labelled.answerable else None,
            expect=labelled.expect,
            history=labelled.history,
        )
        for labelled in golden
    ]
    items = [*held_out.values(), *corrected, *chosen, *silent]
    answerable = [item for item in chosen if item.set == GOLDEN and (item.expect or item.right)]
    for item, other in _pairs(list(held_out.values()) or answerable)[:MOST_DERIVED]:
        items.append(replace(item, set=DISTRACTED, given=other.question, prompt=()))
        items.append(replace(item, set=UNANSWERABLE, given=other.question, prompt=()))
    general = enumerate(general_questions())
    return items + [EvaluationItem(f"g{number}", GENERAL, one.question, expect=one.expect) for number, one in general]


def per_author_cap(clusters: Mapping[str, str], writers: Mapping[str, str]) -> dict[str, str]:
    """The clusters, of which those that one person corrected are one where it is most of what was corrected: however
    much somebody says, it is one person's word, and proves no more.
    """
    of: dict[str, set[str]] = {}
    for example, writer in writers.items():
        of.setdefault(writer, set()).add(clusters.get(example, example))
    corrected = set().union(*of.values())
    loud = {writer for writer, names in of.items() if len(names) >= VOICE and len(names) > len(corrected) / 2}
    return {example: writers[example] if writers.get(example) in loud else name for example, name in clusters.items()}


def guards_for(items: Sequence[EvaluationItem]) -> list[Guard]:
    """Those that every adapter must pass, and those that these questions tell about besides."""
    told = {(PRIMARY, item.set) for item in items}
    told |= {(score, item.set) for item in items if item.right is not None for score in ("chrf", "similarity")}
    return [*REQUIRED, *(guard for guard in OPTIONAL if (guard.score, guard.set) in told)]


def documents_alone(
    pool: "ConnectionPool[Any]", embedder: "Embedder", reranker: Reranker | None, verified: Collection[str]
) -> FindPassages:
    """The search of the chain without verified answers, whose content hashes are `verified`."""

    def find(question: Question, asked: str) -> tuple[Sequence[Passage], Calibration]:
        found = search_and_rerank(pool, embedder, reranker, asked, k=3 * PASSAGES, scope=EVERYONE)
        kept = [passage for passage in found if passage.content_hash not in verified]
        with pool.connection() as conn:
            return kept[:PASSAGES], calibration(conn)

    return find


class EvaluationRun:
    """Puts `items` to models. `find` finds the passages, once; `rewrite` has follow-ups stand alone; `judge`, if there
    is one, judges what is said; `policy` is how they answer, all of them alike.
    """

    def __init__(
        self,
        pool: "ConnectionPool[Any]",
        embedder: "Embedder",
        find: FindPassages,
        items: Sequence[EvaluationItem],
        folder: Path,
        *,
        rewrite: Callable[[Question], str] = standalone,
        judge: Verdict | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._pool, self._embedder, self._items, self._folder, self._judge = pool, embedder, items, folder, judge
        self._find, self._rewrite, self._policy = remembered(find), cache(rewrite), policy or Policy()
        self._grounds = Groundedness(embedder)
        self._said: dict[tuple[int, str], tuple[Answer, str]] = {}

    def run(
        self, name: str, arms: Mapping[str, Any], advance: Callable[[str], None] = lambda _: None
    ) -> dict[str, list[Outcome]]:
        """What each arm made of each question; `name` is what this is kept under.

        `advance` is called with the arm after each answer; what it raises ends it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.jsonl"
        rows = _lines(file)
        known = {(row["set"], row["id"]): row["scores"] for row in rows if row["scores"].keys() == arms.keys()}
        outcomes: dict[str, list[Outcome]] = {arm: [] for arm in arms}
        with file.open("w", encoding="utf-8") as kept:  # anew, because the last line may have been cut off
            for item in self._items:
                scores = known.get((item.set, item.id))
                if scores is None:
                    scores = dict(self._answers(item, arms, advance))
                else:
                    for arm in arms:
                        advance(arm)
                kept.write(json.dumps({"set": item.set, "id": item.id, "scores": scores}) + "\n")
                kept.flush()
                for arm in arms:
                    outcomes[arm].append(Outcome(item.id, scores[arm], item.set, item.cluster))
        return outcomes

    def _answers(
        self, item: EvaluationItem, arms: Mapping[str, Any], advance: Callable[[str], None]
    ) -> Iterator[tuple[str, dict[str, float]]]:
        for arm, model in arms.items():
            yield arm, self._scores(item, model)
            advance(arm)

    def _scores(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        if item.set == GENERAL:
            text = _bare(model).invoke([("human", item.question)], max_tokens=GENERAL_TOKENS).text
            return {"general": facts(text, item.expect)}
        if item.set == UNANSWERABLE:
            return {"refused": float(not self._borne_out(item, model))}
        if item.set == DISTRACTED:
            return {PRIMARY: answer_score(self._borne_out(item, model), expect=item.expect, right=item.right)}
        return self._served(item, model)

    def _served(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        """Of an answer that a person would have been given."""
        answer, written = self._answer(item, model)
        scores = {PRIMARY: worth(answer.text, expect=item.expect, right=item.right, abstained=answer.abstained)}
        if self._judge is not None and item.set in JUDGED:
            verdict = 0.0 if answer.abstained else self._judge(item.question, bare(answer.text), item.right)
            scores |= {} if verdict is None else {judging.SCORE: verdict}
        if item.set not in DECIDING:
            return scores
        scores["kept"] = float(not answer.abstained and not says_nothing(written))
        if answer.abstained:
            return scores
        return scores | self._told(item, model, answer, written) | {"tokens": _tokens(model, answer.prompt, written)}

    def _answer(self, item: EvaluationItem, model: Any) -> tuple[Answer, str]:
        """What is shown, and what the model wrote; a question that stands in several sets is answered once."""
        asked = self._asked(item)
        if (id(model), asked) not in self._said:
            heard: list[Any] = []
            overheard: Any = _Overheard(_bare(model), heard)
            chain = self._chain(overheard, _examples_of(model))
            answer = _ended(chain.stream(Question(asked, principals=EVERYONE.principals)))
            self._said[id(model), asked] = answer, "".join(str(chunk.text) for chunk in heard)
        return self._said[id(model), asked]

    def _chain(self, model: Any, examples: Examples | None = None) -> AnswerChain:
        return AnswerChain(
            *(self._pool, self._embedder, model, self._find),
            examples=examples,
            policy=self._policy,
            judge=self._grounds,
        )

    def _told(self, item: EvaluationItem, model: Any, answer: Answer, written: str) -> dict[str, float]:
        """What the model itself wrote, before and after anything of it was checked."""
        said = [without_citations(statement)[0] for statement in statements([written])]
        read = self._read(answer, self._chain(_bare(model)).plan)
        borne_out = [one.shown for one in self._grounds.judge(answer.standalone, said, read)]
        usual = USUAL_WORDS if item.right is None else len(item.right.split())
        shown = written_by_model(answer.text)
        scores = {
            "grounded": sum(borne_out) / len(said) if said and not says_nothing(written) else 1.0,
            "stopped": float(answer.finish == "stop" or _shown(answer) >= MAX_ADDED),
            "brief": float(len(written.split()) <= LONG * max(10, usual)),
            "shown": float(bool(shown)),
            "cited": self._cited(answer, read),
            "seconds": answer.timings["total"],
        }
        if item.right is not None:
            ours, theirs = self._embedder.embed([written or " ", item.right])
            scores |= {
                "written": token_f1(written, item.right),
                "chrf": max(chrf(text, item.right) for text in (shown, written)),
                "similarity": max(0.0, float(ours @ theirs)),
            }
        return scores

    def _cited(self, answer: Answer, read: Sequence[Passage]) -> float:
        """The share of the statements shown whose citation names a passage that they rest on."""
        chunks = {source.number: source.chunk_id for source in answer.sources}
        stated = [line for line in answer.text.split("\n") if line.strip() and not line.startswith((">", NOTE))]
        cited = [without_citations(statement) for line in stated for statement in statements([line])]
        judged = self._grounds.judge(answer.standalone, [said for said, _ in cited], read)
        right = [
            one.shown and bool({chunks.get(number) for number in numbers} & {read[i].chunk_id for i in one.passages})
            for one, (_, numbers) in zip(judged, cited, strict=True)
        ]
        return sum(right) / len(right) if right else 1.0

    def _read(self, answer: Answer, plan: PromptPlan) -> Sequence[Passage]:
        """The passages of an answer as it was checked against them: what is quoted first, and with their neighbours."""
        found = {passage.chunk_id: passage for passage in answer.passages}
        quoted = [source.chunk_id for source in answer.sources if source.quote and source.chunk_id is not None]
        order = [found[chunk] for chunk in dict.fromkeys([*quoted, *found])]
        with self._pool.connection() as conn:
            read = grown(conn, order, most=plan.passages, words=plan.words)
        known = {passage.chunk_id for passage in read}
        return [*read, *(passage for passage in order if passage.chunk_id not in known)]

    def _borne_out(self, item: EvaluationItem, model: Any) -> str:
        """What the model writes to passages that are not the best ones for the question, as far as they bear it out.

        Not through the chain: there the evidence would be judged, and quoted, before the model, the same for all arms.
        """
        if item.prompt:
            turns = [(turn["role"], turn["content"]) for turn in item.prompt]
            read = [passage_of(0, "", turns[-1][1])]
            return _kept(_bare(model).invoke(turns).text, lambda said: bool(supporting(self._grounds, said, read)))
        passages, plan = self._passages(item), self._chain(_bare(model)).plan
        with self._pool.connection() as conn:
            grew = grown(conn, passages, most=plan.passages, words=plan.words)
        asked, examples = self._asked(item), _examples_of(model)
        shown = examples(Question(asked, principals=EVERYONE.principals), asked, grew) if examples else ()
        messages = plan.messages(grew, asked, exemplified(shown))

        def is_borne_out(said: str) -> bool:
            return self._grounds.judge(asked, [said], grew)[0].shown

        return _kept(_bare(model).invoke(messages).text, is_borne_out)

    def _passages(self, item: EvaluationItem) -> Sequence[Passage]:
        own = self._found(self._asked(item))
        if item.given is None:
            return own
        foreign = self._found(item.given)
        if item.set == UNANSWERABLE:
            best = {passage.content_hash for passage in own[:1]}
            return [one for one in foreign if one.content_hash not in best and not self._answers_in(one, item)]
        mine = {passage.content_hash for passage in own}
        return [*[one for one in foreign if one.content_hash not in mine][:DISTRACTORS], *own]

    def _answers_in(self, passage: Passage, item: EvaluationItem) -> bool:
        """Whether a right answer to the question stands in the passage."""
        if item.right is not None and self._grounds.judge(item.question, [item.right], [passage])[0].shown:
            return True
        return bool(item.expect) and facts(passage.text, item.expect) == 1.0

    def _found(self, asked: str) -> Sequence[Passage]:
        return self._find(Question(asked, principals=EVERYONE.principals), asked)[0]

    def _asked(self, item: EvaluationItem) -> str:
        return self._rewrite(Question(item.question, tuple(item.history)))


def figures(arms: Mapping[str, Sequence[Outcome]]) -> dict[str, dict[str, dict[str, float]]]:
    """The mean of each score on each set, by arm, with the number of questions; and how well each arm abstains."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for arm, outcomes in arms.items():
        for outcome in outcomes:
            for score, value in outcome.scores.items():
                means = found.setdefault(outcome.set, {}).setdefault(score, {})
                means[arm] = means.get(arm, 0.0) + value
                means[f"n {arm}"] = means.get(f"n {arm}", 0) + 1
    for scores in found.values():
        for means in scores.values():
            counts = {arm: means.pop(f"n {arm}") for arm in arms if f"n {arm}" in means}
            for arm, count in counts.items():
                means[arm] = round(means[arm] / count, 4)
            means["n"] = int(max(counts.values()))
    abstaining = {arm: _abstaining(outcomes) for arm, outcomes in arms.items()}
    for name in ("precision", "recall"):
        means = {arm: rates[name] for arm, rates in abstaining.items() if name in rates}
        if means:
            found.setdefault(ABSTAINING, {})[name] = {**means, "n": max(one["n"] for one in abstaining.values())}
    return found


def _abstaining(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Of refusals the share that were right, and of questions without an answer the share that were refused."""
    right = [outcome.scores["refused"] for outcome in outcomes if "refused" in outcome.scores]
    wrong = [1 - outcome.scores["kept"] for outcome in outcomes if "kept" in outcome.scores]
    rates = {"recall": round(sum(right) / len(right), 4)} if right else {}
    if refused := sum(right) + sum(wrong):
        rates["precision"] = round(sum(right) / refused, 4)
    return rates | {"n": len(right) + len(wrong)}


class _Overheard:
    """The model in all that it is, of which it is noted what it says as it says it."""

    def __init__(self, model: Any, heard: list[Any]) -> None:
        self._model, self._heard = model, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def stream(self, messages: Any, **more: Any) -> Iterator[BaseMessage]:
        for chunk in self._model.stream(messages, **more):
            self._heard.append(chunk)
            yield chunk


def _ended(events: Iterator[Any]) -> Answer:
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("the chain ended without an answer")


def _kept(text: str, is_borne_out: Callable[[str], bool]) -> str:
    """The first statements of a text that may be shown."""
    said = [without_citations(statement)[0] for statement in statements([text])]
    return " ".join([one for one in said if not says_nothing(one) and is_borne_out(one)][:MAX_ADDED])


def _bare(model: Any) -> Any:
    return model.model if isinstance(model, FewShotModel) else model


def _examples_of(model: Any) -> Examples | None:
    return model.examples if isinstance(model, FewShotModel) else None


def _tokens(model: Any, *texts: str) -> float:
    """That were read and written, about, where the model does not count its own."""
    count = token_counter(_bare(model)) or about_tokens
    return float(sum(count(text) for text in texts))


def _shown(answer: Answer) -> int:
    """How many statements of the model."""
    return len(list(statements([written_by_model(answer.text)])))


def _item(line: Mapping[str, Any], kind: str, clusters: Mapping[str, str]) -> EvaluationItem:
    right = bare(line["completion"][0]["content"])
    cluster = clusters.get(line["example"], line["example"])
    return EvaluationItem(line["example"], kind, line["question"], cluster, right, prompt=line["prompt"])


def _pairs(items: Sequence[EvaluationItem]) -> list[tuple[EvaluationItem, EvaluationItem]]:
    """Each with the next one that is about something else."""
    pairs = []
    for place, item in enumerate(items):
        others = [*items[place + 1 :], *items[:place]]
        other = next((one for one in others if (one.cluster or one.id) != (item.cluster or item.id)), None)
        if other is not None:
            pairs.append((item, other))
    return pairs


def _lines(file: Path) -> list[dict[str, Any]]:
    """The lines that are whole: the last may have been cut off."""
    rows = []
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
