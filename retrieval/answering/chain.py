"""The chain from a question to a cited answer: standalone question → search → evidence → prompt → model → checked text.

The answer shows what it rests on first: one or two quotes, word for word, with their numbers. Then come those of the
model's statements that a given passage supports, each checked before it is shown. Where the evidence is too weak the
answer says so and cites nothing, and the model is not asked.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableGenerator
from psycopg import Connection
from psycopg_pool import ConnectionPool

from retrieval.answering.abilities import name_of
from retrieval.answering.answer import Answer, Done, Event, Passage, Question, Reading, Searching, Source, Text
from retrieval.answering.confidence import Calibration, calibration
from retrieval.answering.evidence import Quote, choose_quotes, is_enough
from retrieval.answering.examples import Examples, exemplified
from retrieval.answering.followup import meaning_of, standalone
from retrieval.answering.prompt import MAX_PASSAGES, MAX_WORDS, answer_prompt, numbered
from retrieval.answering.rewriting import rewritten
from retrieval.answering.statements import statements, without_citations
from retrieval.answering.support import repeats, supporting_passage
from retrieval.embedding import Embedder
from retrieval.searching.reading import distinct, grown
from retrieval.searching.reranking import Reranker, reranked
from retrieval.searching.scope import EVERYTHING, Scope, scope_of
from retrieval.searching.search import search

PASSAGES = 8
DRAWN = 16
"""Passages of the search that these are chosen from: what nearly repeats a better one leaves its place to another."""
MAX_ANSWER_WORDS = 115
MAX_STATEMENTS = 3
MAX_WRITTEN = 5
"""Statements that the model may write before it is stopped, shown or not: what comes so late seldom helps."""
QUOTES_ALONE = "These are the documents' own words; I found nothing to add that they bear out."

Find = Callable[[Question, str], tuple[Sequence[Passage], Calibration]]
"""From a question, and how it was rewritten to stand alone, to the passages and what they are judged by."""

_QUESTION_BACK = re.compile(r"\?\s*$")


@dataclass(slots=True)
class _Draft:
    """An answer in the making."""

    question: Question
    standalone: str
    passages: Sequence[Passage]
    started: float
    order: list[Passage] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    cited: dict[int, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    prompt: str = ""
    finish: str | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def say(self, text: str) -> Text:
        self.timings.setdefault("first_text", round(time.monotonic() - self.started, 4))
        self.texts.append(text)
        return Text(text)

    def has_room_for(self, text: str) -> bool:
        return len(f"{self.text} {text}".split()) <= MAX_ANSWER_WORDS


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
    ) -> None:
        self._pool, self._embedder, self._model, self._reranker = pool, embedder, model, reranker
        self._find, self._rewrites, self._examples = find or self.find, rewrites, examples
        self._write: Runnable[dict[str, str], BaseMessage] = answer_prompt() | model

    def with_model(self, model: BaseChatModel) -> "AnswerChain":
        """The same search, and answers by another model."""
        return AnswerChain(
            self._pool, self._embedder, model, self._find, self._reranker, self._rewrites, self._examples
        )

    @property
    def pool(self) -> ConnectionPool[Any]:
        """Where the index is."""
        return self._pool

    def as_runnable(self) -> Runnable[Question, Event]:
        """The chain as a LangChain runnable: `stream` yields its events, `invoke` is not meaningful."""

        def transform(questions: Iterator[Question]) -> Iterator[Event]:
            for question in questions:
                yield from self.stream(question)

        return RunnableGenerator(transform)

    def stream(self, question: Question) -> Iterator[Event]:
        """Yield the events of one answer as they happen; closing the iterator stops the model.

        Raises psycopg.Error when the database fails and whatever the model raises.
        """
        started = time.monotonic()
        asked = self._asked(question)
        yield Searching(asked)
        passages, fitted = self._find(question, asked)
        draft = _Draft(question, asked, passages, started)
        draft.timings["search"] = round(time.monotonic() - started, 4)
        yield Reading(passages)
        draft.quotes = choose_quotes(question.text, passages)
        if is_enough(question.text, passages, draft.quotes, fitted):
            yield from self._answer(draft)
            yield Done(self._answered(draft))
        else:
            yield draft.say(nothing_found(passages, question.collections))
            yield Done(self._answered(draft, abstained=True))

    def _asked(self, question: Question) -> str:
        """The question so that it stands alone."""
        if question.history and self._rewrites is not None and self._rewrites(self._model):
            return rewritten(question, self._model)
        return standalone(question)

    def find(self, question: Question, asked: str) -> tuple[Sequence[Passage], Calibration]:
        """The passages that the index has for a question. Raises psycopg.Error."""
        scope, language = scope_of(question), question.language
        with self._pool.connection() as conn:
            meaning, k = meaning_of(question, asked), depth(self._reranker)
            found = search(conn, self._embedder, asked, k=k, scope=scope, language=language, meaning=meaning)
            fitted = calibration(conn)
        # Without the connection: reordering takes far longer than the search, and others wait for theirs.
        return chosen(self._reranker, asked, found), fitted

    def _answer(self, draft: _Draft) -> Iterator[Event]:
        # Quoted passages come first, so that the numbers that people see first are 1 and 2.
        quoted = [quote.passage for quote in draft.quotes]
        order = list({passage.chunk_id: passage for passage in [*quoted, *draft.passages]}.values())
        with self._pool.connection() as conn:
            read = grown(conn, order, most=MAX_PASSAGES, words=MAX_WORDS)
        # What is not read is there to be checked against, and because it may be quoted.
        known = {passage.chunk_id for passage in read}
        draft.order = [*read, *(passage for passage in order if passage.chunk_id not in known)]
        places = {passage.chunk_id: number for number, passage in enumerate(draft.order, 1)}
        for quote in draft.quotes:
            number = places[quote.passage.chunk_id]
            draft.cited[number] = " … ".join(filter(None, [draft.cited.get(number), quote.text]))
            yield draft.say(("\n" if draft.texts else "") + blockquote(quote.text, number))
        examples = self._examples(draft.question, draft.standalone, read) if self._examples else ()
        variables = {"passages": exemplified(examples) + numbered(read), "question": draft.standalone}
        draft.prompt = self._rendered(answer_prompt().format_messages(**variables))
        shown = 0
        before: set[str] = set()
        chunks = self._write.stream(variables)
        for statement in statements(_texts(chunks, draft)):
            if statement in before:  # it goes round in circles
                break
            before.add(statement)
            if text := _checked(statement, draft):
                shown += 1
                yield draft.say(text if shown > 1 else "\n" + text)
            if shown == MAX_STATEMENTS or len(before) == MAX_WRITTEN:
                break
        if close := getattr(chunks, "close", None):
            close()
        if not shown:
            yield draft.say("\n" + QUOTES_ALONE)

    def _rendered(self, messages: Sequence[BaseMessage]) -> str:
        """Exactly what the model reads; of a model behind a server, the messages as they are sent."""
        if render := getattr(self._model, "render", None):
            return str(render(messages))
        return json.dumps([{"role": message.type, "content": message.content} for message in messages])

    def _answered(self, draft: _Draft, *, abstained: bool = False) -> Answer:
        draft.timings["total"] = round(time.monotonic() - draft.started, 4)
        return Answer(
            question=draft.question.text,
            standalone=draft.standalone,
            text=draft.text,
            abstained=abstained,
            sources=[] if abstained else _sources(draft.cited, draft.order),
            passages=draft.passages,
            prompt=draft.prompt,
            model=name_of(self._model),
            adapter=getattr(self._model, "adapter", None),
            timings=draft.timings,
            finish=draft.finish,
            template_sha256=self._template_sha256 if draft.prompt else None,
            revision=getattr(self._model, "revision", None),
        )

    @cached_property
    def _template_sha256(self) -> str:
        """Of the whole prompt, the model's chat template included, with its variables unfilled."""
        unfilled = answer_prompt().format_messages(passages="{passages}", question="{question}")
        return hashlib.sha256(self._rendered(unfilled).encode()).hexdigest()


def _texts(chunks: Iterator[BaseMessage], draft: _Draft) -> Iterator[str]:
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


def nothing_found(passages: Sequence[Passage], collections: Sequence[str] | None = None) -> str:
    """What an abstention says: that the documents don't say it, what was searched, and what came nearest."""
    searched = "all documents" if collections is None else "the documents of " + " and ".join(collections)
    if collections is not None and not collections:
        searched = "what I may read here"
    text = f"The documents don't say. I searched {searched}"
    if not passages:
        return f"{text} and found nothing near it."
    nearest = list(dict.fromkeys(_place(passage) for passage in passages))[:3]
    return f"{text}; the nearest I found is about {'; '.join(nearest)}."


def blockquote(text: str, number: int) -> str:
    """A quote as Markdown, each of its lines marked, with its number at the end."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return "".join(f"> {line}\n" for line in lines[:-1]) + f"> {lines[-1]} [{number}]\n"


def written_by_model(text: str) -> str:
    """The model's statements in the text of an answer, without quotes, citations and our own words; often none."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith(">")]
    written = [without_citations(line)[0] for line in lines if line.strip() != QUOTES_ALONE]
    return " ".join(line for line in written if line)


def _checked(statement: str, draft: _Draft) -> str | None:
    """The statement with the number of the passage that supports it, or None if it must not be shown."""
    text, _ = without_citations(statement)
    if _QUESTION_BACK.search(text) or repeats(text, draft.text) or not draft.has_room_for(text):
        return None
    index = supporting_passage(text, draft.order)
    if index is None:
        return None
    draft.cited.setdefault(index + 1, "")
    return f"{text} [{index + 1}]\n"


def _sources(cited: Mapping[int, str], order: Sequence[Passage]) -> list[Source]:
    return [
        Source(
            number=number,
            document=order[number - 1].document,
            title=order[number - 1].title,
            heading=order[number - 1].heading,
            url=order[number - 1].url,
            quote=quote,
            chunk_id=order[number - 1].chunk_id,
            modified=_day(order[number - 1]),
        )
        for number, quote in sorted(cited.items())
    ]


def _place(passage: Passage) -> str:
    return f"{passage.title} ({passage.heading})" if passage.heading else passage.title


def _day(passage: Passage) -> str | None:
    return passage.modified_at.date().isoformat() if passage.modified_at else None
