"""What is deleted of a person, and what stays."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from bot.app import SlackApp
from bot.feedback.review import save_verified
from bot.home.personal_data import DataCounts, delete_data, my_questions
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from retrieval.answering.answer import Question, Turn
from retrieval.searching.search import search
from tests.bot.conftest import EMBEDDER, Connect, Rows
from tests.bot.samples import answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message, Person

MANIFEST = Path("bot/manifest.yaml")


@pytest.fixture
def bot(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> SlackApp:
    """The bot in a workspace that granted exactly the manifest, with Ada as its admin."""
    workspace.install(MANIFEST)
    app = connect()
    with pool.connection() as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [workspace.ada.id])
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    return app


def asked_by(conn: Connection[Any], person: str, text: str, *, thread: str = "1.0", abstained: bool = False) -> UUID:
    """An answered question in C1; what was asked in the thread before is its history."""
    history = [Turn("user", "ben's words"), Turn("assistant", "yes")] if thread == "ben's" else []
    answer_id = begin_answer(
        conn, asked_by=person, question=Question(text, history), channel="C1", thread_ts=thread, question_ts=text
    )
    assert answer_id is not None
    finish_answer(conn, answer_id, answer_to(text, abstained=abstained), answer_ts=f"a {text}")
    return answer_id


def words(workspace: Workspace, person: Person) -> str:
    """What stands in the person's Home tab."""
    view = workspace.home(person)
    return "" if view is None else visible_text(Message("", "", "", "", blocks=view.blocks))


def test_a_deletion_leaves_no_words_of_the_person(conn: Connection[Any]) -> None:
    """Nor in the history, the prompt and the rewritten question of those who asked after them in a thread."""
    asked_by(conn, "BEN", "ben's words", thread="ben's")
    asked_by(conn, "ADA", "and then?", thread="ben's")
    asked_by(conn, "ADA", "elsewhere", thread="2.0")
    assert delete_data(conn, "BEN") == DataCounts(1, 0)
    kept = conn.execute(
        "SELECT question, history = '[]', prompt IS NULL, standalone IS NULL FROM answer ORDER BY question"
    ).fetchall()
    assert kept == [("and then?", True, True, True), ("elsewhere", True, False, False)]
    assert my_questions(conn, "BEN") == []


def test_a_verified_answer_outlives_its_people(bot: SlackApp, workspace: Workspace, rows: Rows) -> None:
    """What was approved is the company's: it stays searchable, and names nobody any more."""
    with bot.runtime.pool.connection() as conn:
        answer_id = asked_by(conn, workspace.ben.id, "what does alarm 4 mean?")
    save_verified(
        bot.runtime, answer_id, "The door is open.", verified_by=workspace.ada.id, written_by=workspace.ben.id
    )
    with bot.runtime.pool.connection() as conn:
        for person in (workspace.ben, workspace.ada):
            delete_data(conn, person.id)
    with bot.runtime.pool.connection() as conn:
        found = search(conn, EMBEDDER, "what does alarm 4 mean?")[0]
    assert found.text == "The door is open."
    assert found.document.startswith("no. 1, verified on ")
    assert rows("SELECT answer_id, written_by, verified_by FROM verified_answer") == [(None, None, None)]
    assert rows("SELECT prompt FROM training_example") == [(None,)]
