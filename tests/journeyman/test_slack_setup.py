"""What a person is told while they connect Slack: by doctor, by the bot, and by `up`."""

import json
import socket
from pathlib import Path

import pytest

from journeyman.doctor import granted_scopes
from tests.journeyman.conftest import ROOT, Run, one_sentence
from tests.slack_workspace import Workspace
from tests.slack_workspace.fixtures import workspace

__all__ = ["workspace"]


def slack_checks(journeyman: Run, **variables: str) -> dict[str, dict[str, str]]:
    """Doctor's findings about Slack, by name."""
    report = json.loads(journeyman("doctor", "--json", **variables).stdout)
    return {check["name"]: check for check in report["checks"] if check["name"].startswith("Slack")}


@pytest.mark.slow
def test_doctor_asks_slack(journeyman: Run, workspace: Workspace) -> None:
    """Tokens that work are ok; a missing scope is named; a token that Slack refuses is named."""
    workspace.install(ROOT / "bot" / "manifest.yaml")
    good = slack_checks(journeyman, **workspace.environment())
    assert {check["state"] for check in good.values()} == {"ok"}
    assert len(good) == 2

    workspace.state.scopes.remove("chat:write")
    wrong = workspace.environment() | {"SLACK_APP_TOKEN": "xapp-wrong"}
    bad = slack_checks(journeyman, **wrong)
    assert "chat:write" in bad["Slack bot token"]["detail"]
    assert bad["Slack bot token"]["remedy"]
    assert bad["Slack app token"]["state"] == "broken"


def test_scopes_that_nobody_names_are_not_missing() -> None:
    """Slack names them in a header; where it is left out, nothing is known about them."""
    assert granted_scopes({"X-OAuth-Scopes": "chat:write, im:write"}) == {"chat:write", "im:write"}
    assert granted_scopes({"x-oauth-scopes": ""}) == {""}
    assert granted_scopes({"Content-Type": "application/json"}) is None


@pytest.mark.slow
@pytest.mark.parametrize("command", ["bot", "up"])
def test_a_token_that_slack_refuses_is_one_sentence(journeyman: Run, workspace: Workspace, command: str) -> None:
    """Neither goes on without: the person is told which token it is."""
    done = journeyman(command, **workspace.environment() | {"SLACK_BOT_TOKEN": "xoxb-wrong"})
    assert done.returncode == 1
    assert "SLACK_BOT_TOKEN" in one_sentence(done)


@pytest.mark.slow
def test_an_occupied_port_is_one_sentence(journeyman: Run, workspace: Workspace, tmp_path: Path) -> None:
    """Over HTTP the bot needs its port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = workspace.environment() | {"JOURNEYMAN_HTTP_PORT": str(taken.getsockname()[1])}
        done = journeyman("bot", **variables | {"SLACK_APP_TOKEN": "", "JOURNEYMAN_MODEL_URL": "http://localhost:1"})
    assert done.returncode == 1
    assert "JOURNEYMAN_HTTP_PORT" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
