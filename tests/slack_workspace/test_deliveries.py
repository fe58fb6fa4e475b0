"""How events reach the app: redelivery, several connections, reconnecting, signatures, retries over HTTP."""

from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.slack_workspace import Workspace
from tests.slack_workspace.bolt import answering, ask, build_app, connected, served
from tests.slack_workspace.courier import Undelivered
from tests.slack_workspace.model import Json


def test_an_unacknowledged_event_comes_again_over_the_next_connection(workspace: Workspace) -> None:
    """Without an acknowledgement in time the same envelope comes with retry_attempt, and stops once acknowledged."""
    workspace.timing.acknowledge = 0.5
    app = build_app(workspace)
    received: list[Any] = []
    with connected(app, workspace) as one, connected(app, workspace) as two:
        for handler in (one, two):
            handler.client.socket_mode_request_listeners.clear()
            handler.client.socket_mode_request_listeners.append(lambda client, request: received.append(request))
        workspace.post("ada", "maintenance", "anybody there?")
        workspace.wait_for(lambda: len(received) == 2)
        two.client.send_socket_mode_response({"envelope_id": received[0].envelope_id})
        delivery = workspace.wait_until_settled(workspace.deliveries[0])
    assert delivery.acknowledged
    assert [(r.retry_attempt, r.retry_reason) for r in received[:2]] == [(0, ""), (1, "timeout")]
    assert received[0].payload["event_id"] == received[1].payload["event_id"]
    assert len({attempt.via for attempt in delivery.attempts}) == 2


def test_slack_gives_up_on_an_event_after_three_retries(workspace: Workspace) -> None:
    """An event is brought four times; an interaction once, and then it has failed for the person."""
    workspace.timing.acknowledge = 0.1
    workspace.timing.retries = (0.0, 0.0, 0.0)
    app = build_app(workspace)
    with connected(app, workspace) as handler:
        handler.client.socket_mode_request_listeners.clear()
        workspace.post("ada", "maintenance", "anybody there?")
        event = workspace.wait_until_settled(workspace.deliveries[0])
        shortcut = workspace.wait_until_settled(workspace.shortcut("ada", "correct"))
    assert (event.failure, len(event.attempts)) == ("timeout", 4)
    assert (shortcut.failure, len(shortcut.attempts)) == ("timeout", 1)


def test_the_same_event_can_come_twice(workspace: Workspace) -> None:
    """deliver_again brings an acknowledged event once more, with its event id."""
    app = build_app(workspace)
    bodies = answering(app)
    with connected(app, workspace):
        question = workspace.post("ada", "maintenance", "hello")
        workspace.wait_for(lambda: len(bodies) == 1)
        workspace.deliver_again(question)
        workspace.wait_for(lambda: len(bodies) == 2)
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("trouble", ["refresh_requested", "drop"])
def test_an_app_connects_again(workspace: Workspace, trouble: str) -> None:
    """After a disconnect message, and after a connection that broke, the app connects anew and goes on answering."""
    app = build_app(workspace)
    answering(app)
    with connected(app, workspace):
        workspace.drop_connections() if trouble == "drop" else workspace.disconnect(trouble)
        question = ask(workspace)
        assert workspace.wait_for_reply(question)
        assert workspace.connections_opened == 2
        assert workspace.connections == 1


def test_an_address_for_a_connection_works_once(workspace: Workspace) -> None:
    """The URL of apps.connections.open cannot be used again, and no ping stays without its pong."""
    app = build_app(workspace)
    with connected(app, workspace) as handler:
        url = str(handler.client.wss_uri).replace("ws", "http", 1)
        with pytest.raises(HTTPError, match="403"):
            urlopen(url)
        session = handler.client.current_session
        assert session is not None
        session.ping(f"{session.session_id}:1.5")
        workspace.wait_for(lambda: session.last_ping_pong_time is not None)


def test_signed_http_brings_events_commands_and_presses(workspace: Workspace) -> None:
    """Over HTTP the app takes the challenge, events, a command and a press, all signed."""
    app = build_app(workspace)
    bodies = answering(app)

    @app.command("/journeyman")
    def on_command(ack: Callable[[str], None]) -> None:
        ack("Yes?")

    @app.action("feedback")
    def on_feedback(ack: Callable[[], None], body: Json) -> None:
        ack()
        bodies.append(body)

    with served(app) as url:
        workspace.deliver_over_http(url)
        answer = workspace.wait_for_reply(ask(workspace))
        workspace.slash("ada", "maintenance", "/journeyman")
        assert workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))[0].text == "Yes?"
        workspace.wait_until_settled(workspace.press("ada", answer, "feedback", "positive"))
        workspace.wait_for(lambda: all(delivery.acknowledged for delivery in workspace.deliveries))
    assert bodies[-1]["actions"][0]["value"] == "up"


def test_http_retries_carry_their_number_and_reason(workspace: Workspace) -> None:
    """An event that is not answered with 200 comes again with X-Slack-Retry-Num and -Reason."""
    headers: list[tuple[str | None, str | None]] = []

    def failing(environ: Json, start: Callable[..., Any]) -> list[bytes]:
        headers.append((environ.get("HTTP_X_SLACK_RETRY_NUM"), environ.get("HTTP_X_SLACK_RETRY_REASON")))
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        ready = b"challenge" in body or len(headers) > 3
        start("200 OK" if ready else "500 Error", [("Content-Type", "application/json")])
        return [body if b"challenge" in body else b""]

    with served(failing) as url:
        workspace.deliver_over_http(url)
        workspace.post("ada", "maintenance", "hello")
        assert workspace.wait_until_settled(workspace.deliveries[0]).acknowledged
    assert headers == [(None, None), (None, None), ("1", "http_error"), ("2", "http_error")]


@pytest.mark.parametrize("fields", [{"secret": "not the secret"}, {"clock_skew": -301.0}])
def test_a_wrong_or_late_signature_is_refused_by_the_app(workspace: Workspace, fields: Json) -> None:
    """Bolt answers 401 to a wrong signature and to one older than five minutes."""
    workspace.timing.retries = ()
    app = build_app(workspace)
    bodies = answering(app)
    with served(app) as url:
        workspace.deliver_over_http(url, **fields)
        workspace.post("ada", "maintenance", "hello")
        assert workspace.wait_until_settled(workspace.deliveries[0]).failure == "http_error"
    assert bodies == []


def test_a_request_url_that_does_not_answer_the_challenge_is_refused(workspace: Workspace) -> None:
    """Slack does not accept a Request URL without the handshake."""
    with pytest.raises(Undelivered):
        workspace.deliver_over_http("http://127.0.0.1:9/slack/events")
