"""The passages behind an answer are shown to those who may read them."""

import json
from uuid import UUID

import psycopg
import pytest

from bot.questions.passages import read_passage
from tests.bot.audiences import answered_to_ada, app, bot, chain, forged, nothing_remembered, traces
from tests.bot.conftest import Rows
from tests.slack_workspace import Workspace

__all__ = ["answered_to_ada", "app", "bot", "chain", "nothing_remembered"]


def chunk_of(rows: Rows, answer_id: str) -> int:
    """The passage of the secret."""
    found = rows(
        "SELECT (p ->> 'chunk_id')::bigint FROM answer a, jsonb_array_elements(a.passages) AS p"
        f" WHERE a.id = '{answer_id}' AND p ->> 'collection' = 'boardroom'"
    )
    return int(found[0][0])


@pytest.mark.parametrize("name", ["ada", "ben"])
def test_the_passage_of_somebody_elses_answer(bot: Workspace, rows: Rows, answered_to_ada: str, name: str) -> None:
    """With a value that was made up, as Slack passes on whatever a client sends."""
    person = getattr(bot, name)
    before = len(bot.calls())
    value = f"{answered_to_ada} {chunk_of(rows, answered_to_ada)}"
    forged(bot, person, bot.maintenance, "show_passage_1", value)
    bot.wait_for(lambda: [call for call in bot.calls()[before:] if call.method == "views.open"])
    (opened,) = [call for call in bot.calls()[before:] if call.method == "views.open"]
    assert bool(traces(json.dumps(opened.args, default=str))) == (name == "ada")


def test_a_passage_is_read_in_its_own_collection(database: str, rows: Rows, answered_to_ada: str) -> None:
    """The same words stand in another one, which the reader may not read, and have gone from theirs."""
    with psycopg.connect(database) as conn:
        chunk = chunk_of(rows, answered_to_ada)
        conn.execute("""UPDATE answer SET passages = replace(passages::text, '"boardroom"', '"house"')::jsonb""")
        passage = read_passage(conn, UUID(answered_to_ada), chunk)
    assert passage is not None
    assert (passage.collection, passage.text) == ("house", None)
