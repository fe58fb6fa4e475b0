"""The form of a channel's settings: who may send it, and what it sets."""

from pathlib import Path

import psycopg
import pytest

from bot.admin.channel_modal import channel
from bot.admin.channel_views import LANGUAGE_HINT, NOT_IN_DIRECT, NOT_YOURS, settings_in
from bot.questions.channels import ChannelSettings
from tests.bot.conftest import Connect, Rows
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import View


@pytest.fixture(autouse=True)
def installed(workspace: Workspace) -> None:
    """With what the manifest asks for, and nothing else."""
    workspace.install(Path("bot/manifest.yaml"))


def opened(workspace: Workspace, person: str = "ada") -> View:
    """The form, as a person opens it."""
    workspace.slash(person, "maintenance", "/journeyman", "channel")
    who = workspace.ada if person == "ada" else workspace.ben
    return workspace.wait_for(lambda: workspace.views(who))[0]


def test_the_channels_creator_sets_it_in_a_form(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """The form shows what holds, takes what is chosen, and says what holds from now on."""
    connect()
    made = workspace.add_channel("press-shop", workspace.ada, workspace.ben)
    maker = next(name for name in ("ada", "ben") if workspace.state.person(name).id == made.creator)
    workspace.slash(maker, made, "/journeyman", "channel")
    person = workspace.state.person(maker)
    form = workspace.wait_for(lambda: workspace.views(person))[0]
    assert LANGUAGE_HINT in str(form.source)
    values = {"answers": "questions", "threshold": "0.8", "place": "ephemeral", "language": "german"}
    workspace.submit(maker, form, {**values, "experts": [workspace.ben.id]})
    workspace.wait_for(lambda: "Every question in the channel" in str(form.source) and "Saved for" in str(form.source))
    assert "the questions are in German" in str(form.source)
    found = rows("SELECT id, answers, round(threshold::numeric, 1)::text, place, language::text, experts FROM channel")
    assert found == [(made.id, "questions", "0.8", "ephemeral", "german", [workspace.ben.id])]
    assert rows("SELECT trusted_experts FROM channel") == [([],)]  # which only an admin's are


def test_what_a_person_left_empty_may_be_left_out() -> None:
    """Optional fields that nobody touched: no collections means all, no experts none."""
    chosen = {"answers": "questions", "threshold": "0.4", "place": "thread", "language": "german"}
    values = {name: {name: {"selected_option": {"value": value}}} for name, value in chosen.items()}
    assert settings_in({"state": {"values": values}}) == ChannelSettings("questions", 0.4, None, "thread", "german", [])


def test_an_admin_sets_any_channel_and_its_collections(
    workspace: Workspace, connect: Connect, rows: Rows, database: str
) -> None:
    """Collections are offered by name; none chosen means all."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('manuals'), ('safety')")
    connect(admins=[workspace.ada.id])
    form = opened(workspace)
    workspace.submit("ada", form, {"collections": ["safety"], "experts": [workspace.ben.id]})
    workspace.wait_for(lambda: rows("SELECT collections FROM channel") == [(["safety"],)])
    assert rows("SELECT trusted_experts FROM channel") == [([workspace.ben.id],)]


def test_whoever_is_neither_is_refused_at_submission(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Looking is for everybody; the form stays with the reason, nothing is set, and the audit log knows."""
    connect()
    made_by = workspace.maintenance.creator
    other = "ben" if made_by == workspace.ada.id else "ada"
    form = opened(workspace, other)
    workspace.submit(other, form, {"answers": "questions"})
    workspace.wait_for(lambda: form.errors.get("answers") == NOT_YOURS)
    assert rows("SELECT count(*) FROM channel") == [(0,)]
    assert rows("SELECT action, allowed FROM audit") == [("channel", False)]


def test_a_creator_who_is_not_known_is_none(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """While Slack does not say who made the channel, only admins may."""
    workspace.refuse("conversations.info", "unknown_method", times=None)
    connect()
    form = opened(workspace)
    workspace.submit("ada", form, {"answers": "questions"})
    workspace.wait_for(lambda: form.errors.get("answers") == NOT_YOURS)
    assert rows("SELECT count(*) FROM channel") == [(0,)]


def test_direct_messages_have_no_settings(workspace: Workspace, connect: Connect) -> None:
    """The command says so."""
    connect()
    workspace.slash("ada", workspace.direct_message("ada"), "/journeyman", "channel")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == NOT_IN_DIRECT])
    assert channel.__doc__
