"""An answer as the operator sees it: counted, traced and logged, as far as the settings say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journeyman.observing.logs import with_texts

if TYPE_CHECKING:
    from journeyman.observing.metrics import Metrics
    from journeyman.observing.tracing import Tracing
    from retrieval.answering.answer import Event


@dataclass(frozen=True, slots=True)
class Watching:
    """Where answers are counted and, if it is wanted, traced; `texts`: questions and answers are logged, too."""

    metrics: "Metrics"
    tracing: "Tracing | None"
    texts: bool


def watched(watching: Watching, question: str, events: "Iterator[Event]") -> "Iterator[Event]":
    """The events of one answer, as they come, seen by whatever watches."""
    events = watching.metrics.watch(events)
    if watching.tracing:
        events = watching.tracing.watch(events)
    return with_texts(question, events) if watching.texts else events
