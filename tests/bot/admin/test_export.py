"""The export: all of it, for admins alone, as a file or in messages that are JSON still."""

import json
from pathlib import Path
from typing import Any

import psycopg

from bot.admin import export
from bot.admin.export import MOST_PIECES, PIECE, SHORTENED, export_lines, newest_that_fit, pieces_of
from bot.feedback.votes import vote
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from retrieval.answering.answer import Question
from tests.bot.conftest import ASKED, Connect, ask
from tests.bot.samples import ANSWER_TEXT, answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text


def test_a_line_is_a_question_with_its_votes(conn: psycopg.Connection[Any]) -> None:
    """Oldest first, with what led to the answer; one that failed or was not voted on is there, too."""
    for question in ("first?", "second?"):
        begin_answer(conn, asked_by="U0ADA", question=Question(question))
    first, second = [row[0] for row in conn.execute("SELECT id FROM answer ORDER BY question").fetchall()]
    conn.execute("UPDATE answer SET asked_at = asked_at - interval '1 day' WHERE id = %s", [first])
    finish_answer(conn, first, answer_to("first?"))
    vote(conn, first, "U0BEN", -1)
    lines = [json.loads(line) for line in export_lines(conn)]
    assert [(line["id"], line["question"], line["state"]) for line in lines] == [
        (str(first), "first?", "answered"),
        (str(second), "second?", "pending"),
    ]
    assert lines[0]["text"] == ANSWER_TEXT
    assert [(vote["person"], vote["vote"]) for vote in lines[0]["votes"]] == [("U0BEN", -1)]
    assert lines[1]["votes"] == []


def test_an_admin_gets_a_file_in_a_direct_message(workspace: Workspace, connect: Connect) -> None:
    """With the scopes of the manifest; nobody else sees it."""
    workspace.install(Path(export.__file__).parent.with_name("manifest.yaml"))
    connect(admins=[workspace.ada.id])
    workspace.wait_for_reply(ask(workspace))
    workspace.slash("ada", "maintenance", "/journeyman", "export")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == export.SENT])
    (file,) = [file for m in workspace.messages(workspace.direct_message("ada")) for file in m.files]
    content = workspace.state.uploads[file["id"]]["content"]
    assert json.loads(content)["question"] == ASKED
    assert file["name"].endswith(".jsonl")


def test_without_files_it_comes_in_messages(workspace: Workspace, connect: Connect, database: str) -> None:
    """As JSON that can be put together again."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    connect(admins=[workspace.ada.id])
    workspace.refuse("files.getUploadURLExternal", "unknown_method", times=None)
    workspace.wait_for_reply(ask(workspace, "what does <alarm> `4` & 5 mean?"))
    workspace.slash("ada", "maintenance", "/journeyman", "export")
    said = SHORTENED.format(which="all 1")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == said])
    texts = [visible_text(m) for m in workspace.messages(workspace.direct_message("ada"))]
    (line,) = "".join(text.strip("`") for text in texts if text.startswith("```")).splitlines()
    assert json.loads(line)["text"] == ANSWER_TEXT
    assert "passages" not in json.loads(line)


def test_others_get_nothing(workspace: Workspace, connect: Connect) -> None:
    """Who asked what is not for everybody."""
    connect(admins=[workspace.ada.id])
    workspace.slash("ben", "maintenance", "/journeyman", "export")
    workspace.wait_for(lambda: workspace.ephemerals(workspace.ben))
    assert "for my admins only" in visible_text(workspace.ephemerals(workspace.ben)[0])
    assert workspace.messages(workspace.direct_message("ben")) == []


def test_pieces_hold_whole_lines_where_they_fit() -> None:
    """A longer line goes on in the next piece, and Slack's signs are JSON's escapes."""
    lines = [json.dumps({"q": "x" * 1000})] * 7 + [json.dumps({"q": "<!channel> & `" * 600})]
    pieces = pieces_of(lines)
    assert [len(piece.splitlines()) for piece in pieces[:2]] == [3, 3]
    assert all(len(piece) <= PIECE and not set("<>&`") & set(piece) for piece in pieces)
    assert [json.loads(line) for line in "".join(pieces).splitlines()] == [json.loads(line) for line in lines]
    assert pieces_of([]) == []


def test_what_is_too_large_for_messages_is_the_newest_of_it(workspace: Workspace, connect: Connect) -> None:
    """And says so, rather than a flood of messages or nothing."""
    runtime = connect(admins=[workspace.ada.id]).runtime
    workspace.refuse("files.getUploadURLExternal", "unknown_method", times=None)
    with runtime.pool.connection() as conn:
        begin_answer(conn, asked_by="console", question=Question("x" * PIECE * MOST_PIECES))
        begin_answer(conn, asked_by="console", question=Question("the newest?"))
        conn.execute("UPDATE answer SET asked_at = asked_at + interval '1 day' WHERE question = 'the newest?'")
    workspace.slash("ada", "maintenance", "/journeyman", "export")
    said = SHORTENED.format(which="the newest 1 of 2")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == said])
    _, sent = workspace.messages(workspace.direct_message("ada"))
    assert json.loads(visible_text(sent).strip("`"))["question"] == "the newest?"


def test_the_newest_that_fit_are_no_flood() -> None:
    """However long the lines are, which Slack's signs make longer."""
    for length in (10, PIECE // 2 + 1, PIECE - 1, PIECE + 1):
        lines = [f"{number}{'<' * length}" for number in range(20 if length > 10 else 30_000)]
        newest = newest_that_fit(lines)
        assert newest == lines[-len(newest) :]
        assert MOST_PIECES / 4 < len(pieces_of(newest)) <= MOST_PIECES
