"""The long-running parts, each as one process: bot, worker, beat. They end on SIGTERM or Ctrl-C."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from journeyman.composition import Application, application
from journeyman.servers.stack import prepare_home
from journeyman.servers.supervisor import end_with_parent
from journeyman.settings import Settings, reveal

if TYPE_CHECKING:
    from journeyman.observing.monitoring import Check

READ_BY_BOLT = ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_VERIFICATION_TOKEN")
"""What Bolt takes from the environment by itself. Our settings have the token already, and Bolt would warn that it has
it twice; with the others it would become an app for many workspaces.
"""


def run_bot(settings: Settings, parent: int | None) -> None:
    """Connect to Slack and answer.

    The model is loaded meanwhile, so that a question is acknowledged at once.
    """
    follow(parent)
    for name in READ_BY_BOLT:
        os.environ.pop(name, None)
    with ExitStack() as serving:
        app = serving.enter_context(application(settings))
        slack = app.slack()
        serving.enter_context(monitored(app, slack=slack.check_connection))
        threading.Thread(target=warm_up, args=(app,), name="warm-up", daemon=True).start()
        app_token = reveal(settings.slack_app_token)
        if app_token:
            from bot.app import run_socket_mode

            run_socket_mode(slack, app_token, settings.slack_api_url)
        else:
            from bot.app import run_http

            run_http(slack, settings.http_host, settings.http_port)


def warm_up(app: Application) -> None:
    """Load the model before the first question does. An error is logged here, and told to whoever asks."""
    import structlog

    from journeyman.failures import explain

    try:
        app.chain()
        app.embedder.embed(["warm-up"])
    except Exception as error:  # noqa: BLE001 - a thread's edge: the operator is told, the bot stays connected
        structlog.get_logger().error("the model cannot be loaded", reason=explain(error).sentence)


def run_worker(settings: Settings, parent: int | None, queues: Sequence[str]) -> int:
    """Work on tasks; returns the exit code."""
    from workers.topology import is_solo

    solo = is_solo(queues, on_gpu=settings.on_gpu)
    if not solo:
        # Before Celery is imported: SIGTERM then hands back a task that takes too long to finish. In the solo pool it
        # would only stop the task for as long; there tasks look for themselves (workers/leaving.py).
        os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from workers.app import run_worker as work
    from workers.liveness import WORKER_PATIENCE, Liveness

    follow(parent)
    liveness = Liveness(WORKER_PATIENCE)
    liveness.watch_worker()
    with application(settings) as app, monitored(app, consumer=liveness.check):
        return work(app.celery(), name="-".join(["journeyman", *queues]), queues=queues, solo=solo)


def run_beat(settings: Settings, parent: int | None) -> None:
    """Enqueue a scan at once, and from then on what is due."""
    from workers.app import enqueue_scan
    from workers.app import run_beat as tick
    from workers.liveness import BEAT_PATIENCE, Liveness

    follow(parent)
    liveness = Liveness(BEAT_PATIENCE)
    liveness.watch_beat()
    with application(settings) as app, monitored(app, clock=liveness.check):
        celery = app.celery()
        enqueue_scan(celery)
        tick(celery, schedule_file=str(prepare_home(settings.home) / "run" / "beat"))


@contextmanager
def monitored(app: Application, **checks: "Check") -> Iterator[None]:
    """Serve the process's metrics and health while the context lasts, where the settings name a port. `checks` are of
    what this process alone does.
    """
    settings = app.settings
    if not settings.metrics_port:
        yield
        return
    import structlog

    from journeyman.observing.monitoring import served

    with served(app.monitor(checks), settings.metrics_host, settings.metrics_port) as port:
        structlog.get_logger().info("monitoring", url=f"http://{settings.metrics_host}:{port}/metrics")
        yield


def follow(parent: int | None) -> None:
    """End when the process that started us ends."""
    if parent is not None:
        end_with_parent(parent)
