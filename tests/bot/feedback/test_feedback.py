"""What people think of an answer: thumbs, reactions and the form, from the press to the row."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from bot.feedback import complaint_form
from bot.feedback.complaints import complain, documents_fixed, documents_to_fix
from bot.feedback.review import review_queue
from bot.feedback.votes import react, vote
from bot.questions import views
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.slack.events import Reaction, thumb_of
from retrieval.answering.answer import Question
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.samples import answer_to
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


def answer_row(conn: Connection[Any], ts: str = "2.0") -> UUID:
    """A finished answer in C1."""
    asked = begin_answer(
        conn, asked_by="U1", question=Question("q"), channel="C1", thread_ts="1.0", question_ts=f"q{ts}"
    )
    assert asked is not None
    finish_answer(conn, asked, answer_to("q"), answer_ts=ts)
    return asked


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


def test_reactions_in_any_order_end_the_same(conn: Connection[Any]) -> None:
    """Slack's time decides, not the order of delivery: late and repeated events change nothing."""
    told = [reaction(1, 1), reaction(-1, 2), reaction(-1, 3, present=False)]
    for number, order in enumerate(((0, 1, 2), (2, 1, 0), (1, 0, 2, 1), (0, 2, 1), (2, 0, 1, 0))):
        ts = f"{number}.5"
        answer_id = answer_row(conn, ts)
        for event in order:
            change = told[event]
            react(conn, reaction(change.vote, int(change.event_ts), present=change.present, ts=ts))
        found = conn.execute("SELECT vote FROM feedback WHERE answer_id = %s", [answer_id]).fetchall()
        assert found == [(1,)], order


def test_a_reaction_taken_away_leaves_a_pressed_button(conn: Connection[Any]) -> None:
    """Only the vote that the reaction gave goes with it."""
    answer_id = answer_row(conn)
    react(conn, reaction(1, 1))
    vote(conn, answer_id, "U1", -1)
    react(conn, reaction(1, 2, present=False))
    assert conn.execute("SELECT vote FROM feedback").fetchall() == [(-1,)]


def test_a_reaction_under_another_message_says_nothing(conn: Connection[Any]) -> None:
    """Nor does an emoji that is no thumb."""
    answer_row(conn)
    assert react(conn, reaction(1, 1, ts="9.9")) is None
    assert [thumb_of(name) for name in ("+1", "-1::skin-tone-2", "thumbsup", "tada")] == [1, -1, 1, None]


def test_the_reason_decides_where_it_goes(conn: Connection[Any]) -> None:
    """Sources are repaired in the documents, answers judged in the queue, a correction is judged in any case."""
    answers = {ts: answer_row(conn, ts) for ts in ("1.1", "1.2", "1.3", "1.4")}
    complain(conn, answers["1.1"], "U1", "outdated", None)
    complain(conn, answers["1.2"], "U1", "wrong", None)
    complain(conn, answers["1.3"], "U1", "source", "It is in the other manual.")
    complain(conn, answers["1.4"], "U1", "unclear", None)
    assert {item.answer_id for item in documents_to_fix(conn)} == {answers["1.1"], answers["1.3"]}
    assert {item.answer_id for item in review_queue(conn)} == {answers["1.2"], answers["1.3"], answers["1.4"]}


def test_documents_to_fix_name_the_documents_until_they_are_fixed(conn: Connection[Any]) -> None:
    """Those that most people complained about first, with the sources that were shown."""
    once, twice = answer_row(conn, "1.1"), answer_row(conn, "1.2")
    complain(conn, once, "U1", "outdated", None)
    for person in ("U1", "U2"):
        complain(conn, twice, person, "source", None)
    first, second = documents_to_fix(conn)
    assert (first.answer_id, first.people, list(first.documents)) == (twice, 2, ["Alarm manual (alarms.md)"])
    assert (second.waiting, second.reasons) == (2, ["outdated"])
    assert documents_fixed(conn, twice, "U9")
    assert not documents_fixed(conn, twice, "U9")
    assert [item.answer_id for item in documents_to_fix(conn)] == [once]


def test_the_last_thing_said_counts(conn: Connection[Any]) -> None:
    """One row per answer and person, and a new complaint waits again."""
    answer_id = answer_row(conn)
    complain(conn, answer_id, "U1", "source", None)
    documents_fixed(conn, answer_id, "U9")
    complain(conn, answer_id, "U1", "outdated", None)
    (item,) = documents_to_fix(conn)
    assert item.reasons == ["outdated"]


def test_a_form_remembers_its_answer() -> None:
    """What the metadata carries can be read back, and nothing else is taken for it."""
    about = complaint_form.FormSubject(UUID(int=7), "C1", None)
    assert complaint_form.read_subject(complaint_form.complaint_form(about)) == about
    assert [complaint_form.read_subject({"private_metadata": text}) for text in ("", "[]", '["x", "C1", null]')] == [
        None
    ] * 3
