"""The Celery app of this installation: the tasks of workers/ with the functions that they call."""

from functools import partial
from typing import Any

from celery import Celery
from psycopg import Connection

from jobs.progress import Tell
from journeyman.composition import Application
from journeyman.indexing import build_embedder, index_due, reindex
from journeyman.retention import forget
from workers.app import build_app
from workers.tasks import Work


def celery_app(app: Application) -> Celery:
    """The app of the workers, of beat and of whoever enqueues."""
    settings, indexing = app.settings, app.indexing
    traced = app.tracing.around if app.tracing else lambda work: work
    return build_app(
        app.stack.redis_url,
        Work(
            connect=app.connect,
            index_due=traced(partial(index_due, indexing)),
            reindex=traced(partial(reindex, indexing)),
            build_embedder=traced(partial(build_embedder, indexing)),
            finetune=traced(partial(_finetune, app)),
            request_round=partial(_request_round, app),
            forget=lambda conn: forget(conn, app.home),
        ),
        scan_seconds=settings.scan_minutes * 60.0,
        finetune_seconds=settings.finetune_hours * 3600.0,
        index_queue=settings.index_queue,
    )


# A worker that only indexes does without LangChain and the learning loop: they are imported where a round needs them.


def _finetune(app: Application, conn: Connection[Any], job_id: int, tell: Tell) -> dict[str, Any]:
    from journeyman.rounds import finetune

    return finetune(app, conn, job_id, tell)


def _request_round(app: Application, conn: Connection[Any]) -> int:
    from journeyman.rounds import request_usual_round

    return request_usual_round(app.settings, conn)
