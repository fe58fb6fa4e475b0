"""Answers, passages and chains for the bot's tests, with values that a person can compute."""

from collections.abc import Iterator
from typing import Any, cast

from slack_sdk import WebClient

from bot.runtime import Runtime
from bot.slack.events import Identity
from retrieval.answering.answer import Answer, Done, Event, Question, Reading, Searching, Source, Text
from retrieval.searching.passage import Passage

ANSWER_TEXT = "“Alarm 4 means the probe failed.” [1]\n\nMove the probe closer and try again [1]."


def passage(number: int = 1, *, document: str = "alarms.md", title: str = "Alarms") -> Passage:
    """The n-th passage of a small manual."""
    return Passage(
        chunk_id=number,
        document_id=1,
        ordinal=number,
        document=document,
        title=title,
        heading="Alarms > Probe",
        kind="text",
        text="Alarm 4 means the probe failed.",
        url=None,
        content_hash=f"{number:064x}",
        collection="default",
        score=0.9,
        ranks={"dense": 1, "lexical": 2},
        similarity=0.8,
    )


def source(number: int = 1, **changes: Any) -> Source:
    """The source of an answer's [n]."""
    values: dict[str, Any] = {
        "document": "alarms.md",
        "title": "Alarm manual",
        "heading": "Alarms > Probe",
        "url": "https://docs.example.com/alarms?a=1&b=2",
        "quote": "The probe did not contact the workpiece.",
        "chunk_id": number,
    }
    return Source(number=number, **{**values, **changes})


def answer_to(question: str, text: str = ANSWER_TEXT, *, abstained: bool = False) -> Answer:
    """A finished answer with one passage and one source (none if it abstains)."""
    return Answer(
        question=question,
        standalone=question,
        text=text,
        abstained=abstained,
        sources=() if abstained else (source(),),
        passages=(passage(),),
        prompt=f"<|user|>\n{question}<|end|>",
        model="stand-in",
        adapter=None,
        timings={"search": 0.01, "generate": 0.1},
    )


def stand_in_chain(question: Question) -> Iterator[Event]:
    """Answers every question with ANSWER_TEXT, in pieces."""
    yield Searching(question.text)
    yield Reading((passage(),))
    for piece in (ANSWER_TEXT[:20], ANSWER_TEXT[20:45], ANSWER_TEXT[45:]):
        yield Text(piece)
    yield Done(answer_to(question.text))


def runtime() -> Runtime:
    """What a listener is given, without a database, workers or an embedding model: for functions that need none."""
    nothing = cast(Any, None)
    return Runtime(nothing, stand_in_chain, WebClient(), Identity("UBOT", "BBOT", "T1"), work=nothing, embedder=nothing)
