"""Whatever Slack delivers, how often and in whichever order, over whichever connection: each post is answered once."""

import time
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from bot.questions import views
from retrieval.answering.answer import Event, Question
from tests.bot.conftest import ASKED, Connect, Rows, ask
from tests.bot.samples import ANSWER_TEXT, stand_in_chain
from tests.slack_workspace import Workspace, events
from tests.slack_workspace.courier import Delivery
from tests.slack_workspace.model import Json, Message

ORDERS = sorted(set(permutations(["app_mention", "message"] * 2)))


def held_back(workspace: Workspace) -> tuple[Message, dict[str, Json]]:
    """A mention whose events were not delivered yet, by their type."""
    kept: list[Json] = []
    send, workspace.state.emit = workspace.state.emit, kept.append
    question = ask(workspace)
    workspace.state.emit = send
    return question, {event["type"]: events.wrap(workspace.state, event) for event in kept}


def deliver(workspace: Workspace, payloads: list[Json]) -> None:
    """Brings the payloads, one right after the other, and waits until they were acknowledged."""
    deliveries = [workspace.courier.deliver(Delivery("events_api", payload)) for payload in payloads]
    for delivery in deliveries:
        assert workspace.wait_until_settled(delivery).acknowledged


@pytest.mark.parametrize("order", [*ORDERS, ("app_mention",) * 3 + ("message",) * 3, ("message",) * 3])
def test_both_events_in_any_order_and_thrice_are_one_question(
    workspace: Workspace, connect: Connect, rows: Rows, order: tuple[str, ...]
) -> None:
    """A mention event and a message event of one post, with retries: one answer."""
    connect()
    question, payloads = held_back(workspace)
    deliver(workspace, [payloads[kind] for kind in order])
    workspace.wait_for_reply(question)
    deliver(workspace, list(payloads.values()))  # a retry after the answer
    time.sleep(0.3)
    assert [reply.text for reply in workspace.replies_by_app(question)] == [ANSWER_TEXT]
    assert rows("SELECT count(*) FROM answer") == [(1,)]
    workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(0,)])


def test_a_thumb_delivered_thrice_is_one_vote(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """The same reaction event three times: one row."""
    connect()
    reply = workspace.wait_for_reply(ask(workspace))
    workspace.react("ada", reply, "+1")
    (delivery,) = workspace.wait_for(lambda: workspace.event_deliveries("reaction_added"))
    deliver(workspace, [delivery.payload] * 2)
    workspace.wait_for(lambda: rows("SELECT person, vote FROM feedback") == [(workspace.ada.id, 1)])


def test_what_is_posted_without_a_connection_is_answered_later(workspace: Workspace, connect: Connect) -> None:
    """A connection that breaks without a word is opened again, and what Slack held back meanwhile is answered once."""
    connect()
    workspace.drop_connections()
    questions = [ask(workspace) for _ in range(3)]
    for question in questions:
        assert workspace.wait_for_reply(question, 40).text == ANSWER_TEXT
        assert len(workspace.replies_by_app(question)) == 1
    assert workspace.connections_opened >= 2


def test_a_connection_lost_in_mid_answer_leaves_the_answer_whole(workspace: Workspace, connect: Connect) -> None:
    """Answers go over HTTP: one that is being written does not notice."""

    def losing(question: Question) -> Iterator[Event]:
        for event in stand_in_chain(question):
            workspace.drop_connections()
            yield event

    connect(losing)
    question = ask(workspace)
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT


def test_a_post_that_an_earlier_process_did_not_come_to_is_answered(
    workspace: Workspace, connect: Connect, pool: ConnectionPool[Any], rows: Rows
) -> None:
    """It was acknowledged and kept: the next start answers it, once, although Slack may deliver it again."""
    question, payloads = held_back(workspace)
    body = payloads["app_mention"]
    with pool.connection() as conn:
        values = {"post": f"{question.channel}:{question.ts}", "id": body["event_id"], "event": Jsonb(body["event"])}
        conn.execute("INSERT INTO inbox (post, event_id, event) VALUES (%(post)s, %(id)s, %(event)s)", values)
    connect()
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT
    deliver(workspace, list(payloads.values()))
    assert rows("SELECT question FROM answer") == [(ASKED,)]
    workspace.wait_for(lambda: rows("SELECT count(*) FROM inbox") == [(0,)])
    assert views.RESTARTED not in [reply.text for reply in workspace.replies_by_app(question)]


def test_whatever_characters_a_post_has_it_is_answered(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """NUL and half a surrogate pair, which jsonb refuses: nobody else's post in the same burst is lost by it."""
    connect()
    with psycopg.connect(database) as conn:
        conn.execute("LOCK TABLE answer IN EXCLUSIVE MODE")  # nothing is dealt with yet
        questions = [ask(workspace, "what does \x00alarm 4 \ud83d mean?"), ask(workspace)]
        workspace.wait_for(lambda: all(delivery.acknowledged for delivery in workspace.deliveries))
        assert rows("SELECT count(*) FROM inbox") == [(2,)]
    for question in questions:
        assert workspace.wait_for_reply(question).text == ANSWER_TEXT
    assert ("what does alarm 4 ? mean?",) in rows("SELECT question FROM answer")
