"""The Web API as slack_sdk's own client meets it: what it answers, and what it refuses with which code."""

import json
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Json, Message

DIVIDER = [{"type": "divider"}]


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    """The app's client, which does not retry by itself."""
    return WebClient(token=workspace.app.bot_token, base_url=workspace.api_url, retry_handlers=[])


@pytest.fixture
def question(workspace: Workspace) -> Message:
    """A question in the channel, to be answered in its thread."""
    return workspace.post("ada", "maintenance", "What does alarm 7 mean?")


def error_of(call: Callable[..., Any], *args: Any, **fields: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(SlackApiError) as caught:
        call(*args, **fields)
    return str(caught.value.response["error"])


def stream_to(workspace: Workspace, question: Message, **fields: Any) -> Json:
    """The arguments of chat.startStream for a channel."""
    recipient = {"recipient_user_id": question.user, "recipient_team_id": workspace.app.team_id}
    return {"channel": question.channel, "thread_ts": question.ts, **recipient, **fields}


def test_auth_test_names_the_app_and_its_scopes(workspace: Workspace, client: WebClient) -> None:
    """auth.test answers with the bot's ids, and the scopes in a header."""
    answer = client.auth_test()
    assert (answer["user_id"], answer["bot_id"]) == (workspace.app.bot_user_id, workspace.app.bot_id)
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
    assert client.bots_info(bot=answer["bot_id"])["bot"]["app_id"] == workspace.app.app_id


def test_tokens_are_checked(workspace: Workspace, client: WebClient) -> None:
    """No token, a wrong one, one of the wrong kind and a revoked one are told apart."""
    assert error_of(WebClient(base_url=workspace.api_url).auth_test) == "not_authed"
    assert error_of(WebClient(token="xoxb-wrong", base_url=workspace.api_url).auth_test) == "invalid_auth"
    assert error_of(client.apps_connections_open, app_token=workspace.app.bot_token) == "not_allowed_token_type"
    workspace.revoke_tokens()
    assert error_of(client.auth_test) == "token_revoked"


def test_a_missing_scope_names_what_is_needed(workspace: Workspace, client: WebClient) -> None:
    """missing_scope tells the needed and the provided scopes."""
    workspace.state.scopes = {"users:read"}
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="maintenance", text="x")
    answer = caught.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "chat:write",
        "users:read",
    )
    assert error_of(client.conversations_info, channel=workspace.maintenance.id) == "missing_scope"


def test_an_unknown_method_and_a_broken_body_are_refused(workspace: Workspace, client: WebClient) -> None:
    """A method that Slack does not have is unknown_method, a body that is no JSON invalid_json."""
    assert error_of(client.api_call, "chat.shout") == "unknown_method"
    broken = Request(f"{workspace.api_url}auth.test", b"{", {"Content-Type": "application/json"})
    with urlopen(broken) as answer:
        assert json.load(answer)["error"] == "invalid_json"


def test_a_post_is_seen_and_keeps_its_history(workspace: Workspace, client: WebClient, question: Message) -> None:
    """A message is posted in a thread, updated and deleted; its states are all there."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "It means *heat*."}}]
    posted = client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text="heat", blocks=blocks)
    answer = workspace.thread(question)[0]
    assert visible_text(answer) == "It means *heat*."
    client.chat_update(channel=question.channel, ts=posted["ts"], text="cold")
    assert (answer.text, answer.blocks) == ("cold", [])
    client.chat_delete(channel=question.channel, ts=posted["ts"])
    assert workspace.thread(question) == []
    assert [state.change for state in answer.states] == ["posted", "updated", "deleted"]
    assert [call.method for call in workspace.calls()] == ["chat.postMessage", "chat.update", "chat.delete"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": "x", "text": "y"}, "markdown_text_conflict"),
        ({"text": "x", "blocks": "{no json"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": DIVIDER * 51}, "invalid_blocks"),
        ({"text": "x", "thread_ts": "1700000000.000001"}, "thread_not_found"),
        ({"text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"text": "x", "metadata": {"wrong": 1}}, "invalid_metadata_format"),
    ],
)
def test_a_wrong_message_is_refused(client: WebClient, fields: Json, error: str) -> None:
    """chat.postMessage refuses what Slack refuses."""
    assert error_of(client.chat_postMessage, channel="maintenance", **fields) == error


def test_refused_blocks_are_explained(client: WebClient) -> None:
    """invalid_blocks comes with response_metadata.messages."""
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="maintenance", text="x", blocks=[{"type": "header"}])
    messages = caught.value.response["response_metadata"]["messages"]
    assert messages == ["[ERROR] missing required field: text [json-pointer:/blocks/0]"]


def test_channels_are_those_of_the_app(workspace: Workspace, client: WebClient) -> None:
    """A public channel without the app is not_in_channel, a private one not found, an archived one archived."""
    public = workspace.add_channel("news", "ada", app=False)
    private = workspace.add_channel("board", "ada", private=True, app=False)
    workspace.maintenance.archived = True
    assert error_of(client.chat_postMessage, channel=public.id, text="x") == "not_in_channel"
    assert error_of(client.chat_postMessage, channel=private.id, text="x") == "channel_not_found"
    assert error_of(client.chat_postMessage, channel="C0NOWHERE", text="x") == "channel_not_found"
    assert error_of(client.chat_postMessage, channel="maintenance", text="x") == "is_archived"
    assert client.chat_postMessage(channel=workspace.ada.id, text="x")["channel"].startswith("D")
    assert [c["name"] for c in client.conversations_list()["channels"]] == ["maintenance", "news"]


def test_a_message_of_somebody_else_cannot_be_changed(client: WebClient, question: Message) -> None:
    """The app updates and deletes its own messages alone."""
    where = {"channel": question.channel, "ts": question.ts}
    assert error_of(client.chat_update, **where, text="x") == "cant_update_message"
    assert error_of(client.chat_delete, **where) == "cant_delete_message"
    assert error_of(client.chat_update, channel=question.channel, ts="1.000000", text="x") == "message_not_found"


def test_an_update_is_shorter_than_a_post(client: WebClient) -> None:
    """chat.update takes 4,000 characters of text."""
    ts = client.chat_postMessage(channel="maintenance", text="x" * 5000)["ts"]
    assert error_of(client.chat_update, channel="maintenance", ts=ts, text="x" * 4001) == "msg_too_long"


def test_ephemeral_messages_are_for_one_member(workspace: Workspace, client: WebClient) -> None:
    """An ephemeral message is seen by its member alone, and cannot be updated."""
    ts = client.chat_postEphemeral(channel="maintenance", user=workspace.ada.id, text="only you")["message_ts"]
    assert [m.text for m in workspace.ephemerals(workspace.ada)] == ["only you"]
    assert workspace.messages("maintenance") == []
    assert len(workspace.messages("maintenance", seen_by=workspace.ada)) == 1
    assert error_of(client.chat_update, channel="maintenance", ts=ts, text="x") == "message_not_found"
    stranger = workspace.add_person("eve").id
    refused = error_of(client.chat_postEphemeral, channel="maintenance", user=stranger, text="x")
    assert refused == "user_not_in_channel"


def test_histories_and_threads_are_read_in_pages(workspace: Workspace, client: WebClient, question: Message) -> None:
    """A history is newest first and without replies, a thread oldest first and with its root."""
    for number in range(3):
        client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text=str(number))
    history = client.conversations_history(channel=question.channel)["messages"]
    assert [(m["text"], m["reply_count"]) for m in history] == [("What does alarm 7 mean?", 3)]
    pages = client.conversations_replies(channel=question.channel, ts=question.ts, limit=2)
    assert [m["text"] for page in pages for m in page["messages"] if m["ts"] != question.ts] == [
        "0",
        "1",
        "2",
    ]
    assert error_of(client.conversations_replies, channel=question.channel, ts="1.000000") == "thread_not_found"
    workspace.delete(question)
    root = client.conversations_replies(channel=question.channel, ts=question.ts)["messages"][0]
    assert root["subtype"] == "tombstone"


def test_people_and_groups_are_looked_up(workspace: Workspace, client: WebClient) -> None:
    """users.info hides the e-mail without its scope; a group lists its members."""
    workspace.add_usergroup("S0ADMINS", "ada")
    assert client.users_info(user=workspace.ada.id)["user"]["profile"]["email"] == "ada@example.com"
    assert client.usergroups_users_list(usergroup="S0ADMINS")["users"] == [workspace.ada.id]
    assert len(client.users_list()["members"]) == 3
    assert sorted(client.conversations_members(channel=workspace.maintenance.id)["members"]) == sorted(
        [workspace.ada.id, workspace.ben.id, workspace.app.bot_user_id]
    )
    workspace.state.scopes.remove("users:read.email")
    assert "email" not in client.users_info(user=workspace.ada.id)["user"]["profile"]
    assert error_of(client.users_info, user="U0NOBODY") == "user_not_found"


def test_a_reaction_is_there_once(client: WebClient, question: Message) -> None:
    """Adding twice is already_reacted, removing what is not there no_reaction."""
    item = {"channel": question.channel, "timestamp": question.ts}
    client.reactions_add(name="eyes", **item)
    assert error_of(client.reactions_add, name="eyes", **item) == "already_reacted"
    assert (
        client.reactions_get(channel=question.channel, timestamp=question.ts)["message"]["reactions"][0]["name"]
        == "eyes"
    )
    client.reactions_remove(name="eyes", **item)
    assert error_of(client.reactions_remove, name="eyes", **item) == "no_reaction"
    assert error_of(client.reactions_add, name="Not Emoji", **item) == "invalid_name"


def test_a_permalink_of_a_reply_names_its_thread(client: WebClient, question: Message) -> None:
    """chat.getPermalink leads to the reply in its thread."""
    reply = client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text="x")["ts"]
    link = client.chat_getPermalink(channel=question.channel, message_ts=reply)["permalink"]
    assert link.endswith(f"/p{reply.replace('.', '')}?thread_ts={question.ts}&cid={question.channel}")


def test_a_stream_grows_and_ends_with_its_blocks(workspace: Workspace, client: WebClient, question: Message) -> None:
    """slack_sdk's stream helper: text and tasks arrive piece by piece, blocks at the end."""
    stream = client.chat_stream(buffer_size=1, **stream_to(workspace, question, task_display_mode="plan"))
    stream.append(markdown_text="It means ")
    task = {"type": "task_update", "id": "1", "title": "Searching", "status": "in_progress"}
    stream.append(chunks=[task])
    message = workspace.thread(question)[0]
    assert workspace.replies_by_app(question) == []
    assert error_of(client.chat_update, channel=message.channel, ts=message.ts, text="x") == (
        "streaming_state_conflict"
    )
    stream.append(markdown_text="heat.", chunks=[task | {"status": "complete"}])
    stream.stop(blocks=DIVIDER)
    assert (message.text, message.blocks[-1]["type"]) == ("It means heat.", "divider")
    assert message.stream is not None
    assert message.stream.tasks["1"]["status"] == "complete"
    assert [state.text for state in message.states][-1] == "It means heat."
    assert workspace.wait_for_reply(question) is message
    where = {"channel": message.channel, "ts": message.ts}
    assert error_of(client.chat_appendStream, **where, markdown_text="x") == "message_not_in_streaming_state"


def test_a_stream_in_a_channel_names_its_reader(workspace: Workspace, client: WebClient, question: Message) -> None:
    """Recipient ids are required in channels and not in direct messages."""
    for missing in ("recipient_user_id", "recipient_team_id"):
        fields = stream_to(workspace, question, markdown_text="x") | {missing: None}
        assert error_of(client.chat_startStream, **fields) == f"missing_{missing}"
    hello = workspace.post("ada", workspace.direct_message("ada"), "hello")
    assert client.chat_startStream(channel=hello.channel, thread_ts=hello.ts, markdown_text="hi")["ok"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "no_text"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"chunks": [{"type": "markdown_text", "text": "x"}]}, "streaming_mode_mismatch"),
        (
            {"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "x"}]},
            "cannot_provide_both_markdown_",
        ),
        ({"chunks": [{"type": "task_update", "id": "1"}]}, "invalid_chunks"),
    ],
)
def test_a_wrong_append_is_refused(
    workspace: Workspace, client: WebClient, question: Message, fields: Json, error: str
) -> None:
    """chat.appendStream refuses what Slack refuses; the stream stays open."""
    ts = client.chat_startStream(**stream_to(workspace, question, markdown_text="x"))["ts"]
    assert error_of(client.chat_appendStream, channel=question.channel, ts=ts, **fields).startswith(error)
    assert client.chat_appendStream(channel=question.channel, ts=ts, markdown_text="y")["ok"]


def test_a_stream_expires_or_is_stopped(workspace: Workspace, client: WebClient, question: Message) -> None:
    """An expired stream is no longer streaming but can be updated; a stopped one says who stopped it."""
    ts = client.chat_startStream(**stream_to(workspace, question, markdown_text="x"))["ts"]
    where = {"channel": question.channel, "ts": ts}
    workspace.expire_stream(workspace.thread(question)[0])
    assert error_of(client.chat_appendStream, **where, markdown_text="y") == "message_not_in_streaming_state"
    assert client.chat_update(**where, text="the rest")["ok"]
    workspace.timing.stream_idle = 0.0
    ts = client.chat_startStream(**stream_to(workspace, question, markdown_text="x"))["ts"]
    where["ts"] = ts
    assert error_of(client.chat_stopStream, **where) == "message_not_in_streaming_state"
    workspace.timing.stream_idle = None
    where["ts"] = client.chat_startStream(**stream_to(workspace, question, markdown_text="x"))["ts"]
    workspace.stop_streaming(workspace.thread(question)[-1])
    assert error_of(client.chat_appendStream, **where, markdown_text="y") == "stopped_by_user"


def test_a_status_ends_with_the_next_post(workspace: Workspace, client: WebClient, question: Message) -> None:
    """setStatus shows under the question until the app posts there."""
    where = {"channel_id": question.channel, "thread_ts": question.ts}
    client.assistant_threads_setStatus(**where, status="is thinking...", loading_messages=["reading"])
    assert workspace.status(question) == "is thinking..."
    client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text="done")
    assert workspace.status(question) == ""
    where["thread_ts"] = "1.000000"
    assert error_of(client.assistant_threads_setStatus, **where, status="x") == "invalid_thread_ts"


def test_prompts_are_suggested_in_direct_messages(workspace: Workspace, client: WebClient) -> None:
    """setSuggestedPrompts takes one to four prompts, each with title and message."""
    channel = workspace.direct_message("ada")
    prompts = [{"title": "Alarms", "message": "Which alarms are there?"}]
    client.assistant_threads_setSuggestedPrompts(channel_id=channel.id, prompts=prompts)
    assert workspace.suggested_prompts(channel) == prompts
    refused = error_of(client.assistant_threads_setSuggestedPrompts, channel_id=channel.id, prompts=prompts * 5)
    assert refused == "invalid_arguments"


def test_an_older_workspace_knows_neither_streams_nor_the_newest_blocks(
    workspace: Workspace, client: WebClient, question: Message
) -> None:
    """The newest methods are unknown there, the newest blocks invalid, and markdown_text is no text."""
    workspace.become_older()
    start = stream_to(workspace, question, markdown_text="x")
    assert error_of(client.chat_startStream, **start) == "unknown_method"
    where = {"channel_id": question.channel, "thread_ts": question.ts}
    assert error_of(client.assistant_threads_setStatus, **where, status="x") == "unknown_method"
    markdown = [{"type": "markdown", "text": "x"}]
    assert error_of(client.chat_postMessage, channel="maintenance", text="x", blocks=markdown) == "invalid_blocks"
    assert error_of(client.chat_postMessage, channel="maintenance", markdown_text="x") == "no_text"


def test_a_rate_limit_says_how_long(workspace: Workspace, client: WebClient) -> None:
    """HTTP 429 with Retry-After, as often as it was asked for; the SDK's handler gets over it."""
    workspace.rate_limit("auth.test", times=2, retry_after=1)
    with pytest.raises(SlackApiError) as caught:
        client.auth_test()
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    assert client.auth_test()["ok"]
    assert [call.status for call in workspace.calls("auth.test")] == [429, 429, 200]


def test_a_method_can_fail_drop_and_be_slow(workspace: Workspace, client: WebClient) -> None:
    """An HTTP error, a broken connection before and after the work, one of Slack's errors, and slowness."""
    workspace.fail("auth.test")
    assert error_of(client.auth_test) == "internal_error"
    workspace.refuse("auth.test", "team_access_not_granted")
    assert error_of(client.auth_test) == "team_access_not_granted"
    workspace.drop("chat.postMessage")
    with pytest.raises((URLError, HTTPException, ConnectionError)):
        client.chat_postMessage(channel="maintenance", text="lost")
    workspace.drop("chat.postMessage", after=True)
    with pytest.raises((URLError, HTTPException, ConnectionError)):
        client.chat_postMessage(channel="maintenance", text="posted, but the answer is lost")
    assert [m.text for m in workspace.messages("maintenance")] == ["posted, but the answer is lost"]
    workspace.slow("auth.test", seconds=5)
    client.timeout = 1
    with pytest.raises(TimeoutError):
        client.auth_test()
    workspace.mend()
    client.timeout = 30
    assert client.auth_test()["ok"]


def test_a_file_is_uploaded_in_three_steps(workspace: Workspace, client: WebClient, question: Message) -> None:
    """files_upload_v2 shares a file in the thread."""
    client.files_upload_v2(
        content="a,b",
        filename="table.csv",
        channel=question.channel,
        thread_ts=question.ts,
        initial_comment="Here",
    )
    reply = workspace.wait_for_reply(question)
    assert (reply.text, reply.files[0]["name"]) == ("Here", "table.csv")
