"""A long-running process watched: its metrics and its health over HTTP, and what it shares with others."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import redis
import structlog

from journeyman.answering_model import model_state
from journeyman.composition import Application
from journeyman.observing.monitoring import HealthCheck, Monitor, served
from workers.topology import QUEUES

log = structlog.get_logger(__name__)


@contextmanager
def monitored(app: Application, **checks: HealthCheck) -> Iterator[None]:
    """Serves the process's metrics and health while the context lasts, where the settings name a port. `checks` are of
    what this process alone does.
    """
    settings = app.settings
    if not settings.metrics_port:
        yield
        return
    app.metrics.add_shared(app.connect, app.stack.redis_url, QUEUES, partial(model_state, app.answering_model))
    broker = redis.Redis.from_url(app.stack.redis_url, socket_timeout=5)
    shared: dict[str, HealthCheck] = {"postgres": partial(_ask_database, app), "redis": broker.ping}
    monitor = Monitor(app.metrics.registry, shared | checks)
    with served(monitor, settings.metrics_host, settings.metrics_port) as port:
        log.info("monitored", url=f"http://{settings.metrics_host}:{port}/metrics")
        yield


def _ask_database(app: Application) -> None:
    with app.connect() as conn:
        conn.execute("SELECT 1")
