"""Metrics and health: what whoever watches a process is told."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bot.operations import ModelState
from bot.questions import views
from journeyman.cli.up import child_commands
from journeyman.observing.metrics import Metrics
from journeyman.observing.monitoring import HealthCheck, Monitor, served
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from retrieval.answering.answer import Answer, Done, Event, Searching, Text
from tests.finetune.model_server import model_server
from tests.journeyman.conftest import ROOT
from tests.slack_workspace import Workspace
from workers.topology import QUEUES

MODEL = ModelState("phi", "here", "a7", loaded=True)


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@contextmanager
def monitored(**checks: HealthCheck) -> Iterator[int]:
    """The port of a monitor with these checks."""
    with served(Monitor(CollectorRegistry(), checks), "127.0.0.1", 0) as port:
        yield port


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The samples of a scrape, by name and label values, through Prometheus's own text format."""
    from prometheus_client import generate_latest

    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def answer(abstained: bool = False) -> Answer:
    """An answer of the chain."""
    return Answer(
        question="?",
        standalone="?",
        text="It is blue.",
        abstained=abstained,
        sources=(),
        passages=(),
        prompt="",
        model="m",
        adapter=None,
    )


def events(*found: Event, error: Exception | None = None) -> Iterator[Event]:
    """What a chain yields, and then raises."""
    yield from found
    if error:
        raise error


def test_questions_are_counted_by_outcome() -> None:
    """Answered, abstained, failed and cancelled, with the times of those that came to an end."""
    metrics = Metrics()
    list(metrics.watch(events(Searching("?"), Text("It"), Text(" is"), Done(answer()))))
    list(metrics.watch(events(Done(answer(abstained=True)))))
    with pytest.raises(RuntimeError):
        list(metrics.watch(events(Searching("?"), error=RuntimeError("no model"))))
    half = metrics.watch(events(Searching("?"), Text("It"), Done(answer())))
    next(half)
    half.close()  # type: ignore[attr-defined]
    found = values(metrics)
    for outcome in ("answered", "abstained", "failed", "cancelled"):
        assert found["journeyman_questions_total", outcome] == 1, outcome
    assert found["journeyman_answer_seconds_count",] == 2
    assert found["journeyman_first_text_seconds_count",] == 1


def test_closing_reaches_the_chain() -> None:
    """A question that is cancelled stops the model, watched or not."""
    closed: list[bool] = []

    def chain() -> Iterator[Event]:
        try:
            yield Searching("?")
            yield Text("never")
        finally:
            closed.append(True)

    half = Metrics().watch(chain())
    next(half)
    half.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_shared_state_is_what_the_rows_say(database: str, redis_url: str) -> None:
    """Votes go down again when they are taken back; each gauge's statement fits the schema."""
    metrics = Metrics()
    metrics.add_shared(
        lambda: psycopg.connect(database, autocommit=True), redis_url, ("nobody-uses-this",), lambda: MODEL
    )
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("INSERT INTO answer (asked_by, state, question) VALUES ('U1', 'answered', 'What?')")
        conn.execute("INSERT INTO feedback SELECT id, 'U1', 1 FROM answer")
        found = values(metrics)
        assert found["journeyman_votes", "up"] == 1
        assert found["journeyman_answers_last_day", "answered"] == 1
        assert found["journeyman_inbox",] == found["journeyman_review_queue",] == 0
        assert found["journeyman_queue_depth", "nobody-uses-this"] == 0
        assert found["journeyman_model_info", "a7", "phi", "yes"] == 1
        assert found["journeyman_up", "postgres"] == found["journeyman_up", "redis"] == 1
        assert ("journeyman_training_seconds_left",) not in found
        conn.execute(
            "INSERT INTO training_round (started_by, requested, cost) VALUES ('U1', '{}', '{\"seconds_left\": 90.5}')"
        )
        assert values(metrics)["journeyman_training_seconds_left",] == 90.5
        conn.execute("DELETE FROM feedback")
        assert ("journeyman_votes", "up") not in values(metrics)


def test_embedding_rate_is_that_of_the_jobs_at_work(database: str, redis_url: str) -> None:
    """Passages a second since each began, together; none at work is 0, which is a rate, too."""
    metrics = Metrics()
    metrics.add_shared(lambda: psycopg.connect(database, autocommit=True), redis_url, (), lambda: MODEL)
    assert values(metrics)["journeyman_embedding_passages_per_second",] == 0
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("""
            INSERT INTO job (kind, target, started_by, state, counts, started_at, heartbeat_at)
            VALUES ('scan', 'sources', 'schedule', 'running', '{"embedded": 300}', now() - interval '60 s', now()),
                ('build', 'a-model', 'U1', 'running', '{"embedded": 200}', now() - interval '120 s',
                    now() - interval '20 s'),
                ('build', 'a-newer-model', 'U1', 'running', '{}', now(), now()),
                ('reindex', 'all', 'U1', 'done', '{"embedded": 5000}', now() - interval '60 s', now())
        """)
    assert values(metrics)["journeyman_embedding_passages_per_second",] == pytest.approx(5 + 2)


def test_scrape_without_servers_says_so(tmp_path: Path) -> None:
    """Whoever watches must not lose sight of a process because Postgres and Redis are away."""
    metrics = Metrics()
    nobody = f"postgresql://journeyman@/x?host={tmp_path}"
    metrics.add_shared(lambda: psycopg.connect(nobody), f"unix://{tmp_path}/redis", ("embed",), lambda: MODEL)
    found = values(metrics)
    assert found["journeyman_up", "postgres"] == found["journeyman_up", "redis"] == 0
    assert found["journeyman_questions_total", "answered"] == 0


def test_ready_while_every_part_answers() -> None:
    """A part that is away makes it 503 with a sentence; the process is alive all the while."""

    def away() -> None:
        raise psycopg.OperationalError("connection refused")

    with monitored(postgres=lambda: None) as port:
        assert get(port, "/readyz") == (200, '{"ready": true, "postgres": null}\n')
    with monitored(postgres=away, redis=lambda: None) as port:
        status, body = get(port, "/readyz")
        assert status == 503
        assert "JOURNEYMAN_DATABASE_URL" in json.loads(body)["postgres"]
        assert get(port, "/healthz") == (200, '{"alive": true}\n')
        assert get(port, "/")[0] == 404


def test_processes_of_up_do_not_share_a_port() -> None:
    """Each has its own, in a row; none where none is wanted."""

    def ports(wanted: int) -> list[str]:
        return [command[-1] for command in child_commands(Settings(metrics_port=wanted), slack=True).values()]

    assert ports(9464) == ["9464", "9465", "9466", "9467"]
    assert ports(0) == ["0", "0", "0", "0"]


def test_up_indexes_while_it_trains() -> None:
    """Every queue is worked on, and that of fine-tuning by a process of its own."""
    queues = [
        command[command.index("--queues") + 1]
        for command in child_commands(Settings(), slack=False).values()
        if "--queues" in command
    ]
    assert sorted(queues) == ["finetune", "ingest,embed,control"]
    assert set(",".join(queues).split(",")) == set(QUEUES)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "part"), [("worker", "consumer"), ("beat", "clock"), ("bot", "slack")])
def test_service_is_watched(
    environment: dict[str, str], command: str, part: str, tmp_path: Path, stack: Stack, workspace: Workspace
) -> None:
    """The real process serves its metrics, lives, and is ready once its own part is, too."""
    workspace.install(Path(views.__file__).parent.with_name("manifest.yaml"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with model_server() as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "journeyman", command, "--metrics-port", str(port)],
            cwd=tmp_path,
            env=environment | workspace.environment() | {"PYTHONPATH": str(ROOT), "JOURNEYMAN_MODEL_URL": url},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            found = (0, "")
            deadline = time.monotonic() + 60
            while found[0] != 200:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline, found
                time.sleep(0.1)
                with suppress(URLError, ConnectionError):
                    found = get(port, "/readyz")
            assert json.loads(found[1]) == {"ready": True, "postgres": None, "redis": None, part: None}
            assert get(port, "/healthz") == (200, '{"alive": true}\n')
            metrics = get(port, "/metrics")[1]
            assert "journeyman_queue_depth" in metrics
            assert 'journeyman_questions_total{outcome="answered"} 0.0' in metrics
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
