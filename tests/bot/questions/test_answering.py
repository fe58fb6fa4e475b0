"""What is kept of an answer on its way, and how failures end in words."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection

from bot.questions import views
from bot.questions.answering import answer_shown, fail_answer, finish_answer, keep_answer
from bot.questions.answers import begin_answer
from bot.questions.conversation import thread_history
from finetune.errors import ModelUnusable
from retrieval.answering.answer import Event, Question, Source, Text, Turn
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.looking import eventually, times_shown
from tests.bot.rows import begun, unfinished_answers
from tests.bot.samples import ANSWER_TEXT, answer_to, source
from tests.slack_workspace import Workspace

Conn = Connection[Any]


def test_a_finished_answer_keeps_what_explains_it(conn: Conn) -> None:
    """Prompt, passages with hash, score and ranks, sources, model and timings are in the row; NUL is not."""
    answer_id = begin_answer(
        conn, asked_by="U1", question=Question("q\x00", [Turn("user", "a"), Turn("assistant", "b")])
    )
    assert answer_id is not None
    written = replace(answer_to("q", "text\x00 [1]"), template_sha256="ab" * 32, revision="main")
    finish_answer(conn, answer_id, written, answer_ts="2.0")
    kept = conn.execute("SELECT template_sha256, revision FROM answer WHERE id = %s", [answer_id]).fetchone()
    assert kept == ("ab" * 32, "main")
    row = conn.execute(
        "SELECT state, question, history, prompt, passages, sources, text, model, adapter, timings, "
        "answer_ts, finished_at IS NOT NULL FROM answer WHERE id = %s",
        [answer_id],
    ).fetchone()
    assert row is not None
    (
        state,
        question,
        history,
        prompt,
        passages,
        sources,
        text,
        model,
        adapter,
        timings,
        answer_ts,
        finished,
    ) = row
    assert (state, question, text, model, adapter, answer_ts, finished) == (
        "answered", "q", "text [1]", "stand-in", None, "2.0", True,
    )  # fmt: skip
    assert history == [{"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}]
    assert prompt == "<|user|>\nq<|end|>"
    assert (
        passages[0] | {"chunk_id": 1, "content_hash": f"{1:064x}", "document": "alarms.md", "score": 0.9} == passages[0]
    )
    assert passages[0]["ranks"] == {"dense": 1, "lexical": 2}
    assert sources[0]["number"] == 1
    assert sources[0]["quote"] == "The probe did not contact the workpiece."
    assert timings == {"search": 0.01, "generate": 0.1}


def test_an_answer_that_was_not_shown_is_unfinished_and_part_of_the_history(conn: Conn) -> None:
    """Kept with its text and sources until it is shown; a follow-up finds it already."""
    answer_id = begun(conn)
    finish_answer(conn, answer_id, answer_to("q"), shown=False)
    (found,) = unfinished_answers(conn)
    assert (found.text, [Source(**kept) for kept in found.sources]) == (ANSWER_TEXT, [source()])
    assert len(thread_history(conn, "C1", "1.0")) == 2
    answer_shown(conn, answer_id, "2.0")
    assert unfinished_answers(conn) == []


def test_an_answer_is_kept_only_if_it_answers_what_is_asked_now(conn: Conn) -> None:
    """Neither after an edit, nor by a process that it does not belong to any more."""
    answer_id = begun(conn, "what is alarm 4?")
    conn.execute("UPDATE answer SET owner = 1")
    assert not keep_answer(conn, answer_id, answer_to("q"), "what is alarm 5?", owner=1)
    assert not keep_answer(conn, answer_id, answer_to("q"), "what is alarm 4?", owner=2)
    assert keep_answer(conn, answer_id, answer_to("q"), "what is alarm 4?", owner=1)
    assert conn.execute("SELECT state, finished_at FROM answer").fetchone() == ("answered", None)


def test_a_finished_answer_does_not_fail_afterwards(conn: Conn) -> None:
    """The reason of a late failure does not take an answer away."""
    answer_id = begun(conn)
    finish_answer(conn, answer_id, answer_to("q"))
    fail_answer(conn, answer_id, "too late")
    assert conn.execute("SELECT state, error FROM answer").fetchone() == ("answered", None)


def test_a_chain_that_fails_ends_in_a_reason(workspace: Workspace, connect: Connect, rows: Rows) -> None:
    """What was shown stays, the person is told, the row says failed; the exception's words go nowhere."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("Half an answer")
        raise RuntimeError("secret detail")

    connect(failing)
    question = ask(workspace)
    workspace.wait_for(lambda: times_shown(workspace, question, views.FAILED) == 1)
    assert times_shown(workspace, question, "Half an answer") == 1
    assert times_shown(workspace, question, "secret detail") == 0
    eventually(rows, "SELECT state, error FROM answer", [("failed", views.FAILED)])


def test_a_model_that_is_down_is_named_as_the_reason(workspace: Workspace, connect: Connect) -> None:
    """People learn that asking again later helps; what the operator is to do is in the log."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("The quote that was found")
        raise ModelUnusable("The model server http://10.0.0.7 does not answer.")

    connect(failing)
    question = ask(workspace)
    workspace.wait_for(lambda: times_shown(workspace, question, views.NO_MODEL) == 1)
    assert times_shown(workspace, question, "The quote that was found") == 1
    assert times_shown(workspace, question, "10.0.0.7") == 0


def test_nothing_that_was_said_is_logged(
    workspace: Workspace,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither questions nor answers nor tokens, even when everything is logged and things go wrong."""

    def failing(question: Question) -> Iterator[Event]:
        yield Text("the answer's words")
        raise ValueError(question.text)

    with caplog.at_level(logging.DEBUG):
        connect(failing)
        question = ask(workspace, "a private question")
        workspace.wait_for(lambda: times_shown(workspace, question, views.FAILED) == 1)
    logged = caplog.text + "".join(capfd.readouterr())
    secrets = ("private question", "the answer's words", workspace.app.bot_token, workspace.app.app_token)
    assert not [secret for secret in secrets if secret in logged]
