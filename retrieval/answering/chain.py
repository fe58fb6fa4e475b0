"""The chain from a question to a cited answer: standalone question → search → enough? → prompt → model → judged text.

Of a model that is able the answer comes first, in its own words: each statement is judged against the passages before
it is shown, with the numbers of those that bear it out, and below stands what they say. Where too little is borne out,
the model is asked once more. Of a model that is too weak, and where nothing is borne out, the documents' own words
lead. Where the evidence is too weak the answer says so and cites nothing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from psycopg_pool import ConnectionPool

from retrieval.answering.abilities import ability
from retrieval.answering.abstention import abstention_of
from retrieval.answering.answer import Answer, Done, Event, Question, Reading, Searching, Text
from retrieval.answering.chat_model import adapter_of, name_of, rendered, revision_of
from retrieval.answering.draft import Draft
from retrieval.answering.evidence.quotes import Quote, choose_quotes
from retrieval.answering.examples import Examples, exemplified
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.model_judge import judge_of
from retrieval.answering.passages import FindPassages, PassageSearch
from retrieval.answering.policy import Policy
from retrieval.answering.prompt import PromptPlan, answer_prompt, fitting_messages, plan_for
from retrieval.answering.question.followup import standalone
from retrieval.answering.question.rewriting import rewritten
from retrieval.answering.writing import (
    StatementJudge,
    StatementWriter,
    write_disagreements,
    write_evidence,
    write_quotes,
)
from retrieval.embedders import embed_query
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage
from retrieval.searching.reading import grown
from retrieval.searching.reranking import Reranker

BORNE_OUT = 0.95
"""How grounded an answer may turn out, where it is not sure before that the passages answer."""


class AnswerChain:
    """Answers questions from the index in `pool`'s database. Safe to use from several threads at once.

    `find` takes the place of the search, as where several models are to read the same passages; `rewrites` says of a
    model whether it rewrites follow-ups, and `examples` are shown to it beside the passages.
    """

    def __init__(
        self,
        pool: ConnectionPool[Any],
        embedder: Embedder,
        model: BaseChatModel,
        find: FindPassages | None = None,
        reranker: Reranker | None = None,
        rewrites: Callable[[BaseChatModel], bool] | None = None,
        examples: Examples | None = None,
        policy: Policy | None = None,
        judge: StatementJudge | None = None,
    ) -> None:
        self._pool, self._embedder, self._model, self._reranker = pool, embedder, model, reranker
        self._rewrites, self._examples, self._policy = rewrites, examples, policy or Policy()
        self._judge = judge or Groundedness(embedder)
        self._writer = StatementWriter(model, embedder, self._judge)
        self.find = find or PassageSearch(pool, embedder, reranker)

    def with_model(self, model: BaseChatModel) -> "AnswerChain":
        """Returns a chain with the same search whose answers another model writes."""
        return self._like(model, self._policy)

    def with_policy(self, policy: Policy) -> "AnswerChain":
        """Returns a chain with the same search and model that answers by another policy."""
        return self._like(self._model, policy)

    def _like(self, model: BaseChatModel, policy: Policy) -> "AnswerChain":
        return AnswerChain(
            *(self._pool, self._embedder, model, self.find, self._reranker),
            *(self._rewrites, self._examples, policy, self._judge),
        )

    @property
    def pool(self) -> ConnectionPool[Any]:
        """The connections to the database of the index."""
        return self._pool

    def stream(self, question: Question) -> Iterator[Event]:
        """Yield the events of one answer as they happen; closing the iterator stops the model.

        Raises psycopg.Error when the database fails and whatever the model raises.
        """
        started_at = time.monotonic()
        text = self._standalone(question)
        yield Searching(text)
        passages, calibration = self.find(question, text)
        draft = Draft(question, text, passages, calibration, started_at)
        draft.timings["search"] = round(time.monotonic() - started_at, 4)
        yield Reading(passages)
        quotes = self._quotes(draft)
        draft.leads = self.leads
        draft.is_sure = draft.is_enough()
        # What a model that leads writes is judged, and may tell what the search alone does not.
        if quotes and (draft.is_sure or (draft.leads and draft.is_enough(BORNE_OUT))):
            yield from self._answer(draft, quotes)
        else:
            yield _abstain(draft)
        yield Done(self._answered(draft))

    def _standalone(self, question: Question) -> str:
        """The question so that it stands alone."""
        if question.history and self._rewrites is not None and self._rewrites(self._model):
            return rewritten(question, self._model)
        return standalone(question)

    def quoted(self, question: Question) -> str:
        """What an answer of quotes alone says; the model is not asked."""
        text = standalone(question)
        draft = Draft(question, text, *self.find(question, text), time.monotonic())
        draft.citable = list(draft.passages)
        return "".join(event.text for event in write_quotes(draft, self._quotes(draft)))

    @property
    def leads(self) -> bool:
        """Whether the model's own words lead the answer."""
        if self._policy.answers != "auto":
            return self._policy.leads(None)
        with self._pool.connection() as conn:
            measured = ability(conn, name_of(self._model), adapter_of(self._model)).answers
        return self._policy.leads(measured)

    @property
    def plan(self) -> PromptPlan:
        """How the model is asked at the moment."""
        return self._plan(self.leads)

    def _plan(self, leads: bool) -> PromptPlan:
        return plan_for(self._model, leads=leads, passage_tokens=self._policy.passage_tokens)

    def _quotes(self, draft: Draft) -> list[Quote]:
        """What the documents say nearest to the question; of a conversation, what it was not shown yet."""
        before = "\n".join(turn.text for turn in draft.question.history if turn.role == "assistant")

        def nearness(texts: Sequence[str]) -> Sequence[float]:
            cosines = self._embedder.embed(texts) @ embed_query(self._embedder, draft.question.text)
            return [float(cosine) for cosine in cosines]

        return choose_quotes(draft.question.text, draft.passages, before=before, nearness=nearness)

    def _answer(self, draft: Draft, quotes: Sequence[Quote]) -> Iterator[Text]:
        """The answer's text: the model's words or the documents', whichever lead, and what stands below them."""
        plan = self._plan(draft.leads)
        passages = self._passages_to_read(draft, quotes, plan)
        examples = exemplified(self._examples(draft.question, draft.standalone, passages) if self._examples else ())
        messages = fitting_messages(self._model, plan, passages, draft.standalone, examples)
        if draft.leads and not self._may_answer(draft, plan, passages, examples):
            yield _abstain(draft)
            return
        draft.prompt = rendered(self._model, messages)
        if draft.leads:
            yield from self._writer.lead(draft, messages)
            if not draft.statements and not draft.is_sure:
                yield _abstain(draft)
                return
            yield from write_disagreements(draft, quotes)
            yield from write_evidence(draft) if draft.statements else write_quotes(draft, quotes)
        else:
            yield from write_quotes(draft, quotes)
            yield from write_disagreements(draft, quotes)
            yield from self._writer.add(draft, messages)
        if end := draft.end():
            yield end

    def _passages_to_read(self, draft: Draft, quotes: Sequence[Quote], plan: PromptPlan) -> list[Passage]:
        """What the model reads, grown by its neighbours. Quoted passages come first in any case; what is not read may
        be cited all the same, for it is there to be checked against.
        """
        first = [quote.passage for quote in quotes]
        order = list({passage.chunk_id: passage for passage in [*first, *draft.passages]}.values())
        with self._pool.connection() as conn:
            passages = grown(conn, order, most=plan.passages, words=plan.words)
        ids = {passage.chunk_id for passage in passages}
        draft.citable = [*passages, *(passage for passage in order if passage.chunk_id not in ids)]
        return passages

    def _may_answer(self, draft: Draft, plan: PromptPlan, passages: Sequence[Passage], examples: str) -> bool:
        """Whether a model that leads may begin, after its own yes or no if it is to be asked and can say how sure it
        is.
        """
        judge = judge_of(self._model, plan, examples) if self._policy.model_judges else None
        if judge is None:
            return True
        draft.says_yes = judge.answers(draft.standalone, passages)
        draft.is_sure = draft.is_enough()
        return draft.is_sure or draft.is_enough(BORNE_OUT)

    def _answered(self, draft: Draft) -> Answer:
        draft.timings["total"] = round(time.monotonic() - draft.started_at, 4)
        return Answer(
            question=draft.question.text,
            standalone=draft.standalone,
            text=draft.text,
            abstained=draft.abstained,
            sources=[] if draft.abstained else draft.sources(),
            passages=draft.passages,
            prompt=draft.prompt,
            model=name_of(self._model),
            adapter=adapter_of(self._model),
            timings=draft.timings,
            finish=draft.finish,
            template_sha256=self._template_sha256(draft.leads) if draft.prompt else None,
            revision=revision_of(self._model),
        )

    def _template_sha256(self, leads: bool) -> str:
        """The sha256 of the whole prompt, the model's chat template included, with its variables unfilled."""
        unfilled = answer_prompt(full=leads).format_messages(passages="{passages}", question="{question}")
        return hashlib.sha256(rendered(self._model, unfilled).encode()).hexdigest()


def _abstain(draft: Draft) -> Text:
    """Says that the documents don't answer, and what of the question they don't even mention."""
    draft.abstained = True
    return draft.say(abstention_of(draft.question, draft.passages))
