"""The clock as a process: it enqueues a scan at once, and from then on what is due."""

from journeyman.composition import application
from journeyman.servers.monitored import monitored
from journeyman.servers.stack import prepare_home
from journeyman.servers.supervisor import end_with_parent
from journeyman.settings import Settings
from journeyman.worker_app import celery_app
from workers import app as workers_app
from workers.liveness import BEAT_PATIENCE, Liveness


def run_beat(settings: Settings, parent: int | None) -> None:
    """Enqueues what is due until SIGTERM or Ctrl-C, or until the process `parent` ends."""
    if parent is not None:
        end_with_parent(parent)
    liveness = Liveness(BEAT_PATIENCE)
    liveness.watch_beat()
    with application(settings) as app, monitored(app, clock=liveness.check):
        celery = celery_app(app)
        workers_app.enqueue_scan(celery)
        workers_app.run_beat(celery, schedule_file=str(prepare_home(settings.home) / "run" / "beat"))
