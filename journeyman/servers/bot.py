"""The Slack bot as a process: connected, and its model loaded meanwhile, so that a question is acknowledged at once."""

import os
from contextlib import ExitStack
from threading import Thread

import structlog

from bot.app import run_http, run_socket_mode
from journeyman.composition import Application, application
from journeyman.failures import explain
from journeyman.servers.monitored import monitored
from journeyman.servers.supervisor import end_with_parent
from journeyman.settings import Settings, reveal
from journeyman.slack_app import slack_app

READ_BY_BOLT = ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_VERIFICATION_TOKEN")
"""What Bolt takes from the environment by itself. Our settings have the token already, and Bolt would warn that it has
it twice; with the others it would become an app for many workspaces.
"""

log = structlog.get_logger(__name__)


def run_bot(settings: Settings, parent: int | None) -> None:
    """Connects to Slack and answers until SIGTERM or Ctrl-C, or until the process `parent` ends."""
    if parent is not None:
        end_with_parent(parent)
    for name in READ_BY_BOLT:
        os.environ.pop(name, None)
    with ExitStack() as serving:
        app = serving.enter_context(application(settings))
        slack = slack_app(app)
        serving.enter_context(monitored(app, slack=slack.check_connection))
        Thread(target=warm_up, args=(app,), name="warm-up", daemon=True).start()
        app_token = reveal(settings.slack_app_token)
        if app_token:
            run_socket_mode(slack, app_token, settings.slack_api_url)
        else:
            run_http(slack, settings.http_host, settings.http_port)


def warm_up(app: Application) -> None:
    """Loads the model before the first question does. An error is logged here, and told to whoever asks."""
    try:
        app.chain()
        app.embedder.embed(["warm-up"])
    except Exception as error:  # noqa: BLE001 - a thread's edge: the operator is told, the bot stays connected
        log.error("model_not_loaded", reason=explain(error).sentence)
