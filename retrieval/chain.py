"""The chain from a question to a cited answer: standalone question → search → evidence → prompt → model → checked text.

The answer shows what it rests on first: one or two quotes, word for word, with their numbers. Then come those of the
model's statements that a given passage supports, each checked before it is shown. Where the evidence is too weak the
answer says so and cites nothing, and the model is not asked.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator
from psycopg_pool import ConnectionPool

from retrieval.answer import Answer, Done, Event, Passage, Question, Reading, Searching, Source, Text
from retrieval.confidence import Calibration, calibration
from retrieval.embedding import Embedder
from retrieval.evidence import Quote, choose_quotes, is_enough
from retrieval.followup import standalone
from retrieval.prompt import answer_prompt, numbered
from retrieval.scope import Scope
from retrieval.search import search
from retrieval.statements import statements, without_citations
from retrieval.support import repeats, supporting_passage

PASSAGES = 8
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

    `find` takes the place of the search, as where several models are to read the same passages.
    """

    def __init__(
        self, pool: ConnectionPool[Any], embedder: Embedder, model: BaseChatModel, find: Find | None = None
    ) -> None:
        self._pool, self._embedder, self._model = pool, embedder, model
        self._find = find or self.find
        self._write: Runnable[dict[str, str], str] = (
            answer_prompt() | model | StrOutputParser() | RunnableGenerator(statements)
        )

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
        asked = standalone(question)
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

    def find(self, question: Question, asked: str) -> tuple[Sequence[Passage], Calibration]:
        """The passages that the index has for a question. Raises psycopg.Error."""
        with self._pool.connection() as conn:
            found = search(conn, self._embedder, asked, k=PASSAGES, scope=_scope(question), language=question.language)
            return found, calibration(conn)

    def _answer(self, draft: _Draft) -> Iterator[Event]:
        # Quoted passages come first, so that the numbers that people see first are 1 and 2.
        quoted = [quote.passage for quote in draft.quotes]
        draft.order = list({passage.chunk_id: passage for passage in [*quoted, *draft.passages]}.values())
        for quote in draft.quotes:
            number = draft.order.index(quote.passage) + 1
            draft.cited[number] = " … ".join(filter(None, [draft.cited.get(number), quote.text]))
            yield draft.say(("\n" if draft.texts else "") + blockquote(quote.text, number))
        variables = {"passages": numbered(draft.order), "question": draft.standalone}
        draft.prompt = self._rendered(answer_prompt().format_messages(**variables))
        shown = 0
        before: set[str] = set()
        written = self._write.stream(variables)
        for statement in written:
            if statement in before:  # it goes round in circles
                break
            before.add(statement)
            if text := _checked(statement, draft):
                shown += 1
                yield draft.say(text if shown > 1 else "\n" + text)
            if shown == MAX_STATEMENTS or len(before) == MAX_WRITTEN:
                break
        if close := getattr(written, "close", None):
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
            model=_name(self._model),
            adapter=getattr(self._model, "adapter", None),
            timings=draft.timings,
        )


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
    text = f"The documents don't say. I searched {searched}"
    if not passages:
        return f"{text} and found nothing near it."
    nearest = list(dict.fromkeys(_place(passage) for passage in passages))[:3]
    return f"{text}; the nearest I found is about {'; '.join(nearest)}."


def blockquote(text: str, number: int) -> str:
    """A quote as Markdown, each of its lines marked, with its number at the end."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return "".join(f"> {line}\n" for line in lines[:-1]) + f"> {lines[-1]} [{number}]\n"


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


def _scope(question: Question) -> Scope:
    return Scope(
        None if question.collections is None else tuple(question.collections),
        None if question.principals is None else tuple(question.principals),
    )


def _place(passage: Passage) -> str:
    return f"{passage.title} ({passage.heading})" if passage.heading else passage.title


def _day(passage: Passage) -> str | None:
    return passage.modified_at.date().isoformat() if passage.modified_at else None


def _name(model: BaseChatModel) -> str:
    return str(getattr(model, "model_name", None) or model.get_name())
