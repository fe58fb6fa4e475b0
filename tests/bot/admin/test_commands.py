"""`/journeyman` and its subcommands: who may use which, and where people are told."""

from slack_bolt import Ack, Respond

from bot.admin.commands import REFUSED, Command, reply
from bot.questions import views
from tests.bot.conftest import Connect, Rows
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


def test_words_for_admins_are_refused_to_others(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Politely, with who can help, and with a row in the audit log."""
    connect(admins=[workspace.ada.id])
    assert told(workspace, workspace.ben, "model") == REFUSED.format(command="`/journeyman model`")
    assert rows("SELECT person, action, allowed FROM audit") == [(workspace.ben.id, "model", False)]
    assert workspace.ada.id in told(workspace, workspace.ben, "admins")


def test_who_cannot_be_told_where_they_are_is_told_elsewhere(workspace: Workspace, connect: Connect) -> None:
    """A response_url that does not work: in the channel; a channel without the bot: in a direct message."""
    runtime = connect().runtime
    elsewhere = workspace.add_channel("elsewhere", workspace.ben, app=False)
    for channel in (workspace.maintenance, elsewhere):
        reply(Command(workspace.ben.id, channel.id, "", "", Respond(response_url=None), Ack()), "It is so.", runtime)
    assert [message.channel for message in workspace.ephemerals(workspace.ben)] == [workspace.maintenance.id]
    assert [m.text for m in workspace.messages(workspace.direct_message("ben"))] == ["It is so."]
