"""The review queue from the complaint to the verified answer that the next question finds."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool

from bot.admin.commands import REFUSED
from bot.app import SlackApp
from bot.feedback import review_views
from bot.feedback.complaints import complain
from bot.feedback.review import read_answer, review_queue, save_verified, withdraw
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from retrieval.answering.answer import Question
from retrieval.searching.scope import Scope
from retrieval.searching.search import search
from tests.bot.conftest import EMBEDDER, Connect, Rows
from tests.bot.samples import answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import PATIENCE, visible_text
from tests.slack_workspace.model import Message, View

MANIFEST = Path("bot/manifest.yaml")
QUESTION = "what does alarm 4 mean?"
RIGHT = "Alarm 4 means that the door is open."


@pytest.fixture
def bot(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> SlackApp:
    """The bot in a workspace that granted exactly the manifest, with Ada as its admin.

    Slack's three seconds, and Bolt's, are for tests of their own: here they would say how busy the machine is.
    """
    workspace.install(MANIFEST)
    workspace.timing.acknowledge = workspace.timing.trigger = PATIENCE
    app = connect()
    for listener in app._listeners:
        listener.ack_timeout = int(PATIENCE)
    with pool.connection() as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [workspace.ada.id])
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    return app


@pytest.fixture
def doubted(pool: ConnectionPool[Any], workspace: Workspace) -> UUID:
    """An answer to Ben that he says is wrong, with the right one."""
    return doubted_answer(pool, workspace.ben.id, RIGHT)


def doubted_answer(pool: ConnectionPool[Any], person: str, correction: str | None, text: str = QUESTION) -> UUID:
    with pool.connection() as conn:
        answer_id = begin_answer(conn, asked_by=person, question=Question(text), channel="C1", question_ts=text)
        assert answer_id is not None
        finish_answer(conn, answer_id, answer_to(text))
        complain(conn, answer_id, person, "wrong", correction)
    return answer_id


def opened(workspace: Workspace, count: int) -> View:
    """The topmost of so many modals before Ada."""
    return workspace.wait_for(lambda: workspace.views(workspace.ada)[count - 1 : count])[0]


def words(view: View) -> str:
    """Everything that a person reads in a view."""
    return visible_text(Message("", "", "", "", blocks=view.blocks))


def judging(workspace: Workspace) -> View:
    """Ada opens the queue and its first answer."""
    workspace.slash("ada", "maintenance", "/journeyman", "review")
    workspace.press("ada", opened(workspace, 1), review_views.OPEN)
    return opened(workspace, 2)


def test_the_queue_shows_what_a_reviewer_needs(workspace: Workspace, bot: SlackApp, doubted: UUID) -> None:
    """Question, answer, passages, votes and what people say; the correction is the draft."""
    form = judging(workspace)
    shown = words(form)
    for expected in (
        QUESTION,
        "Move the probe closer",
        "*Alarms › Alarms &gt; Probe*",
        f"<@{workspace.ben.id}>",
        RIGHT,
    ):
        assert expected in shown
    drafts = [block["element"]["initial_value"] for block in form.blocks if block["type"] == "input"]
    assert drafts == [QUESTION, RIGHT]


def test_an_approved_correction_is_found_at_once(
    workspace: Workspace, bot: SlackApp, doubted: UUID, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Marked with who and when, a training example, off the queue; and everything is in the audit log."""
    form = judging(workspace)
    workspace.wait_until_settled(workspace.submit("ada", form, {"answer": f"{RIGHT} Close it."}))
    workspace.wait_for(lambda: "Approved" in words(form))
    with pool.connection() as conn:
        first = search(conn, EMBEDDER, "what is the meaning of alarm 4")[0]
        assert review_queue(conn) == []
    assert (first.title, first.heading, first.text) == ("Verified answer", QUESTION, f"{RIGHT} Close it.")
    assert first.document.startswith("no. 1, verified by Ada Alvarez on 20")
    assert rows("SELECT question, prompt, target, rejected = (SELECT text FROM answer) FROM training_example") == [
        (QUESTION, f"<|user|>\n{QUESTION}<|end|>", f"{RIGHT} Close it.", True)
    ]
    assert rows("SELECT action, allowed FROM audit ORDER BY id") == [
        ("review", True), ("review", True), ("review approve", True),
    ]  # fmt: skip
    workspace.wait_for(lambda: review_views.EMPTY in words(workspace.views(workspace.ada)[0]))


def test_the_question_can_be_edited(
    workspace: Workspace, bot: SlackApp, doubted: UUID, pool: ConnectionPool[Any]
) -> None:
    """Everybody reads it as the heading of the verified answer: what is nobody's business can be left out."""
    form = judging(workspace)
    workspace.wait_until_settled(workspace.submit("ada", form, {"question": "What is alarm 4?", "answer": RIGHT}))
    with pool.connection() as conn:
        assert [(found.heading, found.text) for found in search(conn, EMBEDDER, QUESTION)] == [
            ("What is alarm 4?", RIGHT)
        ]


def test_a_rejected_complaint_leaves_the_queue(
    workspace: Workspace, bot: SlackApp, doubted: UUID, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """Nothing is learnt from it."""
    form = judging(workspace)
    workspace.press("ada", form, review_views.REJECT)
    workspace.wait_for(lambda: review_views.REJECTED in words(form))
    assert rows("SELECT verdict, reviewed_by FROM complaint") == [("rejected", workspace.ada.id)]
    assert rows("SELECT count(*) FROM verified_answer") == [(0,)]


def test_only_admins_review(workspace: Workspace, bot: SlackApp, doubted: UUID, rows: Rows) -> None:
    """A polite refusal and a row in the audit log; the command, and a form that was open when the right was lost."""
    workspace.slash("ben", "maintenance", "/journeyman", "review")
    told = workspace.wait_for(lambda: workspace.ephemerals(workspace.ben))[-1]
    assert told.text == REFUSED.format(command="`/journeyman review`")
    form = judging(workspace)
    with bot.runtime.pool.connection() as conn:
        conn.execute("DELETE FROM admin")
    workspace.wait_until_settled(workspace.submit("ada", form, {"answer": RIGHT}))
    workspace.wait_for(lambda: "for my admins only" in words(form))
    assert rows("SELECT count(*) FROM verified_answer") == [(0,)]
    assert rows("SELECT person, action FROM audit WHERE NOT allowed ORDER BY id") == [
        (workspace.ben.id, "review"), (workspace.ada.id, "review approve"),
    ]  # fmt: skip


def test_what_was_typed_is_not_lost(
    workspace: Workspace, bot: SlackApp, doubted: UUID, pool: ConnectionPool[Any]
) -> None:
    """Without a database the form stays open and says so."""
    form = judging(workspace)
    pool.close()
    workspace.wait_until_settled(workspace.submit("ada", form, {"answer": "edited"}))
    assert form.errors == {"answer": review_views.NOT_SAVED}


def test_a_verified_answer_can_be_taken_back(workspace: Workspace, bot: SlackApp, doubted: UUID, rows: Rows) -> None:
    """Out of search and out of training, by admins alone; the list says who vouched for it."""
    save_verified(bot.runtime, doubted, RIGHT, verified_by=workspace.ada.id)
    workspace.slash("ada", "maintenance", "/journeyman", "review")
    listed = opened(workspace, 1)
    assert f"<@{workspace.ada.id}>" in words(listed)
    assert RIGHT in words(listed)
    workspace.press("ada", listed, review_views.WITHDRAW)
    workspace.wait_for(lambda: RIGHT not in words(listed))
    with bot.runtime.pool.connection() as conn:
        assert search(conn, EMBEDDER, QUESTION) == []
        assert not withdraw(conn, 1)
    assert rows("SELECT count(*) FROM training_example") == [(0,)]


def test_a_second_approval_replaces_the_first(bot: SlackApp, workspace: Workspace, doubted: UUID) -> None:
    """One verified answer for each answer: the newer text, found alone."""
    for text in (RIGHT, "Alarm 4: the guard is open."):
        assert save_verified(bot.runtime, doubted, text, verified_by=workspace.ada.id) is not None
    with bot.runtime.pool.connection() as conn:
        assert [found.text for found in search(conn, EMBEDDER, QUESTION)] == ["Alarm 4: the guard is open."]
        assert conn.execute("SELECT target FROM training_example").fetchall() == [("Alarm 4: the guard is open.",)]


def test_a_deleted_answer_cannot_be_verified(bot: SlackApp, doubted: UUID) -> None:
    """Nothing is stored, and the caller learns it."""
    with bot.runtime.pool.connection() as conn:
        conn.execute("DELETE FROM answer")
    assert save_verified(bot.runtime, doubted, RIGHT, verified_by="U1") is None
    with bot.runtime.pool.connection() as conn:
        assert read_answer(conn, doubted) is None


def test_a_correction_keeps_its_collection(bot: SlackApp, doubted: UUID) -> None:
    """It is searched where the passages were that the answer was written from."""
    with bot.runtime.pool.connection() as conn:
        conn.execute("""UPDATE answer SET passages = jsonb_set(passages, '{0,collection}', '"secret"')""")
    save_verified(bot.runtime, doubted, RIGHT, verified_by="U1")
    with bot.runtime.pool.connection() as conn:
        assert search(conn, EMBEDDER, QUESTION, scope=Scope(("default",))) == []
        assert search(conn, EMBEDDER, QUESTION, scope=Scope(("secret",)))[0].text == RIGHT


def test_without_a_correction_the_answer_is_the_draft() -> None:
    """Its words, without quotes and the numbers of its sources."""
    draft = review_views._without_marks("> Alarm 4: the probe failed. [1]\n\nMove it closer [1] [2].\n")
    assert draft == "Alarm 4: the probe failed.\n\nMove it closer."
