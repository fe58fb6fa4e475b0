"""What is pinned in a channel, as a source."""

from pathlib import Path

import psycopg
import pytest
from slack_sdk import WebClient

from bot.slack.pins import pinned
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.origins import Access, Unreachable
from tests.bot.conftest import EMBEDDER
from tests.slack_workspace import Workspace


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    """With the scopes of the manifest."""
    workspace.install(Path("bot/manifest.yaml"))
    return WebClient(token=workspace.app.bot_token, base_url=workspace.api_url)


def test_pinned_messages_are_indexed(conn: psycopg.Connection, workspace: Workspace, client: WebClient) -> None:
    """And nothing else of the channel."""
    workspace.post("ada", "maintenance", "The key is with the porter.")
    message = workspace.post("ben", "maintenance", "Oil for the press is HV 46.")
    workspace.maintenance.pinned.append(message.ts)
    source = register_sources(conn, [f"slack-pins:{workspace.maintenance.id}"])
    access = Access(pinned=lambda channel: pinned(client, channel))
    report = index_sources(conn, EMBEDDER, source, max_bytes=10**6, access=access)
    assert report.documents["new"] == 1
    texts = [text for (text,) in conn.execute("SELECT text FROM chunk").fetchall()]
    assert texts == ["Oil for the press is HV 46."]


def test_a_channel_without_the_bot_is_unreachable(workspace: Workspace, client: WebClient) -> None:
    """With Slack's own reason."""
    elsewhere = workspace.add_channel("elsewhere", workspace.ada)
    elsewhere.members.discard(workspace.app.bot_user_id)
    with pytest.raises(Unreachable, match="not_in_channel"):
        pinned(client, elsewhere.id)
