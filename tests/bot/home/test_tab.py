"""The Home tab in a workspace that granted the manifest: what everybody sees, and what admins see."""

from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackApp
from bot.feedback import review_views
from bot.feedback.complaints import complain
from bot.feedback.votes import vote
from bot.home import tab_views
from bot.home.personal_data import DataCounts
from tests.bot.conftest import Rows
from tests.bot.rows import asked_by
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message, Person


def words(workspace: Workspace, person: Person) -> str:
    """What stands in the person's Home tab."""
    view = workspace.home(person)
    return "" if view is None else visible_text(Message("", "", "", "", blocks=view.blocks))


def kinds(workspace: Workspace, person: Person) -> list[str]:
    view = workspace.home(person)
    return [] if view is None else [block["type"] for block in view.blocks]


def test_everybody_sees_how_to_ask_and_what_is_theirs(
    workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any]
) -> None:
    """Their questions with their votes, nobody else's, and nothing for admins."""
    with pool.connection() as conn:
        vote(conn, asked_by(conn, workspace.ben.id, "ben's question"), workspace.ben.id, -1)
        asked_by(conn, workspace.ada.id, "ada's question")
        conn.execute("INSERT INTO collection (name) VALUES ('manuals')")
    workspace.open_home("ben")
    workspace.wait_for(lambda: "ben's question" in words(workspace, workspace.ben))
    shown = words(workspace, workspace.ben)
    assert tab_views.HOW_TO_ASK in shown
    assert "*manuals*: 0 documents" in shown
    assert ":thumbsdown:" in shown.split("ben's question")[1]
    assert "1 question and 1 vote" in shown
    assert "ada's question" not in shown
    assert "For admins" not in shown


def test_admins_see_the_queue_and_the_figures_as_a_picture(
    workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any]
) -> None:
    """At once as text, then as an uploaded file with the same as its description; unchanged it is not sent again."""
    with pool.connection() as conn:
        complain(conn, asked_by(conn, "U1", "doubted"), "U1", "wrong", None)
        complain(conn, asked_by(conn, "U1", "stale"), "U1", "outdated", None)
    for _ in range(2):
        workspace.open_home("ada")
        workspace.wait_for(lambda: "image" in kinds(workspace, workspace.ada), timeout=60)
    shown = words(workspace, workspace.ada)
    assert "*doubted*" in shown
    assert "*Alarm manual (alarms.md)*" in shown
    assert "The last answer was written by `stand-in` without an adapter." in shown
    assert "2 questions in 14 days" in shown
    assert len(workspace.calls("files.completeUploadExternal")) == 1


def test_without_files_the_figures_are_text(workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any]) -> None:
    """An older workspace: the same figures, with what was asked in vain; the unknown method is tried once."""
    with pool.connection() as conn:
        asked_by(conn, "U1", "where is the canteen?", abstained=True)
    workspace.refuse("files.getUploadURLExternal", "unknown_method", times=None)
    for _ in range(2):
        workspace.open_home("ada")
        workspace.wait_for(lambda: "where is the canteen? (1×)" in words(workspace, workspace.ada), timeout=60)
    assert "image" not in kinds(workspace, workspace.ada)
    assert len(workspace.calls("files.getUploadURLExternal")) == 1


@pytest.mark.parametrize(("times", "last"), [(1, "image"), (3, "section")])
def test_slack_takes_a_moment_to_look_at_a_new_file(workspace: Workspace, bot: SlackApp, times: int, last: str) -> None:
    """A view with it is refused until then: it is sent again, and if that does not help the figures are text."""
    workspace.slow("files.completeUploadExternal", 1.0)
    workspace.open_home("ada")
    workspace.wait_for(lambda: "section" in kinds(workspace, workspace.ada))
    workspace.refuse("views.publish", "invalid_arguments", times=times)
    workspace.wait_for(lambda: len(workspace.calls("views.publish")) == times + 2)
    workspace.wait_for(lambda: kinds(workspace, workspace.ada)[-1] == last)


def test_the_queue_can_be_judged_from_home(workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any]) -> None:
    """The button opens the form, and what is judged leaves the tab; fixed documents, too."""
    with pool.connection() as conn:
        complain(conn, asked_by(conn, "U1", "doubted"), "U1", "wrong", "The right answer.")
        complain(conn, asked_by(conn, "U1", "stale"), "U1", "outdated", None)
    workspace.open_home("ada")
    home = workspace.wait_for(lambda: workspace.home(workspace.ada))
    workspace.wait_for(lambda: "doubted" in words(workspace, workspace.ada))
    workspace.press("ada", home, review_views.FIXED)
    workspace.wait_for(lambda: "No documents to fix." in words(workspace, workspace.ada))
    workspace.press("ada", workspace.wait_for(lambda: workspace.home(workspace.ada)), review_views.OPEN)
    form = workspace.wait_for(lambda: workspace.views(workspace.ada))[-1]
    workspace.submit("ada", form, {"answer": "The right answer."})
    workspace.wait_for(lambda: review_views.EMPTY in words(workspace, workspace.ada))


def test_delete_my_data(workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any], rows: Rows) -> None:
    """The button deletes what is theirs and nobody else's, and says how much it was."""
    with pool.connection() as conn:
        vote(conn, asked_by(conn, workspace.ben.id, "ben's question"), workspace.ben.id, -1)
        asked_by(conn, workspace.ada.id, "ada's question")
    workspace.open_home("ben")
    home = workspace.wait_for(lambda: workspace.home(workspace.ben))
    workspace.wait_for(lambda: "ben's question" in words(workspace, workspace.ben))
    workspace.press("ben", home, tab_views.DELETE)
    workspace.wait_for(lambda: tab_views.deleted_note(DataCounts(1, 1)) in words(workspace, workspace.ben))
    assert "You have not asked me anything yet." in words(workspace, workspace.ben)
    assert rows("SELECT question FROM answer") == [("ada's question",)]


def test_without_a_database_the_tab_says_so(workspace: Workspace, bot: SlackApp, pool: ConnectionPool[Any]) -> None:
    """Never an old state that looks like the new one; a deletion that did not happen is not claimed."""
    workspace.open_home("ben")
    home = workspace.wait_for(lambda: workspace.home(workspace.ben))
    pool.close()
    workspace.open_home("ben")
    workspace.wait_for(lambda: tab_views.NO_DATABASE in words(workspace, workspace.ben))
    assert home.blocks
