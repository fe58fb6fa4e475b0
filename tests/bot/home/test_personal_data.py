"""What is deleted of a person, and what stays."""

from typing import Any

from psycopg import Connection

from bot.app import SlackApp
from bot.feedback.review import save_verified
from bot.home.personal_data import DataCounts, delete_data, my_questions
from retrieval.searching.search import search
from tests.bot.conftest import EMBEDDER, Rows
from tests.bot.rows import asked_by
from tests.slack_workspace import Workspace


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
