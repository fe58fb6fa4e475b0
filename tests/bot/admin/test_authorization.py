"""Who is an admin: by id, by user group, by the setting or by another admin; and nobody by accident."""

import logging
from typing import Any

import psycopg
import pytest
from slack_sdk import WebClient

from bot.admin import authorization
from bot.admin.authorization import (
    add_admin,
    authorize,
    configure_admins,
    is_admin,
    list_admins,
    read_member,
    remove_admin,
)
from bot.slack.workspace import web_client
from tests.slack_workspace import Workspace

Conn = psycopg.Connection[Any]


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    """The bot's client, with all scopes."""
    return web_client(workspace.app.bot_token, workspace.api_url, logging.getLogger("test"))


def test_nobody_is_an_admin_until_somebody_is_named(conn: Conn, workspace: Workspace, client: WebClient) -> None:
    """Not even the workspace's own admins; the refusal is in the audit log."""
    assert not authorize(conn, client, workspace.ada.id, "reindex", {"what": "all"})
    assert conn.execute("SELECT person, action, allowed, detail FROM audit").fetchall() == [
        (workspace.ada.id, "reindex", False, {"what": "all"})
    ]


def test_the_setting_is_replaced_at_each_start(conn: Conn, workspace: Workspace, client: WebClient) -> None:
    """Whoever is no longer in JOURNEYMAN_ADMINS is no admin; those added in Slack stay."""
    configure_admins(conn, [workspace.ada.id])
    add_admin(conn, "U0ADDED", workspace.ada.id)
    assert is_admin(conn, client, workspace.ada.id)
    configure_admins(conn, [workspace.ben.id])
    assert not is_admin(conn, client, workspace.ada.id)
    assert is_admin(conn, client, workspace.ben.id)
    assert is_admin(conn, client, "U0ADDED")


def test_members_of_a_group_are_admins(conn: Conn, workspace: Workspace, client: WebClient) -> None:
    """Slack is asked who is in the group, once a minute."""
    workspace.add_usergroup("S0ADMINS", "ada")
    configure_admins(conn, ["S0ADMINS"])
    assert is_admin(conn, client, workspace.ada.id)
    assert not is_admin(conn, client, workspace.ben.id)
    assert len(workspace.calls("usergroups.users.list")) == 1


def test_a_person_who_leaves_the_group_is_no_admin(
    conn: Conn, workspace: Workspace, client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the remembered members are old."""
    workspace.add_usergroup("S0ADMINS", "ada")
    configure_admins(conn, ["S0ADMINS"])
    assert is_admin(conn, client, workspace.ada.id)
    workspace.add_usergroup("S0ADMINS", "ben")
    monkeypatch.setattr(authorization, "GROUP_CACHE", 0.0)
    assert not is_admin(conn, client, workspace.ada.id)


def test_who_cannot_be_looked_up_is_no_admin(conn: Conn, workspace: Workspace, client: WebClient) -> None:
    """An unknown group, or a Slack without the method, lets nobody in and does not fail."""
    configure_admins(conn, ["S0NOSUCHGROUP"])
    assert not is_admin(conn, client, workspace.ada.id)


def test_admins_are_removed_but_not_the_last_and_not_the_settings(conn: Conn) -> None:
    """Somebody must be able to add the next admin, and a setting can only be changed where it is."""
    add_admin(conn, "U0FIRST", "console")
    assert not add_admin(conn, "U0FIRST", "console")
    assert remove_admin(conn, "U0FIRST") == "last"
    configure_admins(conn, ["U0SET"])
    assert remove_admin(conn, "U0SET") == "configured"
    assert remove_admin(conn, "U0STRANGER") == "unknown"
    assert remove_admin(conn, "U0FIRST") == "removed"
    assert [admin.member for admin in list_admins(conn)] == ["U0SET"]


@pytest.mark.parametrize(
    ("typed", "member"),
    [
        ("U0ADA123", "U0ADA123"),
        ("<@U0ADA123>", "U0ADA123"),
        ("<@W0ADA123|ada>", "W0ADA123"),
        ("<!subteam^S0ADMINS|@admins>", "S0ADMINS"),
        ("@ada", None),
        ("everybody", None),
        ("<!channel>", None),
        ("", None),
    ],
)
def test_members_are_read_as_people_type_them(typed: str, member: str | None) -> None:
    """As an id, or as Slack writes a mention of a person or of a user group."""
    assert read_member(typed) == member
