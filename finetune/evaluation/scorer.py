"""What a model's answer to an item of an evaluation is worth, by score: as the chain serves it, or in its own words.

Where the passages are not the best ones for the question, the model is asked beside the chain: there the evidence would
be judged, and quoted, before the model, the same for all arms.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from finetune.dataset.grounding import EVERYONE, supporting
from finetune.evaluation import judging
from finetune.evaluation.gate import PRIMARY
from finetune.evaluation.items import DECIDING, DISTRACTED, GENERAL, JUDGED, UNANSWERABLE, EvaluationItem
from finetune.evaluation.passages import ItemPassages
from finetune.evaluation.scoring import about_tokens, answer_score, bare, chrf, facts, says_nothing, token_f1, worth
from retrieval.answering.answer import Answer, Done, Question
from retrieval.answering.chain import AnswerChain
from retrieval.answering.chat_model import token_counter
from retrieval.answering.draft import NOTE, written_by_model
from retrieval.answering.examples import Examples, exemplified
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.passages import FindPassages
from retrieval.answering.policy import Policy
from retrieval.answering.prompt import PromptPlan
from retrieval.answering.question.followup import standalone
from retrieval.answering.statements import statements, without_citations
from retrieval.answering.writing import MAX_ADDED
from retrieval.searching.passage import Passage, passage_of
from retrieval.searching.reading import grown

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from retrieval.embedding import Embedder

AnswerVerdict = Callable[[str, str, str | None], float | None]
"""What a judge makes of a question, the answer to it, and what is right, where that is known; None: it says nothing."""
FEW_SHOT = "examples"
"""The arm without an adapter that is shown, as examples, the verified answers that an adapter could learn from."""
GENERAL_TOKENS = 24
LONG = 4.0
"""An answer is brief that has at most so many times the words of a right one."""
LEAST_WORDS = 10
"""Words of a right answer at least, where it is measured how brief another is."""
USUAL_WORDS = 15
"""Words of a right answer that is not known."""


@dataclass(frozen=True, slots=True)
class FewShotModel:
    """A model that is shown examples beside the passages that it reads."""

    model: Any
    examples: Examples


class Scorer:
    """Asks models and scores what they answer. `find` finds the passages, once; `rewrite` has follow-ups stand alone;
    `judge`, if there is one, judges what is said; `policy` is how they answer, all of them alike.
    """

    def __init__(
        self,
        pool: "ConnectionPool[Any]",
        embedder: "Embedder",
        find: FindPassages,
        *,
        rewrite: Callable[[Question], str] = standalone,
        judge: AnswerVerdict | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._pool, self._embedder, self._judge, self._policy = pool, embedder, judge, policy or Policy()
        self._groundedness = Groundedness(embedder)
        self._passages = ItemPassages(find, rewrite, self._groundedness)
        self._answers: dict[tuple[int, str], tuple[Answer, str]] = {}

    def scores(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        """The scores of a model's answer by name; which there are depends on the item's set."""
        if item.set == GENERAL:
            text = _bare_model(model).invoke([("human", item.question)], max_tokens=GENERAL_TOKENS).text
            return {"general": facts(text, item.expect)}
        if item.set == UNANSWERABLE:
            return {"refused": float(not self._supported_words(item, model))}
        if item.set == DISTRACTED:
            return {PRIMARY: answer_score(self._supported_words(item, model), expect=item.expect, right=item.right)}
        return self._served(item, model)

    def _served(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        """The scores of an answer that a person would have been given."""
        answer, text = self._answer(item, model)
        scores = {PRIMARY: worth(answer.text, expect=item.expect, right=item.right, abstained=answer.abstained)}
        if self._judge is not None and item.set in JUDGED:
            verdict = 0.0 if answer.abstained else self._judge(item.question, bare(answer.text), item.right)
            scores |= {} if verdict is None else {judging.SCORE: verdict}
        if item.set not in DECIDING:
            return scores
        scores["kept"] = float(not answer.abstained and not says_nothing(text))
        if answer.abstained:
            return scores
        passages = self._passages_read(answer, self._chain(_bare_model(model)).plan)
        return (
            scores
            | self._form(item, answer, text, passages)
            | self._nearness(item, answer, text)
            | {"tokens": _tokens(model, answer.prompt, text)}
        )

    def _answer(self, item: EvaluationItem, model: Any) -> tuple[Answer, str]:
        """What is shown, and what the model wrote; a question that stands in several sets is answered once."""
        question = self._passages.standalone(item)
        if (id(model), question) not in self._answers:
            chunks: list[Any] = []
            recorded: Any = _RecordedModel(_bare_model(model), chunks)
            chain = self._chain(recorded, _examples_of(model))
            answer = _last_answer(chain.stream(Question(question, principals=EVERYONE.principals)))
            self._answers[id(model), question] = answer, "".join(str(chunk.text) for chunk in chunks)
        return self._answers[id(model), question]

    def _chain(self, model: Any, examples: Examples | None = None) -> AnswerChain:
        return AnswerChain(
            *(self._pool, self._embedder, model, self._passages.find),
            examples=examples,
            policy=self._policy,
            judge=self._groundedness,
        )

    def _form(self, item: EvaluationItem, answer: Answer, text: str, passages: Sequence[Passage]) -> dict[str, float]:
        """Scores of what the model itself wrote, before and after anything of it was checked."""
        claims = [without_citations(statement)[0] for statement in statements([text])]
        supported = [judgement.shown for judgement in self._groundedness.judge(answer.standalone, claims, passages)]
        usual = USUAL_WORDS if item.right is None else len(item.right.split())
        return {
            "grounded": sum(supported) / len(claims) if claims and not says_nothing(text) else 1.0,
            "stopped": float(answer.finish == "stop" or _statements_shown(answer) >= MAX_ADDED),
            "brief": float(len(text.split()) <= LONG * max(LEAST_WORDS, usual)),
            "shown": float(bool(written_by_model(answer.text))),
            "cited": self._cited(answer, passages),
            "seconds": answer.timings["total"],
        }

    def _nearness(self, item: EvaluationItem, answer: Answer, text: str) -> dict[str, float]:
        """Scores of how near the model's words are to a right answer; none where there is no such answer."""
        if item.right is None:
            return {}
        vector, right_vector = self._embedder.embed([text or " ", item.right])
        return {
            "written": token_f1(text, item.right),
            "chrf": max(chrf(words, item.right) for words in (written_by_model(answer.text), text)),
            "similarity": max(0.0, float(vector @ right_vector)),
        }

    def _cited(self, answer: Answer, passages: Sequence[Passage]) -> float:
        """The share of the statements shown whose citation names a passage that they rest on."""
        chunks = {source.number: source.chunk_id for source in answer.sources}
        lines = [line for line in answer.text.split("\n") if line.strip() and not line.startswith((">", NOTE))]
        cited = [without_citations(statement) for line in lines for statement in statements([line])]
        judgements = self._groundedness.judge(answer.standalone, [claim for claim, _ in cited], passages)
        right = [
            judgement.shown
            and bool({chunks.get(number) for number in numbers} & {passages[i].chunk_id for i in judgement.passages})
            for judgement, (_, numbers) in zip(judgements, cited, strict=True)
        ]
        return sum(right) / len(right) if right else 1.0

    def _passages_read(self, answer: Answer, plan: PromptPlan) -> Sequence[Passage]:
        """The passages of an answer as it was checked against them: what is quoted first, and with their neighbours."""
        by_chunk = {passage.chunk_id: passage for passage in answer.passages}
        quotes = [source.chunk_id for source in answer.sources if source.quote and source.chunk_id is not None]
        order = [by_chunk[chunk] for chunk in dict.fromkeys([*quotes, *by_chunk])]
        passages = self._grown(order, plan)
        chunks = {passage.chunk_id for passage in passages}
        return [*passages, *(passage for passage in order if passage.chunk_id not in chunks)]

    def _grown(self, passages: Sequence[Passage], plan: PromptPlan) -> list[Passage]:
        with self._pool.connection() as conn:
            return grown(conn, passages, most=plan.passages, words=plan.words)

    def _supported_words(self, item: EvaluationItem, model: Any) -> str:
        """What the model writes to passages that may not be the best ones for the question, as far as they bear it
        out.
        """
        if item.prompt:
            turns = [(turn["role"], turn["content"]) for turn in item.prompt]
            passages: Sequence[Passage] = [passage_of(0, "", turns[-1][1])]
            text = _bare_model(model).invoke(turns).text
            return _first_claims(text, lambda claim: bool(supporting(self._groundedness, claim, passages)))
        plan = self._chain(_bare_model(model)).plan
        passages = self._grown(self._passages.of(item), plan)
        question, examples = self._passages.standalone(item), _examples_of(model)
        shots = examples(Question(question, principals=EVERYONE.principals), question, passages) if examples else ()
        text = _bare_model(model).invoke(plan.messages(passages, question, exemplified(shots))).text
        return _first_claims(text, lambda claim: self._groundedness.judge(question, [claim], passages)[0].shown)


class _RecordedModel:
    """The model in all that it is, whose chunks are kept as it writes them."""

    def __init__(self, model: Any, chunks: list[Any]) -> None:
        self._model, self._chunks = model, chunks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def stream(self, messages: Any, **arguments: Any) -> Iterator[BaseMessage]:
        for chunk in self._model.stream(messages, **arguments):
            self._chunks.append(chunk)
            yield chunk


def _last_answer(events: Iterator[Any]) -> Answer:
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("the chain ended without an answer")


def _first_claims(text: str, is_supported: Callable[[str], bool]) -> str:
    """The first statements of a text that may be shown, as one text."""
    claims = [without_citations(statement)[0] for statement in statements([text])]
    return " ".join([claim for claim in claims if not says_nothing(claim) and is_supported(claim)][:MAX_ADDED])


def _bare_model(model: Any) -> Any:
    return model.model if isinstance(model, FewShotModel) else model


def _examples_of(model: Any) -> Examples | None:
    return model.examples if isinstance(model, FewShotModel) else None


def _tokens(model: Any, *texts: str) -> float:
    """How many tokens the texts have; about, where the model does not count its own."""
    count = token_counter(_bare_model(model)) or about_tokens
    return float(sum(count(text) for text in texts))


def _statements_shown(answer: Answer) -> int:
    """How many statements of the model an answer shows."""
    return len(list(statements([written_by_model(answer.text)])))
