"""A real Bolt app on the workspace, to try the workspace with: connected over Socket Mode or served over HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient

from tests.slack_workspace.model import Json, Message
from tests.slack_workspace.workspace import Workspace


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


THUMBS: Json = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "feedback",
            "positive_button": {"text": plain("Good"), "value": "up"},
            "negative_button": {"text": plain("Bad"), "value": "down"},
        }
    ],
}


def build_app(workspace: Workspace) -> App:
    """A Bolt app that knows the workspace's token and secret."""
    client = WebClient(token=workspace.app.bot_token, base_url=workspace.api_url)
    return App(client=client, signing_secret=workspace.app.signing_secret)


@contextmanager
def connected(app: App, workspace: Workspace) -> Iterator[SocketModeHandler]:
    """The app on one Socket Mode connection, with slack_sdk's own client."""
    handler = SocketModeHandler(app, workspace.app.app_token, ping_interval=1)
    before = workspace.connections
    handler.connect()  # type: ignore[no-untyped-call]
    workspace.wait_for(lambda: workspace.connections > before)
    try:
        yield handler
    finally:
        # slack_sdk's close waits for its socket's three seconds of patience, unless the socket is gone already.
        handler.client.auto_reconnect_enabled = False
        workspace.drop_connections()
        workspace.wait_for(lambda: not handler.client.is_connected())
        handler.close()  # type: ignore[no-untyped-call]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(app: App | Callable[..., Any]) -> Iterator[str]:
    """The Request URL of an app over HTTP."""
    application = SlackRequestHandler(app) if isinstance(app, App) else app
    server = make_server("127.0.0.1", 0, application, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/slack/events"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(app: App) -> list[Json]:
    """Make an app answer mentions in a stream, with thumbs, and return the bodies that it gets."""
    bodies: list[Json] = []

    @app.event("app_mention")
    def on_mention(body: Json, say_stream: Callable[[], Any], set_status: Callable[[str], Any]) -> None:
        bodies.append(body)
        set_status("is thinking...")
        stream = say_stream()
        stream.append(markdown_text="It means **heat**.")
        stream.stop(blocks=[THUMBS])

    @app.event("message")
    def on_message(body: Json) -> None:
        bodies.append(body)

    return bodies


def ask(workspace: Workspace, text: str = "what does alarm 7 mean?") -> Message:
    return workspace.post("ada", "maintenance", f"{workspace.mention} {text}")
