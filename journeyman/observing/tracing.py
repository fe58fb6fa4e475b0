"""OpenTelemetry spans, where the settings name a collector: one around each answer and one around the work of each job.

All spans of a request lie in one trace, whichever process made them: the trace's id is made of the request's, by which
the logs are tied together, too. A span holds names, numbers and the kind of an error, and no word that a person wrote.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import StatusCode
from structlog.contextvars import get_contextvars

from jobs.execution import Cancelled, HandedBack
from jobs.rows import current_request
from journeyman import __version__
from retrieval.answering.answer import Done, Reading, Text

if TYPE_CHECKING:
    from retrieval.answering.answer import Event

P = ParamSpec("P")
R = TypeVar("R")
KNOWN = ("request", "job", "kind")
"""What the logs' context says about whatever is at work, and spans do, too."""
NO_ERRORS = (Cancelled, HandedBack, GeneratorExit)


class RequestIds(RandomIdGenerator):  # type: ignore[misc]  # its types are not looked at: the package is optional
    """The same trace for the same request."""

    def generate_trace_id(self) -> int:
        """128 bits, random outside a request."""
        request = current_request()
        if request is None:
            return cast(int, super().generate_trace_id())
        return int.from_bytes(sha256(request.encode()).digest()[:16], "big")


class Tracing:
    """Spans of this process, sent to the collector at `url` (OTLP over HTTP) some seconds later, in the background."""

    def __init__(self, url: str) -> None:
        about = Resource.create({"service.name": "journeyman", "service.version": __version__})
        self._provider = TracerProvider(resource=about, id_generator=RequestIds())
        exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("journeyman")

    def watch(self, events: "Iterator[Event]") -> "Generator[Event]":
        """The events of one answer, as they come, in a span."""
        with self._span("answer") as span, closing(cast(Any, events)):
            first = True
            for event in events:
                match event:
                    case Reading(passages):
                        span.set_attribute("journeyman.passages", len(passages))
                    case Text() if first:
                        span.add_event("first words")
                        first = False
                    case Done(answer):
                        span.set_attribute("journeyman.abstained", answer.abstained)
                        span.set_attribute("journeyman.model", answer.model)
                        span.set_attribute("journeyman.adapter", answer.adapter or "none")
                yield event

    def around(self, work: Callable[P, R]) -> Callable[P, R]:
        """The same work, in a span."""

        def traced(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._span("job"):
                return work(*args, **kwargs)

        return traced

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @contextmanager
    def _span(self, name: str) -> Iterator[Any]:
        """Not made the current one: a generator's reader may be in another context at its end than at its start."""
        context = get_contextvars()
        span = self._tracer.start_span(name, attributes={f"journeyman.{k}": context[k] for k in KNOWN if k in context})
        try:
            yield span
        except BaseException as error:
            span.set_attribute("journeyman.ended_by", type(error).__name__)
            if not isinstance(error, NO_ERRORS):
                span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()
