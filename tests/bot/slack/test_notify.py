"""People are told what came of a button, also where the bot is no member and in a Slack that knows less."""

import logging

import pytest
from slack_sdk import WebClient

from bot.questions import views
from bot.questions.expert_views import NO_EXPERTS
from bot.slack.notify import notify, post_direct
from bot.slack.workspace import web_client
from tests.bot.conftest import ASKED, Connect
from tests.bot.questions.test_asking_privately import private_answer
from tests.bot.questions.test_experts import abstaining
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    return web_client(workspace.app.bot_token, workspace.api_url, logging.getLogger("test"))


def told(workspace: Workspace) -> list[str]:
    """What Ada alone read."""
    return [message.text for message in workspace.ephemerals(workspace.ada)]


def direct(workspace: Workspace) -> list[str]:
    """What stands in Ada's conversation with the bot."""
    return [visible_text(message) for message in workspace.messages(workspace.direct_message("ada"))]


def test_a_thumb_below_a_private_answer_is_confirmed_without_the_bot(workspace: Workspace, connect: Connect) -> None:
    """`/ask` works in every channel, and so do the thumbs below its answer."""
    workspace.remove_app("maintenance")
    connect()
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    workspace.press("ada", private_answer(workspace), "answer_thumbs_up")
    workspace.wait_for(lambda: views.vote_counted(1) in told(workspace))


def test_ask_a_person_says_why_not_without_the_bot(workspace: Workspace, connect: Connect) -> None:
    """Nobody presses a button and sees nothing."""
    workspace.remove_app("maintenance")
    connect(abstaining)
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    shown = workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.blocks])[-1]
    workspace.press("ada", shown, "ask_person")
    workspace.wait_for(lambda: NO_EXPERTS in told(workspace))


def test_the_last_way_is_a_direct_message(workspace: Workspace, client: WebClient) -> None:
    """Where the channel takes nothing and the response URL has expired."""
    workspace.remove_app("maintenance")
    url = workspace.api_url.replace("/api/", "/hooks/expired")
    notify(client, workspace.ada.id, workspace.maintenance.id, "a word", response_url=url)
    assert told(workspace) == []
    assert direct(workspace) == ["a word"]


def test_a_conversation_is_opened_where_a_persons_id_is_no_channel(workspace: Workspace, client: WebClient) -> None:
    """Slack posts to a person's id; a server that does not has conversations.open."""
    workspace.refuse("chat.postMessage", "channel_not_found")
    channel, ts = post_direct(client, workspace.ada.id, text="hello")
    assert (channel, direct(workspace)) == (workspace.direct_message("ada").id, ["hello"])
    assert workspace.messages(workspace.direct_message("ada"))[0].ts == ts
