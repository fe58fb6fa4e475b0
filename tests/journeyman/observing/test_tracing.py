"""OpenTelemetry spans, where somebody asked for them, and the texts of messages, which are nobody's business else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from jobs.execution import HandedBack
from jobs.rows import read_job, request_job
from journeyman.composition import Application
from journeyman.observing.logs import with_texts
from journeyman.observing.watching import watched
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from journeyman.worker_app import celery_app
from retrieval.answering.answer import Answer, Done, Event, Reading, Searching, Text
from workers.tasks import EVERYTHING_DUE
from workers.topology import SCAN_SOURCES

SECRET = "the vault's code is 4711"


def answer(text: str = SECRET, abstained: bool = False) -> Answer:
    """An answer of the chain, with people's words wherever they may be."""
    return Answer(SECRET, SECRET, text, abstained, (), (), SECRET, "phi", "a7")


def events(*found: Event, error: Exception | None = None) -> Iterator[Event]:
    """What a chain yields, and then raises."""
    yield from found
    if error:
        raise error


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector of spans over OTLP; its URL, and what came, a span each."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(span for r in body.resource_spans for s in r.scope_spans for span in s.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()
        thread.join()


def told(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_answer_and_job_of_a_request_are_one_trace() -> None:
    """Whichever process made them; spans hold names and counts, and no word that a person wrote."""
    pytest.importorskip("opentelemetry.sdk")
    from journeyman.observing.tracing import Tracing

    with collector() as (url, spans):
        bot, worker = Tracing(url), Tracing(url)
        with bound_contextvars(request="Ev1"):
            chain = events(Searching(SECRET), Reading(()), Text(SECRET), Text("."), Done(answer()))
            assert len(list(bot.watch(chain))) == 5
            with pytest.raises(RuntimeError):
                list(bot.watch(events(Searching(SECRET), error=RuntimeError(SECRET))))
        with bound_contextvars(request="Ev1", job=7, kind="reindex"):
            assert worker.around(lambda words: len(words))(SECRET) == len(SECRET)
            with pytest.raises(HandedBack):
                worker.around(next)(error for error in raising())
        with bound_contextvars(request="Ev2"):
            half = bot.watch(events(Searching(SECRET), Text(SECRET)))
            next(half)
            half.close()
        bot.close()
        worker.close()
    assert [span.name for span in spans if span.name == "answer"] == ["answer"] * 3
    assert len(spans) == 5
    ours = [span for span in spans if told(span)["journeyman.request"] == "Ev1"]
    assert len(ours) == 4
    assert len({span.trace_id for span in ours}) == 1
    assert len({span.trace_id for span in spans}) == 2
    whole = next(span for span in ours if "journeyman.model" in told(span))
    assert told(whole)["journeyman.adapter"] == "a7"
    assert [event.name for event in whole.events] == ["first words"]
    assert {told(span).get("journeyman.job") for span in ours if span.name == "job"} == {7}
    assert sorted(told(span).get("journeyman.ended_by", "") for span in ours) == ["", "", "HandedBack", "RuntimeError"]
    assert [span.status.code for span in ours].count(2) == 1  # handing back is no error
    assert "4711" not in str(spans)


def raising() -> Iterator[int]:
    """What happens to work whose process is to end."""
    raise HandedBack
    yield


def test_job_of_a_worker_is_traced(database: str, redis_url: str) -> None:
    """The real task, by the settings alone."""
    pytest.importorskip("opentelemetry.sdk")
    with collector() as (url, spans):
        app = Application(Settings(traces_url=url), Stack(database, redis_url))
        with app.connect() as conn, bound_contextvars(request="Ev3"):
            job = request_job(conn, "scan", EVERYTHING_DUE, started_by="U1")
        celery_app(app).tasks[SCAN_SOURCES](job.id)
        with app.connect() as conn:
            done = read_job(conn, job.id)
        app.close()
    assert done is not None
    assert done.state == "done"
    (span,) = spans
    assert told(span) == {"journeyman.request": "Ev3", "journeyman.job": job.id, "journeyman.kind": "scan"}


@pytest.fixture
def nobody() -> Stack:
    """Servers that nothing here asks."""
    return Stack("postgresql://nobody@/x", "redis://nobody")


def test_nothing_is_traced_unless_it_is_asked_for(nobody: Stack) -> None:
    """Then work and events go as they are."""
    app = Application(Settings(), nobody)
    assert app.tracing is None
    assert list(watched(app.watching, SECRET, events(Searching("?")))) == [Searching("?")]


@pytest.mark.parametrize("asked", [False, True])
def test_texts_are_logged_only_if_asked_for(asked: bool, nobody: Stack) -> None:
    """Questions and answers are people's: in logs they are read by whoever reads those."""
    app = Application(Settings(log_messages=asked), nobody)
    with capture_logs() as lines:
        assert len(list(watched(app.watching, SECRET, events(Searching(SECRET), Text(SECRET), Done(answer()))))) == 3
    found = [(line["event"], line.get("question") or line.get("answer")) for line in lines]
    assert found == ([("asked", SECRET), ("answered", SECRET)] if asked else [])


def test_closing_reaches_the_chain_through_the_log() -> None:
    """A question that is cancelled stops the model, logged or not."""
    closed: list[bool] = []

    def chain() -> Iterator[Event]:
        try:
            yield Searching("?")
            yield Text("never")
        finally:
            closed.append(True)

    half = with_texts("?", chain())
    next(half)
    half.close()
    assert closed == [True]
