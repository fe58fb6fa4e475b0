"""Thumbs that people press or put under an answer, and the form behind a thumb down."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from bot.feedback import complaint_form
from bot.questions import views
from bot.slack.events import Reaction
from tests.bot.conftest import Connect, Rows, ask
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Message, View

MANIFEST = Path("bot/manifest.yaml")
VOTES = "SELECT person, vote FROM feedback ORDER BY person"


@pytest.fixture
def answered(workspace: Workspace, connect: Connect) -> Message:
    """An answer to Ada in a workspace that granted exactly the manifest."""
    workspace.install(MANIFEST)
    connect()
    return workspace.wait_for_reply(ask(workspace))


def until(workspace: Workspace, rows: Rows, query: str, expected: list[tuple[Any, ...]]) -> None:
    """Wait for rows that are written after Slack's event was acknowledged."""
    workspace.wait_for(lambda: rows(query) == expected)


def reaction(value: int, at: int, *, present: bool = True, ts: str = "2.0") -> Reaction:
    """U1 puts a thumb under the answer, or takes it away, `at` a time of Slack's."""
    return Reaction("Ev1", "C1", ts, "U1", value, present, Decimal(at))  # type: ignore[arg-type]


def form(workspace: Workspace) -> View:
    """The form that stands before Ada."""
    return workspace.wait_for(lambda: workspace.views(workspace.ada))[-1]


def test_reactions_count_and_are_withdrawn(workspace: Workspace, answered: Message, rows: Rows) -> None:
    """👍 is a vote, with any skin tone; taken away it is none. Other emoji and messages say nothing."""
    workspace.react("ben", answered, "eyes")
    workspace.react("ada", answered, "+1::skin-tone-3")
    until(workspace, rows, VOTES, [(workspace.ada.id, 1)])
    workspace.unreact("ada", answered, "+1::skin-tone-3")
    until(workspace, rows, VOTES, [])


def test_a_thumb_down_reaction_offers_the_form(workspace: Workspace, answered: Message, rows: Rows) -> None:
    """A reaction opens no modal by itself: its person alone gets a button that does."""
    workspace.react("ada", answered, "thumbsdown")
    offer = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))[-1]
    assert rows(VOTES) == [(workspace.ada.id, -1)]
    workspace.press("ada", offer, complaint_form.COMPLAIN)
    assert form(workspace).source["callback_id"] == complaint_form.COMPLAINT


def test_a_thumb_down_asks_what_was_wrong(workspace: Workspace, answered: Message, rows: Rows) -> None:
    """The form opens at the press; what is sent is kept, the vote with it, and the person is told where it goes."""
    workspace.press("ada", answered, "answer_feedback", "negative")
    shown = form(workspace)
    workspace.wait_until_settled(
        workspace.submit("ada", shown, {"reason": "wrong", "correction": "  It means that the door is open. "})
    )
    assert workspace.views(workspace.ada) == []
    kept = "SELECT person, reason, correction, verdict FROM complaint"
    assert rows(kept) == [(workspace.ada.id, "wrong", "It means that the door is open.", None)]
    assert rows(VOTES) == [(workspace.ada.id, -1)]
    told = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada)[1:] and workspace.ephemerals(workspace.ada))
    assert {message.text for message in told} == {views.vote_counted(-1), complaint_form.TO_REVIEW}


def test_a_form_that_is_not_sent_leaves_the_vote(workspace: Workspace, answered: Message, rows: Rows) -> None:
    """Not now means not now."""
    workspace.press("ada", answered, "answer_feedback", "negative")
    workspace.close("ada", form(workspace))
    until(workspace, rows, VOTES, [(workspace.ada.id, -1)])
    assert rows("SELECT count(*) FROM complaint") == [(0,)]


def test_without_modals_a_button_remains(workspace: Workspace, answered: Message) -> None:
    """Where the form does not open, the thumb is counted and the form offered."""
    workspace.refuse("views.open", "unknown_method", times=1)
    workspace.press("ada", answered, "answer_feedback", "negative")
    offer = workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))[-1]
    assert offer.text == views.vote_counted(-1)
    workspace.press("ada", offer, complaint_form.COMPLAIN)
    form(workspace)


def test_without_a_database_the_form_stays(workspace: Workspace, answered: Message, pool: ConnectionPool[Any]) -> None:
    """What was typed is not lost: the form says that it must be sent again."""
    workspace.press("ada", answered, "answer_feedback", "negative")
    shown = form(workspace)
    workspace.wait_for(lambda: workspace.ephemerals(workspace.ada))
    pool.close()
    workspace.wait_until_settled(workspace.submit("ada", shown, {"reason": "other"}))
    assert shown.errors == {"reason": complaint_form.NOT_KEPT}


def test_the_last_thumb_counts(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """Up, then down: one row with -1, and the person sees each of them counted."""
    connect()
    reply = workspace.wait_for_reply(ask(workspace))
    for number, thumb in enumerate(("positive", "negative"), start=1):
        pressed = workspace.press("ada", reply, "answer_feedback", thumb)
        workspace.wait_for(lambda number=number: len(workspace.ephemerals(workspace.ada)) == number)  # type: ignore[misc]
        assert workspace.wait_until_settled(pressed).acknowledged
    assert rows("SELECT person, vote FROM feedback") == [(workspace.ada.id, -1)]
    assert [message.text for message in workspace.ephemerals(workspace.ada)] == [
        views.vote_counted(1),
        views.vote_counted(-1),
    ]
