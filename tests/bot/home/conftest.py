"""The bot whose Home tab is looked at."""

from pathlib import Path
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackApp
from tests.bot.conftest import Connect
from tests.slack_workspace import Workspace

MANIFEST = Path("bot/manifest.yaml")


@pytest.fixture
def bot(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> SlackApp:
    """The bot in a workspace that granted exactly the manifest, with Ada as its admin."""
    workspace.install(MANIFEST)
    app = connect()
    with pool.connection() as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [workspace.ada.id])
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    return app
