"""Suggested prompts come from the index and from what people ask."""

from typing import Any

import psycopg
import pytest
from psycopg import Connection

from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.questions.suggestions import TITLE_LIMIT, Prompt, suggestions
from retrieval.answering.answer import Question
from tests.bot.conftest import Connect
from tests.bot.samples import answer_to
from tests.slack_workspace import Workspace


def asked(conn: Connection[Any], person: str, question: str, *, private: bool = False, channel: str = "C1") -> None:
    """An answered question."""
    answer_id = begin_answer(conn, asked_by=person, question=Question(question), channel=channel, private=private)
    assert answer_id is not None
    finish_answer(conn, answer_id, answer_to(question))


def document(conn: Connection[Any], title: str, heading: list[str]) -> None:
    """An indexed document of one chunk."""
    conn.execute("INSERT INTO collection (name) VALUES ('default') ON CONFLICT DO NOTHING")
    conn.execute(
        "WITH s AS (INSERT INTO source (collection, uri) VALUES ('default', %(title)s) RETURNING id), "
        "d AS (INSERT INTO document (source_id, name, title, raw_hash, modified_at) "
        "      SELECT id, %(title)s, %(title)s, '', now() FROM s RETURNING id) "
        "INSERT INTO chunk (document_id, collection_id, ordinal, kind, heading, text, content_hash, lexemes, length) "
        "SELECT d.id, c.id, 0, 'text', %(heading)s, 'text', '', '', 1 FROM d, collection c WHERE c.name = 'default'",
        {"title": title, "heading": heading},
    )


def test_what_several_people_asked_in_public_is_suggested(conn: Connection[Any]) -> None:
    """Not what one person asked, nor what was asked privately or in a direct message; written alike is the same.

    And to nobody who has not asked in that channel.
    """
    asked(conn, "U1", "What does alarm 4 mean?")
    asked(conn, "U2", "what does alarm 4 mean")
    asked(conn, "U1", "Asked by one person?")
    asked(conn, "U1", "Asked by one person?")
    for person in ("U1", "U2"):
        asked(conn, person, "Privately?", private=True)
        asked(conn, person, "Directly?", channel=f"D{person}")
    assert [prompt.message.lower().rstrip("?") for prompt in suggestions(conn, "U1", ["everyone"])] == [
        "what does alarm 4 mean"
    ]
    assert suggestions(conn, "U3", ["everyone"]) == []


def test_documents_fill_the_rest(conn: Connection[Any]) -> None:
    """A title with one of its headings; at most four prompts, short enough to be read."""
    document(conn, "CP-20", ["CP-20", "Bleeding"])
    assert suggestions(conn, "U1", ["everyone"]) == [
        Prompt("Bleeding – CP-20", "What does “CP-20” say about Bleeding?")
    ]
    for number in range(6):
        document(conn, f"Manual {number} " + "x" * 80, [])
    prompts = suggestions(conn, "U1", ["everyone"])
    assert len(prompts) == 4
    assert all(len(prompt.title) <= TITLE_LIMIT for prompt in prompts)


def test_they_are_shown_where_slack_has_a_place_for_them(workspace: Workspace, connect: Connect, database: str) -> None:
    """When somebody opens the messages tab; nothing, and no second try, where the method is unknown."""
    with psycopg.connect(database) as conn:
        document(conn, "CP-20", ["Bleeding"])
    connect()
    workspace.open_home("ada", "messages")
    direct = workspace.direct_message("ada")
    shown = workspace.wait_for(lambda: workspace.suggested_prompts(direct))
    assert [prompt["title"] for prompt in shown] == ["Bleeding – CP-20"]
    workspace.become_older()
    for _ in range(2):
        workspace.open_home("ben", "messages")
        workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    workspace.wait_for(lambda: len(workspace.calls("assistant.threads.setSuggestedPrompts")) >= 2)
    workspace.open_home("ben", "messages")
    assert workspace.suggested_prompts(workspace.direct_message("ben")) == []


@pytest.mark.parametrize("most", [1, 4])
def test_without_an_index_nothing_is_suggested(conn: Connection[Any], most: int) -> None:
    """No constant stands in."""
    assert suggestions(conn, "U1", ["everyone"], most) == []
