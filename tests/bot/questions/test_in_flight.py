"""What happens to a question while it is being answered: edits, deletions, and those who wait for their turn."""

import time
from collections.abc import Callable, Iterator
from threading import Event as Flag
from typing import Any
from uuid import uuid4

import pytest

from bot.questions import views
from bot.questions.in_flight import InFlight, PendingAnswer
from bot.slack.events import Post
from retrieval.answering.answer import Done, Event, Question, Text
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.samples import answer_to, stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text

Chain = Callable[[Question], Iterator[Event]]


def held(go: Flag, asked: list[str]) -> Chain:
    """A chain that writes half an answer and waits; then it repeats the question."""

    def chain(question: Question) -> Iterator[Event]:
        asked.append(question.text)
        yield Text("Half ")
        while "5" not in question.text and not go.wait(0.05):
            yield Text("")
        yield Text(f"of {question.text}")
        yield Done(answer_to(question.text, f"Half of {question.text}"))

    return chain


@pytest.mark.parametrize("older", [False, True])
def test_an_edit_restarts_the_answer(workspace: Workspace, connect: Connect, rows: Rows, older: bool) -> None:
    """One message in the end, about the question as it reads now; the row has that question."""
    workspace.become_older(older)
    asked: list[str] = []
    connect(held(Flag(), asked))
    question = ask(workspace)
    workspace.wait_for(lambda: asked and workspace.thread(question))
    workspace.edit(question, f"{workspace.mention} what does alarm 5 mean?")
    workspace.wait_for(lambda: rows("SELECT state FROM answer") == [("answered",)])
    (reply,) = workspace.thread(question)
    workspace.wait_for(lambda: "Half of what does alarm 5 mean?" in visible_text(reply))
    assert visible_text(reply).count("Half of") == 1 or reply.blocks
    assert asked == ["what does alarm 4 mean?", "what does alarm 5 mean?"]
    assert rows("SELECT question FROM answer") == [("what does alarm 5 mean?",)]


def test_an_edit_that_changes_no_word_restarts_nothing(workspace: Workspace, connect: Connect) -> None:
    """Slack tells of links that it unfurled in the same way."""
    asked: list[str] = []
    go = Flag()
    connect(held(go, asked))
    question = ask(workspace)
    workspace.wait_for(lambda: asked)
    workspace.edit(question, f"{workspace.mention}  what does alarm 4 mean?")
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    go.set()
    workspace.wait_for_reply(question)
    assert len(asked) == 1


@pytest.mark.parametrize("older", [False, True])
def test_a_deletion_cancels_the_answer(workspace: Workspace, connect: Connect, rows: Rows, older: bool) -> None:
    """What was shown goes, the model is stopped, and the row says why."""
    workspace.become_older(older)
    asked: list[str] = []
    connect(held(Flag(), asked))
    question = ask(workspace)
    workspace.wait_for(lambda: asked and workspace.thread(question))
    workspace.delete(question)
    workspace.wait_for(lambda: rows("SELECT state, error FROM answer") == [("failed", "the question was deleted")])
    workspace.wait_for(lambda: workspace.thread(question) == [])


@pytest.mark.parametrize("older", [False, True])
def test_what_was_shown_goes_before_the_model_can_be_stopped(
    workspace: Workspace, connect: Connect, rows: Rows, older: bool
) -> None:
    """It may be busy with a statement for seconds; what it still says is not shown any more."""
    workspace.become_older(older)
    at_work, go = Flag(), Flag()

    def busy(question: Question) -> Iterator[Event]:
        yield Text("Half ")
        at_work.set()
        go.wait(20)
        yield Text("of it")
        yield Done(answer_to(question.text, "Half of it"))

    connect(busy)
    question = ask(workspace)
    workspace.wait_for(lambda: at_work.is_set() and workspace.thread(question))
    workspace.delete(question)
    workspace.wait_for(lambda: workspace.thread(question) == [])
    assert rows("SELECT finished_at FROM answer") == [(None,)]
    go.set()
    workspace.wait_for(lambda: rows("SELECT state FROM answer WHERE finished_at IS NOT NULL") == [("failed",)])
    assert workspace.thread(question) == []


def test_a_private_question_is_told_once_how_many_are_before(workspace: Workspace, connect: Connect) -> None:
    """What one person alone sees cannot be changed, so it is not said again as they move up."""
    go = Flag()

    def one_at_a_time(question: Question) -> Iterator[Event]:
        go.wait(20)
        return stand_in_chain(question)

    connect(one_at_a_time)
    for _ in range(2):
        ask(workspace)
    workspace.wait_for(lambda: any("1 question before yours" in status.status for status in workspace.statuses))
    workspace.slash("ben", "maintenance", "/ask", "what does alarm 4 mean?")
    workspace.wait_for(lambda: views.waiting_placeholder(2) in [m.text for m in workspace.ephemerals(workspace.ben)])
    go.set()
    workspace.wait_for(lambda: any("probe" in visible_text(m) for m in workspace.ephemerals(workspace.ben)))
    assert sum("before yours" in message.text for message in workspace.ephemerals(workspace.ben)) == 1


def test_those_who_wait_are_told_how_many_are_before_them(workspace: Workspace, connect: Connect) -> None:
    """In the status, from the start and as they move up."""
    go = Flag()

    def one_at_a_time(question: Question) -> Iterator[Event]:
        go.wait(20)
        return stand_in_chain(question)

    connect(one_at_a_time)
    questions = [ask(workspace) for _ in range(3)]
    workspace.wait_for(lambda: any("2 questions before yours" in status.status for status in workspace.statuses))
    go.set()
    for question in questions:
        workspace.wait_for_reply(question)


def test_an_older_workspace_says_it_in_the_placeholder(workspace: Workspace, connect: Connect) -> None:
    """The same words, in the message that becomes the answer."""
    go = Flag()

    def one_at_a_time(question: Question) -> Iterator[Event]:
        go.wait(20)
        return stand_in_chain(question)

    workspace.become_older()
    connect(one_at_a_time)
    first, second = ask(workspace), ask(workspace)
    workspace.wait_for(lambda: any(views.waiting_placeholder(1) == m.text for m in shown(workspace)))
    go.set()
    for question in (first, second):
        workspace.wait_for(lambda question=question: "probe" in what_it_says(workspace, question))  # type: ignore[misc]
        assert len(workspace.thread(question)) == 1


def shown(workspace: Workspace) -> list[Any]:
    """Every state that a message of the app had."""
    return [state for m in workspace.messages("maintenance") if m.bot_id for state in m.states]


def what_it_says(workspace: Workspace, question: Any) -> str:
    """What stands under a question."""
    return "\n".join(visible_text(message) for message in workspace.thread(question))


class Silent:
    """A reply that shows nothing."""

    ts = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def pending(ts: str) -> PendingAnswer:
    """A question in C1."""
    post = Post("", "C1", ts, ts, "U1", "T1", direct=False)
    return PendingAnswer(post, uuid4(), Question("what?"), Silent())


def test_places_are_counted_from_what_the_model_serves_together() -> None:
    """With two at a time, the third waits for one; whoever is done leaves their place."""
    in_flight, queue = InFlight(at_a_time=2), [pending(str(number)) for number in range(4)]
    for one in queue:
        in_flight.begin(one)
    assert [one.before for one in queue] == [0, 0, 1, 2]
    in_flight.end(queue[0])
    assert [one.before for one in queue[1:]] == [0, 0, 1]
    queue[1].writing = True
    assert in_flight.waiting() == queue[2:]


def test_only_what_is_in_flight_can_be_edited_or_deleted() -> None:
    """By channel and timestamp; the newest edit counts, once."""
    in_flight, one = InFlight(), pending("1.0")
    assert in_flight.edit("C1", "1.0", "who?") is None
    in_flight.begin(one)
    assert in_flight.edit("C1", "1.0", "what?") is None
    assert in_flight.edit("C1", "1.0", "who?") is one
    assert in_flight.edit("C1", "1.0", "where?") is one
    edited = in_flight.pop_edit(one)
    assert edited is not None
    assert edited.text == "where?"
    assert in_flight.pop_edit(one) is None
    assert in_flight.delete("C2", "1.0") is None
    assert in_flight.delete("C1", "1.0") is one
    assert one.changed
    assert time.monotonic()


def test_the_steps_are_shown_as_cards(workspace: Workspace, connect: Connect) -> None:
    """Searched, read n passages, wrote: above the text of a stream, all of them done in the end."""
    connect()
    reply = workspace.wait_for_reply(ask(workspace))
    assert reply.stream is not None
    assert [(task["title"], task["status"]) for task in reply.stream.tasks.values()] == [
        ("Searched the documents", "complete"),
        ("Read the passages", "complete"),
        ("Wrote the answer", "complete"),
    ]


def test_a_stream_without_cards_still_streams(workspace: Workspace, connect: Connect) -> None:
    """Where Slack takes no step cards the status says the steps, and it is not asked again."""
    workspace.refuse("chat.startStream", "invalid_chunks")
    connect()
    for _ in range(2):
        reply = workspace.wait_for_reply(ask(workspace))
        assert reply.stream is not None
        assert reply.stream.tasks == {}
    assert any("reading 1 passage" in status.status for status in workspace.statuses)


def test_those_who_have_read_are_told_in_a_card(workspace: Workspace, connect: Connect) -> None:
    """Once the passages are found the turn at the model is what a question waits for."""
    go = Flag()

    def waits_for_the_model(question: Question) -> Iterator[Event]:
        for event in stand_in_chain(question):
            if isinstance(event, Text):
                go.wait(20)
            yield event

    connect(waits_for_the_model)
    questions = [ask(workspace) for _ in range(2)]

    def titles() -> list[str]:
        streams = [m.stream for question in questions for m in workspace.thread(question) if m.stream]
        return [task["title"] for stream in streams for task in stream.tasks.values()]

    workspace.wait_for(lambda: "1 question before yours" in titles())
    go.set()
    for question in questions:
        reply = workspace.wait_for_reply(question)
        assert reply.stream is not None
        assert {task["status"] for task in reply.stream.tasks.values()} == {"complete"}
