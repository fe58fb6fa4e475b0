"""Socket Mode: the WebSocket over which Slack brings envelopes and takes their acknowledgements.

The SDK's clients are not used for reading. The built-in one reads a burst by recursion: it hands nothing on before a
receive happens to end with a frame, and beyond a thousand receives it loses the frames. The one on websocket-client
does not notice a silent connection (docs/experiments.md has both). What is here reads frame by frame, in one thread
for each connection, and has a new connection before Slack closes an old one.

Wire format: https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import json
import logging
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event as Flag
from threading import Thread

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk import WebClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from websocket import ABNF, WebSocket, WebSocketException, WebSocketTimeoutException, create_connection

from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

SILENCE = 3.0  # seconds without a frame after which we ping, and after as many again give the connection up
DISPATCHERS = 10  # threads that hand envelopes to Bolt
LONGEST_PAUSE = 10.0  # seconds between two attempts to connect again
CONNECTION_ERRORS = (*SLACK_ERRORS, WebSocketException)

Keep = Callable[[SocketModeRequest, Callable[[], None]], bool]
"""Takes an envelope, to acknowledge it later by calling what it is given; False leaves it to Bolt."""


class Link(BaseSocketModeClient):
    """Our side of Socket Mode. `connect` raises one of CONNECTION_ERRORS; later losses are mended in the background.

    `keep` is asked about each envelope first, in the thread that reads: it must not wait for anything.
    """

    def __init__(
        self,
        app: App,
        app_token: str,
        web_client: WebClient,
        logger: logging.Logger,
        keep: Keep,
        silence: float = SILENCE,
    ) -> None:
        self.app_token, self.web_client, self.logger = app_token, web_client, logger
        self.closed = False
        self._app, self._keep, self._silence = app, keep, silence
        self._dispatching = ThreadPoolExecutor(DISPATCHERS, thread_name_prefix="envelope")
        self._ending = Flag()
        self._readers: dict[WebSocket, Thread] = {}
        self._current: WebSocket | None = None

    def is_connected(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._current is not None and self._current.connected

    def connect(self) -> None:
        """Opens a connection, over which everything is sent from now on."""
        socket = create_connection(
            self.issue_new_wss_url(),
            timeout=self._silence,
            sslopt={"context": self.web_client.ssl or ssl.create_default_context()},
            enable_multithread=True,
            skip_utf8_validation=True,  # json.loads does it
        )
        self._current = socket
        self._readers[socket] = Thread(target=self._read, args=[socket], name="slack-reader", daemon=True)
        self._readers[socket].start()
        if self.closed:  # meanwhile
            _wake(socket)

    def send_message(self, message: str) -> None:
        """Sends over the newest connection. Raises WebSocketException or OSError."""
        if self._current is None:
            raise WebSocketException("not connected")
        self._current.send(message)

    def close(self) -> None:
        """Ends all connections, for good."""
        self.closed = True
        self._ending.set()
        for socket, reader in list(self._readers.items()):
            _wake(socket)
            reader.join(self._silence)
        self._dispatching.shutdown(wait=False)

    def _read(self, socket: WebSocket) -> None:
        """Reads until the connection ends, then opens another one if none has taken its place."""
        try:
            while (text := _next_text(socket)) is not None:
                self._received(json.loads(text), socket)
        except (*CONNECTION_ERRORS, ValueError) as error:
            log.info("slack_connection_lost", error=error_code(error))
        with suppress(*CONNECTION_ERRORS):
            socket.shutdown()  # type: ignore[no-untyped-call]
        self._readers.pop(socket, None)
        if socket is self._current:
            self._connect_again()

    def _received(self, envelope: dict[str, object], socket: WebSocket) -> None:
        if envelope.get("type") == "disconnect":
            if socket is self._current and not self.closed:
                with suppress(*CONNECTION_ERRORS):  # else we try again once Slack has closed this one
                    self.connect()
            return
        request = SocketModeRequest.from_dict(envelope)
        if request is not None and not self._keep(request, lambda: self._acknowledge(request)):
            with suppress(RuntimeError):  # this process is being stopped: Slack brings it to the next one
                self._dispatching.submit(self._dispatch, request)

    def _acknowledge(self, request: SocketModeRequest) -> None:
        try:
            self.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except CONNECTION_ERRORS as error:  # Slack brings it again
            log.warning("envelope_not_acknowledged", error=error_code(error))

    def _dispatch(self, request: SocketModeRequest) -> None:
        try:
            send_response(self, request, run_bolt_app(self._app, request), time.time())
        except Exception as error:  # noqa: BLE001 - the edge: the thread's pool would swallow it
            log.error("envelope_failed", type=request.type, error=error_code(error))

    def _connect_again(self) -> None:
        pause = 0.0
        while not self._ending.wait(pause):
            try:
                self.connect()
            except CONNECTION_ERRORS as error:
                pause = min(2 * pause or 0.5, LONGEST_PAUSE)
                log.warning("slack_unreachable", error=error_code(error), again_after=pause)
            else:
                log.info("slack_reconnected")
                return


def _wake(socket: WebSocket) -> None:
    """Says goodbye, and lets the connection's reader see its end."""
    with suppress(*CONNECTION_ERRORS):
        socket.send_close()
    with suppress(*CONNECTION_ERRORS):
        socket.abort()  # type: ignore[no-untyped-call]


def _next_text(socket: WebSocket) -> bytes | None:
    """Returns the next text of Slack's; None once it closes the connection. Raises WebSocketException or OSError."""
    pinged = False
    while True:
        try:
            opcode, frame = socket.recv_data_frame(control_frame=True)
        except WebSocketTimeoutException:
            if pinged:
                raise
            socket.ping()
            pinged = True
            continue
        pinged = False
        if opcode == ABNF.OPCODE_TEXT:
            return bytes(frame.data)
        if opcode == ABNF.OPCODE_CLOSE:
            return None
