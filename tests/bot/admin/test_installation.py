"""`/journeyman WORD`: who may use which word, and what each one says."""

from pathlib import Path

import psycopg
import pytest
from slack_bolt import Ack, Respond

from bot.admin import installation
from bot.admin.commands import REFUSED, Command, reply
from bot.operations import ModelState, Operations
from bot.questions import views
from jobs.rows import finish_job, request_job
from retrieval.indexing.attempts import begin_attempts
from retrieval.indexing.reindexing import Target, request_run
from retrieval.indexing.sources import register_sources
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


def test_help_names_every_word(workspace: Workspace, connect: Connect) -> None:
    """Alone, as `help`, and for a word that there is not."""
    connect()
    shown = told(workspace, workspace.ben, "")
    assert shown == told(workspace, workspace.ben, "help")
    assert views.HELP in shown
    assert all(f"`{command}" in shown for command in ("/ask QUESTION", "/reindex [all", "/journeyman status"))
    assert "`/journeyman admins [add|remove @person]`" in shown
    assert "I don't know `/journeyman &lt;!channel&gt;`" in told(workspace, workspace.ben, "<!channel>")


def test_status_tells_of_answers_and_of_the_index(workspace: Workspace, connect: Connect) -> None:
    """Everybody may know; nothing indexed is said, too."""
    connect()
    workspace.wait_for_reply(ask(workspace))
    workspace.wait_for(lambda: "1 answered" in told(workspace, workspace.ben, "status"))
    assert "Nothing is indexed yet." in told(workspace, workspace.ben, "status")


def test_status_names_work_and_what_is_set_aside(workspace: Workspace, connect: Connect, database: str) -> None:
    """A document's name comes from outside, so it is escaped."""
    connect()
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "scan", "sources", started_by="schedule")
        finish_job(conn, job.id, "failed", error="the disk is full")
        for model in ("pump-model", "press-model", "mill-model"):
            request_job(conn, "build", model, started_by="console")
        register_sources(conn, [Path(__file__)], "wiki")
        (source,) = register_sources(conn, [Path(__file__).parent])
        for collection in ("default", "wiki"):
            request_run(conn, Target(collection, (collection,)), started_by="console")
        begin_attempts(conn, source.id, ["<!channel>.pdf"], [b"hash"])
        conn.execute("UPDATE document_attempt SET attempts = 3")
    shown = told(workspace, workspace.ben, "status")
    assert "Looking through the sources: failed (the disk is full)" in shown
    assert "Building pump-model: waits for a worker\n" in shown
    assert "Building press-model: waits for a worker, 1 before it\n" in shown
    assert "Building mill-model: waits for a worker, 2 before it\n" in shown
    assert "Being indexed: wiki, waits for a worker, 1 before it, started by" in shown
    assert "Set aside: &lt;!channel&gt;.pdf in default, after 3 attempts (each ended its process)" in shown


def test_words_for_admins_are_refused_to_others(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Politely, with who can help, and with a row in the audit log."""
    connect(admins=[workspace.ada.id])
    assert told(workspace, workspace.ben, "model") == REFUSED.format(command="`/journeyman model`")
    assert rows("SELECT person, action, allowed FROM audit") == [(workspace.ben.id, "model", False)]
    assert workspace.ada.id in told(workspace, workspace.ben, "admins")


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


def test_who_cannot_be_told_where_they_are_is_told_elsewhere(workspace: Workspace, connect: Connect) -> None:
    """A response_url that does not work: in the channel; a channel without the bot: in a direct message."""
    runtime = connect().runtime
    elsewhere = workspace.add_channel("elsewhere", workspace.ben, app=False)
    for channel in (workspace.maintenance, elsewhere):
        reply(Command(workspace.ben.id, channel.id, "", "", Respond(response_url=None), Ack()), "It is so.", runtime)
    assert [message.channel for message in workspace.ephemerals(workspace.ben)] == [workspace.maintenance.id]
    assert [m.text for m in workspace.messages(workspace.direct_message("ben"))] == ["It is so."]
