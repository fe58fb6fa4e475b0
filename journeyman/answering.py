"""A question answered by this process: by the adapter that serves whoever asks, watched, and first on the GPU."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journeyman.observing.watching import Watching, watched
from workers.gpu_priority import GpuPriority

if TYPE_CHECKING:
    from finetune.serving import Serving
    from retrieval.answering.answer import Event, Question


@dataclass(frozen=True, slots=True)
class AnsweringParts:
    """What answers: `serving()` knows the chain of each adapter; its first call loads the model."""

    serving: "Callable[[], Serving]"
    watching: Watching
    gpu: GpuPriority


def answer(parts: AnsweringParts, question: "Question") -> "Iterator[Event]":
    """Streams the answer to a question."""
    events = parts.serving().chain_for(question).stream(question)
    return watched(parts.watching, question.text, parts.gpu.answering(events))
