"""Where tasks go."""

import pytest

from journeyman.composition import Application
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from journeyman.worker_app import celery_app
from workers.topology import BUILD_EMBEDDER, EMBED, INGEST, REINDEX, ROUTES, SCAN_SOURCES


@pytest.mark.parametrize("queue", [INGEST, EMBED])
def test_documents_are_indexed_by_the_worker_that_embeds_best(queue: str) -> None:
    """Whoever enqueues goes by one setting; the tasks that do not embed documents stay where they were."""
    servers = Stack("postgresql://nobody@/x", "redis://nobody")
    app = celery_app(Application(Settings(index_queue=queue), servers))
    found = {task: app.amqp.router.route({}, task)["queue"].name for task in ROUTES}
    unmoved = {task: route["queue"] for task, route in ROUTES.items()} | {BUILD_EMBEDDER: EMBED}
    assert found == unmoved | {SCAN_SOURCES: queue, REINDEX: queue}
