"""`/journeyman WORD`: who may use which word, and what each one says."""

from pathlib import Path

import pytest

from bot.admin import installation
from bot.operations import ModelState, Operations
from tests.bot.conftest import Connect, Rows, ask
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Person


def told(workspace: Workspace, person: Person, text: str) -> str:
    """What the person alone sees after `/journeyman text`."""
    before = len(workspace.ephemerals(person))
    workspace.slash(person, "maintenance", "/journeyman", text)
    workspace.wait_for(lambda: len(workspace.ephemerals(person)) > before)
    return visible_text(workspace.ephemerals(person)[-1])


def test_an_admin_makes_another_one(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """By a mention as Slack writes it; whoever was refused before is not any more."""
    connect(admins=[workspace.ada.id])
    assert "for my admins only" in told(workspace, workspace.ben, f"admins add {workspace.ben.id}")
    added = told(workspace, workspace.ada, f"admins add <@{workspace.ben.id}|ben>")
    assert added == f"<@{workspace.ben.id}> is an admin now."
    assert "No answer has been written yet" in told(workspace, workspace.ben, "model")
    assert "is no longer an admin" in told(workspace, workspace.ben, f"admins remove <@{workspace.ben.id}>")
    assert "is set by JOURNEYMAN_ADMINS" in told(workspace, workspace.ada, f"admins remove {workspace.ada.id}")
    assert rows(f"SELECT action, allowed FROM audit WHERE person = '{workspace.ben.id}' ORDER BY id") == [
        ("admins add", False),
        ("model", True),
        ("admins remove", True),
    ]


def test_a_group_of_admins(workspace: Workspace, connect: Connect) -> None:
    """Named in the setting; with the manifest's own scopes."""
    workspace.install(Path(installation.__file__).parent.with_name("manifest.yaml"))
    connect(admins=["S0ADMINS"])
    workspace.add_usergroup("S0ADMINS", "ada")
    assert "No answer has been written yet" in told(workspace, workspace.ada, "model")
    assert "for my admins only" in told(workspace, workspace.ben, "model")
    assert "<!subteam^S0ADMINS> (user group), by the setting" in told(workspace, workspace.ben, "admins")


@pytest.mark.parametrize("typed", ["admins add @ada", "admins promote U0ADA123", "admins add"])
def test_what_is_not_understood_is_said(workspace: Workspace, connect: Connect, typed: str) -> None:
    """A name that Slack has not made an id of could be anybody's."""
    connect(admins=[workspace.ada.id])
    assert told(workspace, workspace.ada, typed) == installation.ADMINS_USAGE


def test_without_admins_it_says_how_to_name_one(workspace: Workspace, connect: Connect) -> None:
    """The first admin can only come from the setting or from the command line."""
    connect()
    assert told(workspace, workspace.ada, "admins") == installation.NO_ADMINS


def test_model_tells_what_answers(workspace: Workspace, connect: Connect) -> None:
    """What the settings name, and what the last answer says wrote it."""
    state = ModelState("phi-3-mini", "in this process on cpu", None, loaded=False)
    connect(admins=[workspace.ada.id], operations=Operations(model=lambda: state))
    workspace.wait_for_reply(ask(workspace))
    workspace.wait_for(lambda: "The last answer was written by" in told(workspace, workspace.ada, "model"))
    assert told(workspace, workspace.ada, "model").splitlines() == [
        "The model that answers is `phi-3-mini` without an adapter, in this process on cpu, "
        "which the next question loads.",
        "The last answer was written by `stand-in` without an adapter.",
    ]
