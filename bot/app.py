"""Builds the Slack app and runs it over Socket Mode or HTTP until it is told to stop.

What somebody counts on is written down, then acknowledged, then dealt with (`bot.inbox`); everything else goes through
Bolt. Their threads only claim posts: the answers are written by a bounded pool of workers, so a slow model never delays
an acknowledgement.
"""

import logging
import secrets
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event as Flag
from threading import Thread, current_thread, main_thread
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import psycopg
import structlog
from slack_bolt import App
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]
from waitress.trigger import trigger  # type: ignore[import-untyped]

from bot.admin.authorization import configure_admins
from bot.inbox import Inbox
from bot.listeners import on_event, register
from bot.operations import Operations
from bot.presence import Presence
from bot.questions.answering import on_changed
from bot.questions.in_flight import InFlight
from bot.questions.limits import QuestionLimits
from bot.recovery import Recovery
from bot.runtime import INTAKE_TIMEOUT, Answerer, Pool, Runtime
from bot.slack.events import Identity
from bot.slack.socket_mode import CONNECTION_ERRORS, Link
from bot.slack.workspace import SLACK_ERRORS, error_code, web_client
from retrieval.embedding import Embedder

log = structlog.get_logger(__name__)

LISTENERS = 16  # threads in which Bolt runs what the inbox does not keep: commands, buttons, forms
HTTP_THREADS = 16
HTTP_BODY_LIMIT = 1 << 20  # bytes; Slack's payloads are far smaller
STOP_GRACE = 10.0  # seconds for answers under way to say that they stop
_TOKEN_ERRORS = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
}


class SlackRefused(Exception):
    """Slack cannot be reached or does not take a token. The message says what to do."""


class NotConnected(Exception):
    """Slack cannot bring anything at the moment."""


class SlackApp(App):
    """Bolt's app together with what has to be begun and ended with it."""

    def __init__(
        self,
        runtime: Runtime,
        workers: ThreadPoolExecutor,
        signing_secret: str | None,
        admins: Sequence[str] = (),
    ) -> None:
        self.runtime = runtime
        self.admins = admins
        self.accepts_http = signing_secret is not None
        self.connected: Callable[[], bool] = lambda: False
        self._workers = workers
        super().__init__(
            name="journeyman",
            logger=slack_logger(),
            client=runtime.client,
            # Never empty: Bolt would read the environment, and anybody can sign with an empty secret.
            signing_secret=signing_secret or secrets.token_hex(),
            listener_executor=ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener"),
        )
        self.inbox = Inbox(runtime.pool, runtime.owner, runtime.identity)
        self._recovery = Recovery(runtime, self.inbox)
        on_change = partial(on_changed, runtime=runtime)
        self._presence = Presence(runtime.pool, runtime.owner, self._recovery.look, on_change)
        register(self, runtime, self.inbox)

    def begin(self) -> None:
        """Prepares for events: other bots see that this one lives, and what gone ones have left is adopted."""
        self._recovery.tidy()
        self.inbox.start(partial(on_event, runtime=self.runtime))
        self._name_admins()
        self._presence.start(INTAKE_TIMEOUT)

    def check_connection(self) -> None:
        """Raises NotConnected while nothing can come from Slack."""
        if not self.connected():
            raise NotConnected("Slack is not connected, and I keep trying: check the network and the tokens")

    def _name_admins(self) -> None:
        """Makes the setting's admins known. Without Postgres the earlier ones stay, and nobody can do anything."""
        try:
            with self.runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                configure_admins(conn, self.admins)
        except psycopg.Error as error:
            log.error("admins_not_configured", error=error_code(error))

    def end(self) -> None:
        """Takes no new work. Answers in flight say that they stop; they and those that wait are left to others."""
        self.runtime.stopping.set()
        self.listener_runner.listener_executor.shutdown(wait=False)
        self._workers.shutdown(wait=False, cancel_futures=True)
        waiting = Thread(target=self._workers.shutdown, daemon=True)
        waiting.start()
        waiting.join(STOP_GRACE)
        self.inbox.end()
        self._presence.end()


def build_app(
    *,
    pool: Pool,
    answer: Answerer,
    embedder: Embedder,
    token: str,
    signing_secret: str | None = None,
    api_url: str = WebClient.BASE_URL,
    workers: int = 16,
    admins: Sequence[str] = (),
    operations: Operations | None = None,
    limits: QuestionLimits | None = None,
    at_a_time: int = 1,
) -> SlackApp:
    """Builds the app, ready to run; `workers` is how many questions are in work at a time.

    `limits` are those of fair use; `at_a_time` is how many questions the model answers together, which those who wait
    are told about.

    `admins` are the ids that the setting names, `operations` what the app may set in motion.

    Without a signing secret every request over HTTP is refused. Raises SlackRefused for a token that Slack
    does not take, or if Slack cannot be reached.
    """
    client = web_client(token, api_url, slack_logger())
    pool_of_workers = ThreadPoolExecutor(workers, thread_name_prefix="answer")
    runtime = Runtime(
        pool=pool,
        answer=answer,
        client=client,
        identity=identity_of(client),
        work=pool_of_workers,
        embedder=embedder,
        operations=operations or Operations(),
        limits=limits or QuestionLimits(),
        in_flight=InFlight(at_a_time),
    )
    return SlackApp(runtime, pool_of_workers, signing_secret, admins)


def identity_of(client: WebClient) -> Identity:
    """Asks Slack whose token this is; raises SlackRefused in place of the SDK's errors."""
    try:
        auth = client.auth_test()
    except SLACK_ERRORS as error:
        raise refused(error, "SLACK_BOT_TOKEN", "the bot token (xoxb-…) under “OAuth & Permissions”") from None
    return Identity(str(auth["user_id"]), auth.get("bot_id"), str(auth.get("team_id") or ""))


def run_socket_mode(app: SlackApp, app_token: str, api_url: str, *, stop: Flag | None = None) -> None:
    """Answers over Socket Mode until `stop` is set or a signal comes; raises SlackRefused at start."""
    stop = stop or stop_on_signals()
    client = web_client(app.runtime.client.token or "", api_url, slack_logger())
    link = Link(app, app_token, client, slack_logger(), app.inbox.receive_envelope)
    app.connected = link.is_connected
    app.begin()
    try:
        try:
            link.connect()
        except CONNECTION_ERRORS as error:
            hint = "the app token (xapp-…, scope connections:write) under “Basic Information”"
            raise refused(error, "SLACK_APP_TOKEN", hint) from None
        log.info("slack_connected", mode="socket", team_id=app.runtime.identity.team_id)
        stop.wait()
    finally:
        link.close()
        app.end()
        log.info("slack_disconnected")


def run_http(app: SlackApp, host: str, port: int, *, stop: Flag | None = None) -> None:
    """Serves Slack's requests at http://host:port/slack/events until stopped, as `run_socket_mode`.

    Raises SlackRefused without a signing secret and OSError if the port is taken.
    """
    if not app.accepts_http:
        raise SlackRefused("Set SLACK_SIGNING_SECRET (under “Basic Information”) to receive events over HTTP.")
    stop = stop or stop_on_signals()
    sockets: dict[int, wasyncore.dispatcher] = {}
    server = create_server(
        _with_a_time(SlackRequestHandler(app)),
        map=sockets,
        host=host,
        port=port,
        threads=HTTP_THREADS,
        max_request_body_size=HTTP_BODY_LIMIT,
        ident="journeyman",
    )
    # Sockets are closed in the thread that waits for them: closed in another, it would wait for a closed one.
    serving_thread = trigger(sockets)
    app.begin()
    serving = Thread(target=server.run, name="http", daemon=True)
    app.connected = serving.is_alive
    serving.start()
    log.info("slack_connected", mode="http", host=host, port=port, team_id=app.runtime.identity.team_id)
    try:
        stop.wait()
    finally:
        serving_thread.pull_trigger(partial(_stop_listening, sockets))
        app.end()
        serving_thread.pull_trigger(partial(wasyncore.close_all, sockets))
        serving.join(STOP_GRACE)
        log.info("slack_disconnected")


def _with_a_time(handler: WSGIApplication) -> WSGIApplication:
    """Answers a request whose time is no number with 401, as what Slack did not sign; the framework would fail."""

    def handle(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent_at = str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", "0"))
        if sent_at.isascii() and sent_at.isdigit():
            return handler(environ, start_response)
        start_response("401 Unauthorized", [("Content-Type", "text/plain")])
        return [b"This is not signed by Slack."]

    return handle


def _stop_listening(sockets: dict[int, wasyncore.dispatcher]) -> None:
    """Takes no new connections; what came over those that are open is still acknowledged."""
    for listening in [socket for socket in sockets.values() if socket.accepting]:
        wasyncore.dispatcher.close(listening)


def refused(error: Exception, setting: str, where: str) -> SlackRefused:
    """Turns an error of Slack into a sentence that tells an operator what to do."""
    if isinstance(error, SlackApiError) and error_code(error) in _TOKEN_ERRORS:
        return SlackRefused(
            f"Slack does not accept {setting} ({error_code(error)}): copy {where} at https://api.slack.com/apps."
        )
    return SlackRefused(
        f"Slack cannot be reached or refused to start ({error_code(error)}): "
        f"check the network, SLACK_API_URL and {setting}."
    )


def stop_on_signals() -> Flag:
    """Returns a flag that SIGTERM and SIGINT set; only the main thread can receive signals."""
    stop = Flag()
    if current_thread() is main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    return stop


def slack_logger() -> logging.Logger:
    """Returns the logger of Bolt and of the SDK, never below INFO: at DEBUG they write messages and headers."""
    logger = logging.getLogger("journeyman.slack")
    logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    return logger
