"""How the bot connects: signed HTTP, wrong tokens, an occupied port, lost connections. What an operator is told."""

import http.client
import socket
import threading
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackRefused, build_app, run_http, run_socket_mode
from tests.bot.conftest import EMBEDDER, Connect, Rows, ask, listens
from tests.bot.samples import ANSWER_TEXT, stand_in_chain
from tests.slack_workspace import Workspace


def test_over_http_only_slack_is_heard(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Signed requests are answered; a wrong signature and an old one are refused."""
    port = free_port()
    connect(http_port=port)
    url = f"http://127.0.0.1:{port}/slack/events"
    workspace.state.timing.retries = ()
    for trouble in ({"secret": "not the secret"}, {"clock_skew": -600.0}):
        workspace.deliver_over_http(url, **trouble)  # type: ignore[arg-type]
        ask(workspace)
        refused = [workspace.wait_until_settled(delivery) for delivery in workspace.deliveries]
        assert not any(delivery.acknowledged for delivery in refused)
    assert rows("SELECT count(*) FROM event") == [(0,)]
    workspace.deliver_over_http(url)
    question = ask(workspace)
    reply = workspace.wait_for_reply(question)
    assert reply.text == ANSWER_TEXT
    workspace.press("ada", reply, "answer_feedback", "negative")
    workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))
    assert rows("SELECT vote FROM feedback") == [(-1,)]


@pytest.mark.parametrize("sent_at", ["soon", "-1", "1e9", "", "\u0661"])
def test_over_http_a_request_with_a_strange_time_is_refused(
    workspace: Workspace, connect: Connect, sent_at: str
) -> None:
    """As any that Slack did not sign: it is no failure of ours."""
    port = free_port()
    connect(http_port=port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"X-Slack-Request-Timestamp": sent_at.encode(), "X-Slack-Signature": "v0=00"}
    connection.request("POST", "/slack/events", body=b"{}", headers=headers)
    assert connection.getresponse().status == 401
    connection.close()


def test_over_http_a_stop_closes_every_connection(workspace: Workspace, pool: ConnectionPool[Any]) -> None:
    """Also those that Slack keeps open: it ends at once, and leaves no thread that waits for them."""
    app = build_app(
        pool=pool,
        answer=stand_in_chain,
        embedder=EMBEDDER,
        token=workspace.app.bot_token,
        signing_secret=workspace.app.signing_secret,
        api_url=workspace.api_url,
    )
    before = set(threading.enumerate())
    port, stop = free_port(), threading.Event()
    serving = threading.Thread(target=run_http, args=[app, "127.0.0.1", port], kwargs={"stop": stop})
    serving.start()
    workspace.wait_for(lambda: listens(port))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: bot\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 404")
        stop.set()
        while kept.recv(4096):
            pass
    serving.join(10)
    assert not serving.is_alive()
    assert not listens(port)
    assert "http" not in [thread.name for thread in set(threading.enumerate()) - before]


def test_http_needs_a_signing_secret(workspace: Workspace, pool: ConnectionPool[Any]) -> None:
    """Without one everybody could speak as Slack: the start is refused, with what to set."""
    app = build_app(
        pool=pool,
        answer=stand_in_chain,
        embedder=EMBEDDER,
        token=workspace.app.bot_token,
        api_url=workspace.api_url,
    )
    with pytest.raises(SlackRefused, match="SLACK_SIGNING_SECRET"):
        run_http(app, "127.0.0.1", free_port())


def test_wrong_tokens_and_a_missing_slack_are_said_at_start(workspace: Workspace, pool: ConnectionPool[Any]) -> None:
    """The setting is named, the token is not shown."""

    def built(token: str, api_url: str) -> Any:
        return build_app(pool=pool, answer=stand_in_chain, embedder=EMBEDDER, token=token, api_url=api_url)

    with pytest.raises(SlackRefused, match="SLACK_BOT_TOKEN") as refused:
        built("xoxb-wrong", workspace.api_url)
    assert "xoxb-wrong" not in str(refused.value)
    with pytest.raises(SlackRefused, match="SLACK_APP_TOKEN"):
        run_socket_mode(built(workspace.app.bot_token, workspace.api_url), "xapp-wrong", workspace.api_url)
    with pytest.raises(SlackRefused, match="SLACK_API_URL"):
        built(workspace.app.bot_token, f"http://127.0.0.1:{free_port()}/api/")


def test_an_occupied_port_is_an_error_at_start(workspace: Workspace, pool: ConnectionPool[Any]) -> None:
    """The system's own error rises, for the command line to explain."""
    app = build_app(
        pool=pool,
        answer=stand_in_chain,
        embedder=EMBEDDER,
        token=workspace.app.bot_token,
        signing_secret="secret",
        api_url=workspace.api_url,
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            run_http(app, "127.0.0.1", other.getsockname()[1])


def test_a_lost_connection_is_made_again(workspace: Workspace, connect: Connect) -> None:
    """When Slack asks for a new connection the bot opens one, and answers over it."""
    connect()
    workspace.disconnect()
    workspace.wait_for(lambda: workspace.connections_opened == 2 and workspace.connections == 1, timeout=30)
    assert workspace.wait_for_reply(ask(workspace)).text == ANSWER_TEXT


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
