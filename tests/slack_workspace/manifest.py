"""The app's manifest, granted as a real workspace grants it, so that tests show whether it asks for enough.

https://docs.slack.dev/reference/app-manifest
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.slack_workspace.state import State


@dataclass(frozen=True)
class Manifest:
    """What an app asks for when it is installed."""

    scopes: frozenset[str]
    events: frozenset[str]
    commands: frozenset[str]
    agent: bool
    home_tab: bool

    def grant(self, state: State) -> None:
        state.scopes = set(self.scopes)
        state.subscriptions = set(self.events)
        state.commands = self.commands
        state.agent = self.agent
        state.home_tab = self.home_tab


def read_manifest(path: Path) -> Manifest:
    """Read a YAML manifest. Raises KeyError where it names no bot scopes."""
    source = yaml.safe_load(path.read_text(encoding="utf-8"))
    features, settings = source.get("features", {}), source.get("settings", {})
    return Manifest(
        scopes=frozenset(source["oauth_config"]["scopes"]["bot"]),
        events=frozenset(settings.get("event_subscriptions", {}).get("bot_events", [])),
        commands=frozenset(command["command"] for command in features.get("slash_commands", [])),
        agent="agent_view" in features or "assistant_view" in features,
        home_tab=bool(features.get("app_home", {}).get("home_tab_enabled")),
    )
