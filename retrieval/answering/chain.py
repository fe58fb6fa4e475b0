"""The chain from a question to a cited answer: standalone question → search → enough? → prompt → model → judged text.

Of a model that is able the answer comes first, in its own words: each statement is judged against the passages before
it is shown, with the numbers of those that bear it out, and below stands what they say. Where too little is borne out,
the model is asked once more. Of a model that is too weak, and where nothing is borne out, the documents' own words
lead. Where the evidence is too weak the answer says so and cites nothing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from psycopg import Connection
from psycopg_pool import ConnectionPool

from retrieval.answering.abilities import ability
from retrieval.answering.answer import Answer, Done, Event, Question, Reading, Searching, Text
from retrieval.answering.chat_model import adapter_of, name_of, rendered, revision_of, room_for_prompt, token_counter
from retrieval.answering.disagreement.disagreements import disagreements
from retrieval.answering.draft import Draft, as_sentence, is_whole
from retrieval.answering.evidence.confidence import Assessment, Calibration, assess, calibration
from retrieval.answering.evidence.quotes import Quote, choose_quotes
from retrieval.answering.examples import Examples, exemplified
from retrieval.answering.groundedness.judge import Groundedness, Judgement
from retrieval.answering.model_judge import ModelJudge, judge_of
from retrieval.answering.prompt import PromptPlan, again, answer_prompt, plan_for, refuses
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.answering.question.mentions import missing_mentions, not_mentioned
from retrieval.answering.question.rewriting import rewritten
from retrieval.answering.relevance import Relevance, relevance
from retrieval.answering.statements import Statement, numbered_statements, without_citations
from retrieval.answering.wording import holds, says_something
from retrieval.embedders import embed_query
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage
from retrieval.searching.reading import distinct, grown
from retrieval.searching.reranking import Reranker, reranked
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.search import search

PASSAGES = 8
DRAWN = 16
"""Passages of the search that these are chosen from: what nearly repeats a better one leaves its place to another."""
MAX_STATEMENTS, MAX_STEPS = 5, 9
"""Of an answer that the model leads; a procedure has more."""
MOST_DISAGREEMENTS = 2
BORNE_OUT = 0.95
"""How grounded an answer may turn out, where it is not sure before that the passages answer."""
MAX_ADDED = 3
"""Statements of the model below quotes that lead."""
MAX_WRITTEN = 5
"""Statements that a weak model may write before it is stopped, shown or not: what comes so late seldom helps."""

Answers = Literal["auto", "model", "quotes"]

Find = Callable[[Question, str], tuple[Sequence[Passage], Calibration]]
"""From a question, and how it was rewritten to stand alone, to the passages and what they are judged by."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How questions are answered. `answers`: whose words lead, the model's or the documents'; "auto" goes by what
    `journeyman calibrate` measured of model and adapter, and before that by `untried`. `passage_tokens`: what the model
    is given to read, None for what fits it. `model_judges`: it is asked first whether that answers the question.
    """

    answers: Answers = "auto"
    untried: Literal["model", "quotes"] = "quotes"
    passage_tokens: int | None = None
    model_judges: bool = False

    def leads(self, measured: Literal["model", "quotes"] | None) -> bool:
        """Whether the model's words lead, with what was measured of it, if anything was."""
        return (self.answers if self.answers != "auto" else measured or self.untried) == "model"


class StatementJudge(Protocol):
    """Says of statements whether passages bear them out: `retrieval.answering.groundedness.judge.Groundedness`."""

    def judge(self, question: str, statements: Sequence[str], passages: Sequence[Passage]) -> list[Judgement]: ...


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
        find: Find | None = None,
        reranker: Reranker | None = None,
        rewrites: Callable[[BaseChatModel], bool] | None = None,
        examples: Examples | None = None,
        policy: Policy = Policy(),
        judge: StatementJudge | None = None,
    ) -> None:
        self._pool, self._embedder, self._model, self._reranker = pool, embedder, model, reranker
        self._find, self._rewrites, self._examples, self._policy = find or self.find, rewrites, examples, policy
        self._judge = judge or Groundedness(embedder)

    def with_model(self, model: BaseChatModel) -> "AnswerChain":
        """The same search, and answers by another model."""
        return AnswerChain(
            *(self._pool, self._embedder, model, self._find, self._reranker),
            *(self._rewrites, self._examples, self._policy, self._judge),
        )

    def with_policy(self, policy: Policy) -> "AnswerChain":
        """The same search and model, answering by another policy."""
        return AnswerChain(
            *(self._pool, self._embedder, self._model, self._find, self._reranker),
            *(self._rewrites, self._examples, policy, self._judge),
        )

    @property
    def pool(self) -> ConnectionPool[Any]:
        """Where the index is."""
        return self._pool

    def stream(self, question: Question) -> Iterator[Event]:
        """Yield the events of one answer as they happen; closing the iterator stops the model.

        Raises psycopg.Error when the database fails and whatever the model raises.
        """
        started = time.monotonic()
        asked = self._asked(question)
        yield Searching(asked)
        passages, fitted = self._find(question, asked)
        draft = Draft(question, asked, passages, fitted, started)
        draft.timings["search"] = round(time.monotonic() - started, 4)
        yield Reading(passages)
        quotes = self._quotes(draft)
        draft.leads = self.leads
        draft.is_sure = _assessed(draft).enough
        # What a model that leads writes is judged, and may tell what the search alone does not.
        if not quotes or not (draft.is_sure or (draft.leads and _assessed(draft, BORNE_OUT).enough)):
            yield _abstention(draft)
        else:
            yield from self._answer(draft, quotes)
        yield Done(self._answered(draft))

    def _asked(self, question: Question) -> str:
        """The question so that it stands alone."""
        if question.history and self._rewrites is not None and self._rewrites(self._model):
            return rewritten(question, self._model)
        return standalone(question)

    def find(self, question: Question, asked: str) -> tuple[Sequence[Passage], Calibration]:
        """The passages that the index has for a question. Raises psycopg.Error."""
        scope, language = question.scope, question.language
        with self._pool.connection() as conn:
            meaning, k = meaning_of(question, asked), depth(self._reranker)
            found = search(conn, self._embedder, asked, k=k, scope=scope, language=language, meaning=meaning)
            fitted = calibration(conn)
        # Without the connection: reordering takes far longer than the search, and others wait for theirs.
        return chosen(self._reranker, asked, found), fitted

    def quoted(self, question: Question) -> str:
        """What an answer of quotes alone says; the model is not asked."""
        asked = standalone(question)
        draft = Draft(question, asked, *self._find(question, asked), time.monotonic())
        draft.order = list(draft.passages)
        places = {passage.chunk_id: place for place, passage in enumerate(draft.order)}
        return "".join(text.text for text in _quote(draft, self._quotes(draft), places))

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
        plan = self._plan(draft.leads)
        # Quoted passages are read in any case, and first.
        quoted = [quote.passage for quote in quotes]
        order = list({passage.chunk_id: passage for passage in [*quoted, *draft.passages]}.values())
        with self._pool.connection() as conn:
            read = grown(conn, order, most=plan.passages, words=plan.words)
        # What is not read is there to be checked against, and because it may be quoted.
        known = {passage.chunk_id for passage in read}
        draft.order = [*read, *(passage for passage in order if passage.chunk_id not in known)]
        examples = exemplified(self._examples(draft.question, draft.standalone, read) if self._examples else ())
        messages = self._fitting(plan, read, draft.standalone, examples)
        if draft.leads and (judge := self._model_judge(plan, examples)):
            draft.says_yes = judge.answers(draft.standalone, read)
            draft.is_sure = _assessed(draft).enough
            if not draft.is_sure and not _assessed(draft, BORNE_OUT).enough:
                yield _abstention(draft)
                return
        draft.prompt = rendered(self._model, messages)
        places = {passage.chunk_id: place for place, passage in enumerate(draft.order)}
        quote = partial(_quote, draft, quotes, places)
        if draft.leads:
            yield from self._lead(draft, messages)
            if not draft.said and not draft.is_sure:
                yield _abstention(draft)
                return
            yield from _disagreements(draft, quotes, places)
            yield from _evidence(draft) if draft.said else quote()
        else:
            yield from quote()
            yield from _disagreements(draft, quotes, places)
            yield from self._state(draft, messages, most=MAX_ADDED, written=MAX_WRITTEN)
        if end := draft.end():
            yield end

    def _model_judge(self, plan: PromptPlan, before: str) -> ModelJudge | None:
        """The model itself as judge of whether the passages answer, if it is to be asked and can say how sure it is."""
        return judge_of(self._model, plan, before) if self._policy.model_judges else None

    def _fitting(
        self, plan: PromptPlan, read: Sequence[Passage], question: str, examples: str
    ) -> Sequence[BaseMessage]:
        """What the model reads, without the last passages if its window would not hold all: words are no tokens."""
        count, most = token_counter(self._model), room_for_prompt(self._model)
        messages = plan.messages(read, question, examples)
        if count is None or most is None:
            return messages
        for kept in range(len(read) - 1, 0, -1):
            if count(rendered(self._model, messages)) <= most:
                break
            messages = plan.messages(read[:kept], question, examples)
        return messages

    def _lead(self, draft: Draft, messages: Sequence[BaseMessage]) -> Iterator[Text]:
        """The model's statements; if more than half of what it wrote is refused, it is asked once more."""
        yield from self._state(draft, messages, most=MAX_STATEMENTS, written=MAX_STEPS)
        if len(draft.refused) > len(draft.said):
            wrote = AIMessage(" ".join([*draft.said, *draft.refused]))
            told = HumanMessage(again(draft.said, draft.refused))
            yield from self._state(draft, [*messages, wrote, told], most=MAX_STATEMENTS, written=MAX_STATEMENTS)

    def _state(self, draft: Draft, messages: Sequence[BaseMessage], *, most: int, written: int) -> Iterator[Text]:
        """Those of the model's statements that may be shown, until there are `most` or it wrote so many."""
        chunks = self._model.stream(list(messages))
        before: set[str] = set()
        for statement in numbered_statements(_texts(chunks, draft)):
            if refuses(statement.text) or statement.text in before:  # it says that it cannot, or goes round in circles
                break
            before.add(statement.text)
            if judged := self._checked(statement, draft):
                for one in judged.evidence:
                    draft.rest_on(one.passage, one.text)
                yield draft.state(judged.text, judged.passages, is_step=statement.is_step)
            if len(draft.said) >= (MAX_STEPS if statement.is_step else most) or len(before) >= written:
                break
        if close := getattr(chunks, "close", None):
            close()

    def _relevance(self, draft: Draft) -> Relevance:
        """Made when the first statement comes, and kept with the draft."""
        if draft.relevance is None:
            draft.relevance = relevance(self._embedder, draft.question.text, draft.standalone, draft.passages)
        return draft.relevance

    def _checked(self, statement: Statement, draft: Draft) -> Judgement | None:
        """The statement as it is judged, as a sentence; None if it must not be shown.

        Where the search alone was not sure that the passages answer, it must be grounded well enough to tell.
        """
        text, _ = without_citations(statement.text)
        if text.endswith("?") or (draft.finish == "length" and not is_whole(text)):
            return None  # it asks back, or was cut off
        said = as_sentence(text)
        if draft.repeats(said) or not says_something(said, draft.order) or not draft.has_room_for(said):
            return None
        (judged,) = self._judge.judge(draft.standalone, [said], draft.order)
        held = draft.leads or holds(draft.order, said)
        tells = draft.is_sure or _assessed(draft, judged.probability).enough
        if not (judged.shown and held and tells):
            draft.refused.append(said)
            return None
        passages = [draft.order[place] for place in judged.passages]
        about = statement.is_step or self._relevance(draft).is_about(said, passages, leads=draft.leads)
        return judged if about else None

    def _answered(self, draft: Draft) -> Answer:
        draft.timings["total"] = round(time.monotonic() - draft.started, 4)
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
        """Of the whole prompt, the model's chat template included, with its variables unfilled."""
        unfilled = answer_prompt(full=leads).format_messages(passages="{passages}", question="{question}")
        return hashlib.sha256(rendered(self._model, unfilled).encode()).hexdigest()


def _assessed(draft: Draft, grounded: float | None = None) -> Assessment:
    """Whether the passages answer, with the model's own yes or no if it said so, and how grounded its words are."""
    question, passages = draft.question.text, draft.passages
    return assess(question, passages, calibration=draft.fitted, grounded=grounded, says_yes=draft.says_yes)


def _abstention(draft: Draft) -> Text:
    """That the documents don't say it, and what of the question they don't even mention."""
    draft.abstained = True
    absent = missing_mentions(draft.question.text, draft.passages)
    return draft.say(nothing_found(draft.passages, draft.question.collections, absent))


def _quote(draft: Draft, quotes: Sequence[Quote], places: Mapping[int, int]) -> Iterator[Text]:
    """The documents' own words."""
    for quote in quotes:
        yield draft.quote(quote.text, places[quote.passage.chunk_id])


def _evidence(draft: Draft) -> Iterator[Text]:
    """What the statements above rest on."""
    for place, text in draft.evidence():
        yield draft.quote(text, place)


def _disagreements(draft: Draft, quotes: Sequence[Quote], places: Mapping[int, int]) -> Iterator[Text]:
    """Where documents say different things about what is asked: both are named, the newer one first."""
    for one in disagreements(draft.standalone, draft.passages, quotes)[:MOST_DISAGREEMENTS]:
        said = [(places[each.passage.chunk_id], each.text) for each in (one.newer, one.older)]
        yield draft.note(str(one), said)


def _texts(chunks: Iterator[BaseMessage], draft: Draft) -> Iterator[str]:
    """The text of what the model streams, and why it ended."""
    for chunk in chunks:
        draft.finish = chunk.response_metadata.get("finish_reason") or draft.finish
        yield str(chunk.text)


def passages_for(
    conn: Connection[Any],
    embedder: Embedder,
    reranker: Reranker | None,
    asked: str,
    *,
    scope: Scope = EVERYTHING,
    language: str | None = None,
    meaning: Mapping[str, float] | None = None,
) -> list[Passage]:
    """The passages that a question is answered from, best first; `meaning` as `meaning_of` has it of a follow-up."""
    found = search(conn, embedder, asked, k=depth(reranker), scope=scope, language=language, meaning=meaning)
    return chosen(reranker, asked, found)


def depth(reranker: Reranker | None) -> int:
    """How many passages of the search an answer's are chosen from."""
    return max(DRAWN, reranker.pool if reranker else 0)


def chosen(reranker: Reranker | None, asked: str, found: Sequence[Passage]) -> list[Passage]:
    """At most `PASSAGES` of those that were found, reordered; none nearly repeats a better one."""
    order = reranked(reranker, asked, found, DRAWN) if reranker else found[:DRAWN]
    return distinct(order)[:PASSAGES]


def remembered(find: Find) -> Find:
    """The same search, which finds what it found before: a frozen snapshot of the index for the questions asked."""
    found: dict[str, tuple[Sequence[Passage], Calibration]] = {}

    def find_again(question: Question, asked: str) -> tuple[Sequence[Passage], Calibration]:
        key = repr((asked, question))
        if key not in found:
            found[key] = find(question, asked)
        return found[key]

    return find_again


def nothing_found(
    passages: Sequence[Passage], collections: Sequence[str] | None = None, absent: Sequence[str] = ()
) -> str:
    """What an abstention says: that the documents don't say it, or don't mention what is `absent`; what was searched;
    and what came nearest.
    """
    searched = "all documents" if collections is None else "the documents of " + " and ".join(collections)
    if collections is not None and not collections:
        searched = "what I may read here"
    text = not_mentioned(absent, passages) if absent and passages else "The documents don't say."
    text = f"{text} I searched {searched}"
    if not passages:
        return f"{text} and found nothing near it."
    nearest = list(dict.fromkeys(_place(passage) for passage in passages))[:3]
    return f"{text}; the nearest I found is about {'; '.join(nearest)}."


def _place(passage: Passage) -> str:
    return f"{passage.title} ({passage.heading})" if passage.heading else passage.title
