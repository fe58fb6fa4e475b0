"""What people do is in Postgres before Slack is told that we have it: nobody's words are lost with a process.

Each test holds the table that the row belongs into, so that it can be read and not written: nothing is acknowledged
until the table is free. docs/decisions/0010 lists where each entry point becomes durable.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import ConnectionPool

from bot.feedback import review_views
from bot.feedback.complaints import complain
from bot.home import tab_views
from bot.operations import Operations
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.questions.asking_privately import SHORTCUT
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import ASKED, Connect, ask
from tests.bot.samples import ANSWER_TEXT, answer_to, stand_in_chain
from tests.bot.test_app import free_port
from tests.slack_workspace import Workspace
from tests.slack_workspace.courier import Delivery
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message, View

MANIFEST = Path("bot/manifest.yaml")
UNKNOWN = "an unknown alarm"
HELD = 0.4  # seconds in which a handler that does not wait would have acknowledged

Act = Callable[[], Delivery]
Prepare = Callable[[Workspace], Act]


@pytest.fixture
def ready(workspace: Workspace, connect: Connect, pool: ConnectionPool[Any]) -> Workspace:
    """The bot with Ada as its admin and Ben as the channel's expert; one answer that Ben says is wrong."""
    workspace.install(MANIFEST)
    with pool.connection() as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
        conn.execute("INSERT INTO source (collection, uri) VALUES ('default', '/nowhere')")
        conn.execute(
            "INSERT INTO channel (id, experts, changed_by) VALUES (%s, %s, 'U1')",
            [workspace.maintenance.id, [workspace.ben.id]],
        )
        answer_id = begin_answer(conn, asked_by=workspace.ben.id, question=Question("q"), channel="C1", question_ts="1")
        assert answer_id is not None
        finish_answer(conn, answer_id, answer_to("q"))
        complain(conn, answer_id, workspace.ben.id, "outdated", "The right answer.")
    connect(chain, admins=[workspace.ada.id], operations=Operations(reindex=lambda run_id: None))
    return workspace


def chain(question: Question) -> Iterator[Event]:
    """Knows everything but one thing."""
    if question.text != UNKNOWN:
        yield from stand_in_chain(question)
        return
    yield Text("The documents don't say.")
    yield Done(answer_to(question.text, "The documents don't say.", abstained=True))


@contextmanager
def held(database: str, table: str) -> Iterator[None]:
    """Nobody else can write into the table; reading it goes on."""
    with psycopg.connect(database) as conn:
        conn.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield


def answered(workspace: Workspace) -> Message:
    """A reply of the bot with thumbs."""
    return workspace.wait_for_reply(ask(workspace))


def private(workspace: Workspace) -> Message:
    """An answer that Ada alone sees."""
    workspace.slash("ada", "maintenance", "/ask", ASKED)
    return workspace.wait_for(
        lambda: [m for m in workspace.ephemerals(workspace.ada) if ANSWER_TEXT[-20:] in visible_text(m)]
    )[0]


def home(workspace: Workspace) -> View:
    """Ada's Home tab, with a question of hers."""
    answered(workspace)
    workspace.open_home("ada")
    found = workspace.wait_for(lambda: workspace.home(workspace.ada))
    assert found is not None
    return found


def modal(workspace: Workspace, count: int = 1) -> View:
    """The topmost of so many modals before Ada."""
    return workspace.wait_for(lambda: workspace.views(workspace.ada)[count - 1 : count])[0]


def queue(workspace: Workspace) -> View:
    """The review queue."""
    workspace.slash("ada", "maintenance", "/journeyman", "review")
    return modal(workspace)


def complaint(workspace: Workspace) -> Act:
    """Ada's form about an answer, filled in."""
    workspace.press("ada", answered(workspace), "answer_feedback", "negative")
    form = modal(workspace)
    return lambda: workspace.submit("ada", form, {"reason": "wrong", "correction": "It is blue."})


def verdict(workspace: Workspace) -> Act:
    """Ada's form of the review, filled in."""
    workspace.press("ada", queue(workspace), review_views.OPEN)
    form = modal(workspace, 2)
    return lambda: workspace.submit("ada", form, {"answer": "The right answer."})


def rejection(workspace: Workspace) -> Act:
    """The button beside it."""
    workspace.press("ada", queue(workspace), review_views.OPEN)
    form = modal(workspace, 2)
    return lambda: workspace.press("ada", form, review_views.REJECT)


def withdrawal(workspace: Workspace) -> Act:
    """A verified answer is there, to be taken back."""
    workspace.wait_until_settled(verdict(workspace)())
    listed = workspace.wait_for(lambda: [v for v in workspace.views(workspace.ada) if "withdraw" in str(v.blocks)])[0]
    while workspace.views(workspace.ada)[-1] is not listed:
        workspace.close("ada", workspace.views(workspace.ada)[-1])
    return lambda: workspace.press("ada", listed, review_views.WITHDRAW)


def settings(workspace: Workspace) -> Act:
    """The channel's form."""
    workspace.slash("ada", "maintenance", "/journeyman", "channel")
    form = modal(workspace)
    return lambda: workspace.submit("ada", form, {"answers": "questions"})


def ask_person(workspace: Workspace) -> Act:
    """The button below what the documents don't say."""
    reply = workspace.wait_for_reply(ask(workspace, UNKNOWN))
    return lambda: workspace.press("ada", reply, "ask_person")


def experts_reply(workspace: Workspace) -> Act:
    """The button below an expert's reply."""
    question = ask(workspace, UNKNOWN)
    workspace.press("ada", workspace.wait_for_reply(question), "ask_person")
    workspace.wait_for_reply(question, count=2)
    workspace.post("ben", "maintenance", "Fill up the oil and press reset.", thread_ts=question.ts)
    offer = workspace.wait_for_reply(question, count=3)
    return lambda: workspace.press("ben", offer, "save_reply")


def pressed(find: Callable[[Workspace], Message | View], action_id: str, value: str | None = None) -> Prepare:
    """A press by Ada."""

    def prepare(workspace: Workspace) -> Act:
        where = find(workspace)
        return lambda: workspace.press("ada", where, action_id, value)

    return prepare


def typed(command: str, text: str) -> Prepare:
    """A slash command."""
    return lambda workspace: lambda: workspace.slash("ada", "maintenance", command, text)


CASES: dict[str, tuple[str, Prepare]] = {
    "a thumb": ("feedback", pressed(answered, "answer_feedback", "positive")),
    "what was wrong": ("complaint", complaint),
    "/ask": ("answer", typed("/ask", ASKED)),
    "sharing": ("answer", pressed(private, "share_answer")),
    "asking a person": ("expert_request", ask_person),
    "keeping an expert's reply": ("verified_answer", experts_reply),
    "an approval": ("verified_answer", verdict),
    "a rejection": ("complaint", rejection),
    "documents repaired": ("complaint", pressed(home, review_views.FIXED)),
    "taking back": ("verified_answer", withdrawal),
    "a channel's settings": ("channel", settings),
    "a new admin": ("admin", typed("/journeyman", "admins add U012AB3CD")),
    "/reindex": ("job", typed("/reindex", "all")),
    "deleting my data": ("feedback", pressed(home, tab_views.DELETE)),
}


@pytest.mark.parametrize("what", CASES)
def test_what_a_person_does_is_kept_before_slack_is_told(ready: Workspace, database: str, what: str) -> None:
    """Not acknowledged while its row cannot be written, and at once when it can."""
    table, prepare = CASES[what]
    act = prepare(ready)
    with held(database, table):
        delivery = act()
        time.sleep(HELD)
        assert not delivery.settled
    assert ready.wait_until_settled(delivery).acknowledged
    assert len(delivery.attempts) == 1


def test_a_shortcut_is_kept_before_slack_is_told(ready: Workspace, database: str) -> None:
    """The same for the menu of a message."""
    message = ready.post("ben", "maintenance", "the press shows alarm 4")
    with held(database, "answer"):
        delivery = ready.shortcut("ada", SHORTCUT, message)
        time.sleep(HELD)
        assert not delivery.settled
    assert ready.wait_until_settled(delivery).acknowledged


def test_cancelling_a_run_is_kept_before_slack_is_told(ready: Workspace, database: str) -> None:
    """The button below a run."""
    ready.slash("ada", "maintenance", "/reindex", "all")
    shown = ready.wait_for(lambda: [m for m in ready.messages("maintenance") if "cancel" in str(m.blocks)])[0]
    with held(database, "job"):
        delivery = ready.press("ada", shown, "reindex_cancel")
        time.sleep(HELD)
        assert not delivery.settled
    assert ready.wait_until_settled(delivery).acknowledged


@pytest.mark.parametrize("what", ["post", "edit", "delete", "react", "unreact"])
def test_an_event_is_kept_before_slack_is_told(ready: Workspace, database: str, what: str) -> None:
    """Posts that address the bot, what becomes of them, and thumbs; other posts wait for nothing."""
    question = ask(ready)
    reply = ready.wait_for_reply(question)
    if what == "unreact":
        ready.react("ada", reply, "+1")
    ready.wait_for(lambda: all(delivery.settled for delivery in ready.deliveries))
    before = len(ready.deliveries)
    acts: dict[str, Callable[[], object]] = {
        "post": lambda: ask(ready, "and alarm 5?"),
        "edit": lambda: ready.edit(question, f"{ready.mention} what does alarm 6 mean?"),
        "delete": lambda: ready.delete(question),
        "react": lambda: ready.react("ada", reply, "+1"),
        "unreact": lambda: ready.unreact("ada", reply, "+1"),
    }
    with held(database, "inbox"):
        acts[what]()
        other = ready.post("ben", "maintenance", "the canteen is closed")
        time.sleep(HELD)
        waiting = ready.deliveries[before:]
        assert {d.acknowledged for d in waiting if d.event.get("ts") == other.ts} == {True}
        assert {d.acknowledged for d in waiting if d.event.get("ts") != other.ts} == {False}
    for delivery in waiting:
        assert ready.wait_until_settled(delivery).acknowledged


def test_over_http_an_event_is_kept_first_too(workspace: Workspace, connect: Connect, database: str) -> None:
    """The same where Slack's requests come to us."""
    port = free_port()
    connect(http_port=port)
    workspace.deliver_over_http(f"http://127.0.0.1:{port}/slack/events")
    with held(database, "inbox"):
        question = ask(workspace)
        time.sleep(HELD)
        assert not any(delivery.settled for delivery in workspace.deliveries)
    assert workspace.wait_for_reply(question).text == ANSWER_TEXT


def test_a_burst_that_waits_delays_no_command(ready: Workspace, database: str) -> None:
    """Questions that cannot be taken on yet do not stand in the way of a person who types a command."""
    with held(database, "answer"):
        for _ in range(40):
            ask(ready)
        ready.wait_for(lambda: sum(d.acknowledged for d in ready.event_deliveries("app_mention")) == 40)
        delivery = ready.slash("ada", "maintenance", "/journeyman", "help")
        assert ready.wait_until_settled(delivery).acknowledged
        assert (delivery.seconds_to_acknowledge or 9.0) < 1.0
