"""The tests' Slack against a real Bolt app: what people do, and what the app gets of it."""

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.slack_workspace import Workspace
from tests.slack_workspace.bolt import answering, ask, build_app, connected, plain
from tests.slack_workspace.interactions import Impossible
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Json

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
        workspace.timing.trigger = 0.0
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


MANIFEST = """
features:
  agent_view: {agent_description: Answers}
  app_home: {home_tab_enabled: false}
  slash_commands: [{command: /journeyman, description: Help}]
oauth_config: {scopes: {bot: [chat:write, commands, im:history]}}
settings: {event_subscriptions: {bot_events: [message.im]}}
"""


def test_a_manifest_grants_what_it_asks_for_and_no_more(workspace: Workspace, tmp_path: Path) -> None:
    """Scopes, events, commands and tabs that the manifest leaves out are not there."""
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    workspace.install(manifest)
    app = build_app(workspace)
    home = {"type": "home", "blocks": []}
    ask(workspace)
    assert error_of(app.client.reactions_add, channel="C", timestamp="1", name="eyes") == "missing_scope"
    assert error_of(app.client.views_publish, user_id=workspace.ada.id, view=home) == "not_enabled"
    with pytest.raises(Impossible, match="not a valid command"):
        workspace.slash("ada", "maintenance", "/other")
    assert workspace.deliveries == []


def test_joins_and_other_apps_are_messages_too(workspace: Workspace) -> None:
    """What a bot must not answer is there: joins, other apps, and group messages without a mention."""
    app = build_app(workspace)
    bodies = answering(app)
    app.event("member_joined_channel")(lambda body: bodies.append(body))
    with connected(app, workspace):
        workspace.join(workspace.add_person("eve"), "maintenance")
        alert = workspace.post_as_another_app("maintenance", "Alarm 7!")
        workspace.post("ada", workspace.group_message("ada", "ben"), "lunch?")
        workspace.wait_for(lambda: len(bodies) == 4)
    events = [delivery.event for delivery in workspace.deliveries]
    assert [event.get("subtype") or event["type"] for event in events] == [
        "channel_join",
        "member_joined_channel",
        "message",
        "message",
    ]
    assert (events[2]["bot_id"], events[3]["channel_type"]) == ("B0OTHERBOT", "mpim")
    assert workspace.replies_by_app(alert) == []


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
