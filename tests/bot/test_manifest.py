"""The app's manifest asks Slack for exactly what the code uses."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import listeners

BOT = Path(listeners.__file__).parent
SCOPES_OF_METHODS = {
    "assistant_threads_setStatus": "assistant:write",
    "assistant_threads_setSuggestedPrompts": "assistant:write",
    "auth_test": None,
    "chat_delete": "chat:write",
    "chat_postEphemeral": "chat:write",
    "chat_postMessage": "chat:write",
    "chat_stopStream": "chat:write",
    "chat_stream": "chat:write",
    "chat_update": "chat:write",
    "conversations_info": "channels:read groups:read",
    "conversations_open": "im:write",
    "conversations_replies": "channels:history",
    "files_upload_v2": "files:write",
    "pins_list": "pins:read",
    "users_info": "users:read",
    "views_open": None,
    "views_publish": None,
    "views_push": None,
    "views_update": None,
    "conversations_members": "channels:read groups:read mpim:read",
    "users_list": "users:read",
    "usergroups_users_list": "usergroups:read",
}
SCOPES_OF_EVENTS = {
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The manifest as Slack reads it."""
    found: dict[str, Any] = yaml.safe_load((BOT / "manifest.yaml").read_text())
    return found


def test_scopes_are_exactly_those_used(manifest: dict[str, Any]) -> None:
    """One for each method that is called and each event that is received, and `commands`; none besides."""
    source = "\n".join(path.read_text() for path in BOT.rglob("*.py"))
    called = set(re.findall(r"client\.([a-z]+_[a-zA-Z0-9_]+)\(", source))
    assert called == SCOPES_OF_METHODS.keys()
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    needed = {SCOPES_OF_METHODS[method] for method in called} | {SCOPES_OF_EVENTS[event] for event in events}
    scopes = {scope for named in needed if named for scope in named.split()}
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == scopes | {"commands"}


def test_events_and_commands_have_listeners(manifest: dict[str, Any]) -> None:
    """What Slack is asked to send is listened to, and what is listened to is asked for."""
    source = Path(listeners.__file__).read_text()
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert set(re.findall(r'app\.event\("([a-z_]+)"\)', source)) == {event.split(".")[0] for event in events}
    commands = [command["command"] for command in manifest["features"]["slash_commands"]]
    assert re.findall(r'app\.command\("([^"]+)"\)', source) == commands


def test_the_app_can_be_written_to(manifest: dict[str, Any]) -> None:
    """The agent experience, a messages tab that takes messages, buttons, and Socket Mode."""
    assert "agent_view" in manifest["features"]
    assert manifest["features"]["app_home"]["messages_tab_enabled"]
    assert not manifest["features"]["app_home"]["messages_tab_read_only_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert manifest["settings"]["socket_mode_enabled"]
