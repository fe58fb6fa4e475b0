"""The tests' Slack against a real Bolt app, over Socket Mode and over signed HTTP: so that it can be believed."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.slack_workspace import Workspace
from tests.slack_workspace.courier import Undelivered
from tests.slack_workspace.interactions import Impossible
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

Json = dict[str, Any]


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
MODAL: Json = {
    "type": "modal",
    "callback_id": "correction",
    "title": plain("What was wrong?"),
    "submit": plain("Send"),
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "right",
            "label": plain("The right answer"),
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 100},
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


def test_a_mention_is_two_events_and_gets_its_answer(workspace: Workspace) -> None:
    """A mention comes as message and as app_mention with one client_msg_id; the answer stands in its thread."""
    app = build_app(workspace)
    bodies = answering(app)
    with connected(app, workspace):
        question = ask(workspace, "is 3 < 4 & why?")
        answer = workspace.wait_for_reply(question)
        workspace.wait_for(lambda: all(d.acknowledged for d in workspace.deliveries))
    assert "It means **heat**." in visible_text(answer)
    assert workspace.status(question) == ""
    events = [body["event"] for body in bodies if body["event"]["user"] == workspace.ada.id]
    assert sorted(event["type"] for event in events) == ["app_mention", "message"]
    assert {event["client_msg_id"] for event in events} == {question.client_msg_id}
    assert len({body["event_id"] for body in bodies}) == len(bodies)
    assert events[0]["text"].endswith("is 3 &lt; 4 &amp; why?")
    assert bodies[0]["authorizations"][0]["user_id"] == workspace.app.bot_user_id


def test_a_direct_message_is_a_message_event_alone(workspace: Workspace) -> None:
    """In a direct message there is no app_mention, even where the app is mentioned."""
    app = build_app(workspace)
    bodies = answering(app)
    with connected(app, workspace):
        workspace.post("ben", workspace.direct_message("ben"), f"{workspace.mention} hello")
        workspace.wait_for(lambda: bodies)
    assert [(b["event"]["type"], b["event"]["channel_type"]) for b in bodies] == [("message", "im")]


def test_a_thumb_opens_a_modal_that_is_submitted(workspace: Workspace) -> None:
    """A press carries value, container and trigger; a submission is refused with errors, then taken."""
    app = build_app(workspace)
    answering(app)
    pressed: list[Json] = []

    @app.action("feedback")
    def on_feedback(ack: Callable[[], None], body: Json, client: WebClient) -> None:
        ack()
        pressed.append(body)
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("correction")
    def on_correction(ack: Callable[..., None], view: Json, respond: Any = None) -> None:
        text = view["state"]["values"]["right"]["text"]["value"]
        ack() if text == "42" else ack(response_action="errors", errors={"right": "Not that."})

    with connected(app, workspace):
        answer = workspace.wait_for_reply(ask(workspace))
        workspace.press("ada", answer, "feedback", "negative")
        modal = workspace.wait_for(lambda: workspace.views(workspace.ada))[0]
        with pytest.raises(Impossible, match="must be filled in"):
            workspace.submit("ada", modal, {})
        workspace.submit("ada", modal, {"text": "41"})
        workspace.wait_for(lambda: modal.errors == {"right": "Not that."})
        workspace.submit("ada", modal, {"text": "42"})
        workspace.wait_for(lambda: not workspace.views(workspace.ada))
    assert pressed[0]["actions"][0]["value"] == "down"
    assert pressed[0]["container"]["thread_ts"] == answer.thread_ts
    assert pressed[0]["message"]["ts"] == answer.ts


def error_of(call: Callable[..., Any], **fields: Any) -> str | None:
    """The error code that a call is refused with, None where it is taken."""
    try:
        call(**fields)
    except SlackApiError as error:
        return str(error.response["error"])
    return None


def test_a_trigger_is_good_once_and_for_three_seconds(workspace: Workspace) -> None:
    """A second views.open with one trigger is exchanged, a late one expired, an invented one invalid."""
    app = build_app(workspace)
    errors: list[str | None] = []

    @app.shortcut("correct")
    def on_shortcut(ack: Callable[[], None], body: Json, client: WebClient) -> None:
        ack()
        for trigger_id in (body["trigger_id"], body["trigger_id"], "1.2.three"):
            errors.append(error_of(client.views_open, trigger_id=trigger_id, view=MODAL))

    with connected(app, workspace):
        workspace.shortcut("ada", "correct")
        workspace.wait_for(lambda: len(errors) == 3)
        workspace.state.timing.trigger = 0.0
        workspace.shortcut("ada", "correct")
        workspace.wait_for(lambda: len(errors) == 6)
    assert errors[:4] == [None, "exchanged_trigger_id", "invalid_trigger_id", "expired_trigger_id"]


def test_views_are_pushed_updated_and_closed(workspace: Workspace) -> None:
    """A stack holds three views, an old hash conflicts, and closing tells an app that wants to know."""
    client = WebClient(token=workspace.app.bot_token, base_url=workspace.api_url)
    app = build_app(workspace)
    closed: list[Json] = []

    @app.view_closed("correction")
    def on_closed(ack: Callable[[], None], body: Json) -> None:
        ack()
        closed.append(body)

    first = client.views_open(trigger_id=workspace.state.issue_trigger(workspace.ada.id), view=MODAL)["view"]
    version = {"view_id": first["id"], "hash": first["hash"]}
    assert error_of(client.views_update, view=MODAL, **version) is None
    assert error_of(client.views_update, view=MODAL, **version) == "hash_conflict"
    assert error_of(client.views_update, view=MODAL, view_id="V0NOTHING") == "not_found"

    def push() -> str | None:
        trigger_id = workspace.state.issue_trigger(workspace.ada.id, first["id"])
        return error_of(client.views_push, trigger_id=trigger_id, view=MODAL)

    assert [push(), push(), push()] == [None, None, "push_limit_reached"]
    with connected(app, workspace):
        workspace.close("ada", workspace.views(workspace.ada)[-1])
        workspace.close("ada", workspace.views(workspace.ada)[-1], everything=True)
        workspace.wait_for(lambda: len(closed) == 2)
    assert [body["is_cleared"] for body in closed] == [False, True]
    assert workspace.views(workspace.ada) == []


def test_a_home_tab_is_published_and_opened(workspace: Workspace) -> None:
    """app_home_opened names its tab and carries the view that was published before; a stale hash conflicts."""
    app = build_app(workspace)
    opened: list[Json] = []
    home = {"type": "home", "blocks": [{"type": "header", "text": plain("Welcome")}]}

    @app.event("app_home_opened")
    def on_opened(event: Json, client: WebClient) -> None:
        opened.append(event)
        client.views_publish(user_id=event["user"], view=home)

    with connected(app, workspace):
        workspace.open_home("ada")
        published = workspace.wait_for(lambda: workspace.home(workspace.ada))
        workspace.open_home("ada")
        workspace.open_home("ada", tab="messages")
        workspace.wait_for(lambda: len(opened) == 3)
    assert [event["tab"] for event in opened] == ["home", "home", "messages"]
    assert ["view" in event for event in opened] == [False, True, False]
    assert published is not None
    assert published.blocks[0]["text"]["text"] == "Welcome"
    stale = {"user_id": workspace.ada.id, "view": home, "hash": "1.stale"}
    assert error_of(app.client.views_publish, **stale) == "hash_conflict"


def test_a_command_is_answered_at_once_and_later(workspace: Workspace) -> None:
    """An acknowledgement's text is for the person alone; the response_url posts five times and no more."""
    app = build_app(workspace)
    answers: list[int] = []

    @app.command("/journeyman")
    def on_command(ack: Callable[[str], None], respond: Callable[..., Any], command: Json) -> None:
        ack(f"Looking for {command['text']}.")
        for number in range(6):
            answers.append(respond(text=str(number), response_type="in_channel").status_code)

    with connected(app, workspace):
        delivery = workspace.slash("ben", "maintenance", "/journeyman", "alarm 7")
        workspace.wait_for(lambda: len(answers) == 6)
        workspace.wait_until_settled(delivery)
    assert [m.text for m in workspace.ephemerals(workspace.ben)] == ["Looking for alarm 7."]
    assert [m.text for m in workspace.messages("maintenance")] == ["0", "1", "2", "3", "4"]
    assert answers == [200] * 5 + [404]


def test_a_response_url_replaces_and_deletes_the_original(workspace: Workspace) -> None:
    """replace_original and delete_original change the message that was pressed."""
    app = build_app(workspace)
    button = {"type": "button", "action_id": "again", "text": plain("Again"), "value": "1"}
    blocks = [{"type": "actions", "elements": [button]}]

    @app.action("again")
    def on_again(ack: Callable[[], None], respond: Callable[..., Any], body: Json) -> None:
        ack()
        if body["message"]["text"] == "first":
            respond(text="second", blocks=blocks, replace_original=True)
        else:
            respond(delete_original=True)

    app.client.chat_postMessage(channel="maintenance", text="first", blocks=blocks)
    message = workspace.messages("maintenance")[0]
    with connected(app, workspace):
        workspace.press("ada", message, "again")
        workspace.wait_for(lambda: message.text == "second")
        workspace.press("ada", message, "again")
        workspace.wait_for(lambda: message.deleted)
    with pytest.raises(Impossible, match="does not see"):
        workspace.press("ada", message, "again")


def test_edits_deletions_and_reactions_are_events(workspace: Workspace) -> None:
    """message_changed carries both versions, an edit may bring a mention, reactions name their item."""
    app = build_app(workspace)
    events: list[Json] = []

    @app.event("app_mention")
    @app.event("message")
    @app.event({"type": "message", "subtype": "message_changed"})
    @app.event({"type": "message", "subtype": "message_deleted"})
    @app.event("reaction_added")
    @app.event("reaction_removed")
    def on_any(event: Json) -> None:
        events.append(event)

    with connected(app, workspace):
        message = workspace.post("ada", "maintenance", "what?")
        workspace.edit(message, f"{workspace.mention} what?")
        workspace.react("ben", message, "eyes")
        workspace.unreact("ben", message, "eyes")
        workspace.delete(message)
        workspace.wait_for(lambda: len(events) == 6)
    kinds = {event.get("subtype") or event["type"]: event for event in events}
    assert kinds["message_changed"]["previous_message"]["text"] == "what?"
    assert kinds["message_deleted"]["deleted_ts"] == message.ts
    assert kinds["app_mention"]["edited"]["user"] == workspace.ada.id
    assert kinds["reaction_added"]["item"] == {"type": "message", "channel": message.channel, "ts": message.ts}
    assert "reaction_removed" in kinds


def test_events_need_subscription_scope_and_membership(workspace: Workspace) -> None:
    """What the app is not subscribed to, not permitted, or not in, it does not hear of."""
    outside = workspace.add_channel("news", "ada", app=False)
    workspace.post("ada", outside, f"{workspace.mention} hello")
    workspace.state.scopes -= {"app_mentions:read"}
    workspace.state.subscriptions -= {"message.channels"}
    ask(workspace)
    assert workspace.deliveries == []


def test_an_unacknowledged_event_comes_again_over_the_next_connection(workspace: Workspace) -> None:
    """Without an acknowledgement in time the same envelope comes with retry_attempt, and stops once acknowledged."""
    workspace.state.timing.acknowledge = 0.3
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
    assert [(r.retry_attempt, r.retry_reason) for r in received] == [(0, ""), (1, "timeout")]
    assert received[0].payload["event_id"] == received[1].payload["event_id"]
    assert len({attempt.via for attempt in delivery.attempts}) == 2


def test_slack_gives_up_on_an_event_after_three_retries(workspace: Workspace) -> None:
    """An event is brought four times; an interaction once, and then it has failed for the person."""
    workspace.state.timing.acknowledge = 0.1
    workspace.state.timing.retries = (0.0, 0.0, 0.0)
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
    workspace.state.timing.retries = ()
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


def test_the_workspace_runs_as_a_process() -> None:
    """`python -m tests.slack_workspace` prints the bot's environment and shows what the bot writes."""
    command = [sys.executable, "-m", "tests.slack_workspace"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        settings = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        client = WebClient(token=settings["SLACK_BOT_TOKEN"], base_url=settings["SLACK_API_URL"])
        client.chat_postMessage(channel="maintenance", text="Good morning.")
        shown = iter(process.stdout.readline, "")
        assert any("Good morning." in line for line in shown)
        process.stdin.close()
        assert process.wait(10) == 0
