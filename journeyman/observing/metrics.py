"""What Prometheus reads: how questions are answered by this process, and the state that all processes share.

Questions are counted where they are answered. What is a number of rows is asked of Postgres and Redis at each scrape:
a vote that is taken back, or a person's data that is deleted, makes it smaller, which a counter must not become.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import Connection

if TYPE_CHECKING:
    from bot.operations import ModelState
    from retrieval.answering.answer import Event

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
SCRAPE_TIMEOUT = 5  # seconds for the statements of a scrape

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

_VOTES = "SELECT CASE vote WHEN 1 THEN 'up' ELSE 'down' END, count(*)::float FROM feedback GROUP BY vote"
_ANSWERS = "SELECT state, count(*)::float FROM answer WHERE asked_at > now() - interval '1 day' GROUP BY state"
_DOCUMENTS = """
SELECT s.collection, count(*)::float FROM document d JOIN source s ON s.id = d.source_id GROUP BY s.collection
"""
_PASSAGES = """
SELECT s.collection, count(*)::float
FROM chunk c JOIN document d ON d.id = c.document_id JOIN source s ON s.id = d.source_id GROUP BY s.collection
"""
_RUNS = """
SELECT state, count(*)::float FROM job
WHERE state IN ('queued', 'running') OR finished_at > now() - interval '1 day' GROUP BY state
"""
_EMBEDDING = """
SELECT coalesce(sum(
    (counts->>'embedded')::float / greatest(extract(epoch FROM heartbeat_at - started_at), 1)), 0)::float
FROM job WHERE state = 'running'
"""
_REVIEW = "SELECT count(*)::float FROM complaint WHERE verdict IS NULL"
_ROUNDS = "SELECT state, count(*)::float FROM training_round GROUP BY state"
_LOSS = (
    "SELECT (cost->>'loss')::float FROM training_round WHERE state = 'open' AND cost ? 'loss' ORDER BY id DESC LIMIT 1"
)
_PACE = """
SELECT (cost->>'tokens_per_second')::float FROM training_round
WHERE state = 'open' AND cost ? 'tokens_per_second' ORDER BY id DESC LIMIT 1
"""
_LEFT = """
SELECT (cost->>'seconds_left')::float FROM training_round
WHERE state = 'open' AND cost ? 'seconds_left' ORDER BY id DESC LIMIT 1
"""
_INBOX = "SELECT count(*)::float FROM inbox"
_SCANNED = """
SELECT collection, extract(epoch FROM now() - min(scanned_at))::float FROM source
WHERE scanned_at IS NOT NULL GROUP BY collection
"""
# Name, what it is, its label if it has one, and the statement.
GAUGES = (
    ("votes", "Votes that stand.", "vote", _VOTES),
    ("answers_last_day", "Answers of the last 24 hours by state.", "state", _ANSWERS),
    ("documents", "Documents in the index.", "collection", _DOCUMENTS),
    ("passages", "Passages in the index.", "collection", _PASSAGES),
    ("jobs", "Runs that are open or ended within 24 hours, by state.", "state", _RUNS),
    ("embedding_passages_per_second", "Passages that the jobs at work embed a second.", None, _EMBEDDING),
    ("review_queue", "Complaints that wait for a verdict.", None, _REVIEW),
    ("inbox", "Posts that are acknowledged and not dealt with.", None, _INBOX),
    ("training_rounds", "Rounds of fine-tuning by how they ended.", "state", _ROUNDS),
    ("training_loss", "Loss of the last step of the round that trains now.", None, _LOSS),
    ("training_tokens_per_second", "Tokens that the round that trains now learns a second.", None, _PACE),
    ("training_seconds_left", "Seconds that the training of the round that trains now will take yet.", None, _LEFT),
    ("scan_age_seconds", "Seconds since the source looked through longest ago was.", "collection", _SCANNED),
)


class Metrics:
    """The metrics of one process; `registry` is what is served."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._questions = Counter(
            "journeyman_questions",
            "Questions that the chain answered, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("answered", "abstained", "failed", "cancelled"):
            self._questions.labels(outcome)  # a series that begins at 0 can be alerted on
        self._first_text = Histogram(
            "journeyman_first_text_seconds",
            "From the question to the first words of its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answer = Histogram(
            "journeyman_answer_seconds",
            "From the question to the whole answer.",
            buckets=SECONDS,
            registry=self.registry,
        )

    def watch(self, events: "Iterator[Event]") -> "Iterator[Event]":
        """The events of one answer, as they come, counted and timed."""
        from retrieval.answering.answer import Done, Text

        started, outcome, first = time.monotonic(), "cancelled", True
        try:
            for event in events:
                if first and isinstance(event, Text):
                    self._first_text.observe(time.monotonic() - started)
                    first = False
                if isinstance(event, Done):
                    outcome = "abstained" if event.answer.abstained else "answered"
                    self._answer.observe(time.monotonic() - started)
                yield event
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._questions.labels(outcome).inc()
            if close := getattr(events, "close", None):
                close()

    def add_shared(
        self, connect: Connect, redis_url: str, queues: tuple[str, ...], model: "Callable[[], ModelState]"
    ) -> None:
        """Serve the state of Postgres and Redis, too."""
        self.registry.register(SharedState(connect, redis_url, queues, model))


class SharedState(Collector):
    """Gauges over rows and queues, read when they are scraped; `journeyman_up` says which server answered."""

    def __init__(
        self, connect: Connect, redis_url: str, queues: tuple[str, ...], model: "Callable[[], ModelState]"
    ) -> None:
        self._connect, self._queues, self._model = connect, queues, model
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=SCRAPE_TIMEOUT)

    def describe(self) -> list[Metric]:
        """Nothing: registering must not ask a server."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it; without the gauges of a server that does not answer."""
        up = GaugeMetricFamily("journeyman_up", "Whether a server answered this scrape.", labels=["server"])
        try:
            gauges = [self._of_model(), *self._of_postgres()]
            up.add_metric(["postgres"], 1)
            yield from gauges
        except psycopg.Error:
            up.add_metric(["postgres"], 0)
        try:
            yield self._of_redis()
            up.add_metric(["redis"], 1)
        except redis.RedisError:
            up.add_metric(["redis"], 0)
        yield up

    def _of_model(self) -> Metric:
        model = self._model()
        labels = {"name": model.name, "adapter": model.adapter or "none", "served": "no" if model.problem else "yes"}
        return InfoMetricFamily("journeyman_model", "The model that answers.", value=labels)

    def _of_postgres(self) -> list[Metric]:
        gauges: list[Metric] = []
        with self._connect() as conn:
            conn.execute("SELECT set_config('statement_timeout', %s, false)", (f"{SCRAPE_TIMEOUT}s",))
            for name, help_text, label, statement in GAUGES:
                gauge = GaugeMetricFamily(f"journeyman_{name}", help_text, labels=[label] if label else None)
                for *values, count in conn.execute(statement).fetchall():
                    gauge.add_metric([str(value) for value in values], count)
                gauges.append(gauge)
        return gauges

    def _of_redis(self) -> Metric:
        waiting = GaugeMetricFamily("journeyman_queue_depth", "Tasks that wait in Redis.", labels=["queue"])
        for queue in self._queues:
            waiting.add_metric([queue], float(str(self._redis.llen(queue))))
        return waiting
