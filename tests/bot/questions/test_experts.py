"""Where the documents don't say: the nearest passages, the channel's experts, and their reply as a verified answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.app import SlackApp
from bot.feedback.review import verified_answers
from bot.feedback.review_views import APPROVE_REPLY, NO_SUCH_REPLY
from bot.questions.channels import ChannelSettings, save_channel
from bot.questions.expert_views import ASKED_BEFORE, NO_EXPERTS, NO_EXPERTS_HERE, NOT_FOUND, NOT_YOURS
from bot.questions.experts import NotSaved, _save, is_worth_keeping
from bot.questions.passages import GONE, NOT_KEPT, SourcePassage, passage_modal
from retrieval.answering.answer import Done, Event, Question, Text
from retrieval.indexing.verified import TITLE, UNAPPROVED
from tests.bot.conftest import Connect, Rows, ask
from tests.bot.samples import answer_to
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message

REPLY = "Alarm 4 is the lubrication: fill up the HV-46 and press reset for two seconds."


@pytest.fixture(autouse=True)
def installed(workspace: Workspace) -> None:
    """With what the manifest asks for, and nothing else."""
    workspace.install(Path("bot/manifest.yaml"))


def abstaining(question: Question) -> Iterator[Event]:
    """The documents don't say."""
    yield Text("The documents don't say.")
    yield Done(answer_to(question.text, "The documents don't say.", abstained=True))


def name_expert(workspace: Workspace, database: str, *people: str, by_admin: bool = True) -> None:
    """Makes people the experts of the channel, as an admin does or as its creator."""
    experts = [workspace.state.person(name).id for name in people]
    settings = ChannelSettings(experts=experts, trusted_experts=experts if by_admin else ())
    with psycopg.connect(database) as conn:
        save_channel(conn, workspace.maintenance.id, settings, "U1")


def told(workspace: Workspace, text: str) -> Any:
    """Ada, or Ben, alone is told."""
    return workspace.wait_for(
        lambda: [m for p in (workspace.ada, workspace.ben) for m in workspace.ephemerals(p) if m.text == text]
    )


def handed_over(workspace: Workspace) -> tuple[Message, Message]:
    """A question of Ada's, and the message that asks Ben."""
    question = ask(workspace)
    answer = workspace.wait_for_reply(question)
    workspace.press("ada", answer, "ask_person")
    return question, workspace.wait_for_reply(question, count=2)


def offer(workspace: Workspace, question: Message) -> Message:
    """The message with the button that keeps a reply."""
    reply = workspace.wait_for_reply(question, count=3)
    assert "Save as verified answer" in visible_text(reply)
    return reply


def test_an_experts_reply_becomes_a_verified_answer(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Mentioned in the thread with the question; one click on the reply, and it is searched."""
    name_expert(workspace, database, "ben")
    connect(abstaining)
    question, request = handed_over(workspace)
    assert f"<@{workspace.ben.id}>" in request.text
    assert "> what does alarm 4 mean?" in request.text
    workspace.post("ben", "maintenance", f"<@{workspace.ada.id}> {REPLY}", thread_ts=question.ts)
    offered = offer(workspace, question)
    workspace.press("ben", offered, "save_reply")
    workspace.wait_for(lambda: "Saved as a verified answer" in visible_text(offered))
    assert rows("SELECT question, text, verified_by FROM verified_answer") == [
        ("what does alarm 4 mean?", REPLY, workspace.ben.id)
    ]
    assert rows("SELECT text FROM chunk") == [(REPLY,)]
    assert rows("SELECT count(*) FROM answer") == [(1,)]


def saved_by_ben(
    workspace: Workspace, database: str, connect: Connect, *, by_admin: bool
) -> tuple[SlackApp, Message, Message]:
    """The bot, Ben's reply and the offer below it, which he has pressed; Ada is an admin."""
    name_expert(workspace, database, "ben", by_admin=by_admin)
    app = connect(abstaining, admins=[workspace.ada.id])
    question, _ = handed_over(workspace)
    reply = workspace.post("ben", "maintenance", REPLY, thread_ts=question.ts)
    offered = offer(workspace, question)
    workspace.press("ben", offered, "save_reply")
    workspace.wait_for(lambda: "Saved" in visible_text(offered))
    return app, reply, offered


WHOSE = """
SELECT d.title, c.audience, v.awaits_admin, (SELECT count(*) FROM training_example)
FROM verified_answer v JOIN document d ON d.id = v.document_id JOIN collection c ON c.name = v.collection
"""


def test_who_was_named_by_no_admin_speaks_for_the_channel_alone(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Whoever makes a channel names its experts: their word reaches nobody else, teaches nothing, and is on record."""
    _, _, offered = saved_by_ben(workspace, database, connect, by_admin=False)
    assert "once one of my admins approves it" in visible_text(offered)
    assert rows(WHOSE) == [(UNAPPROVED, [f"channel:{workspace.maintenance.id}"], True, 0)]
    assert rows("SELECT person, detail->>'awaits_admin' FROM audit WHERE action = 'verified save'") == [
        (workspace.ben.id, "true")
    ]


def test_an_admin_approves_what_a_channel_s_expert_said(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """From the queue, with one click; then it is for all who could read it, and its author stays on record."""
    saved_by_ben(workspace, database, connect, by_admin=False)
    workspace.slash("ada", "maintenance", "/journeyman", "review")
    listed = workspace.wait_for(lambda: workspace.views(workspace.ada)[:1])[0]
    workspace.press("ada", listed, APPROVE_REPLY)
    workspace.wait_for(lambda: rows("SELECT awaits_admin FROM verified_answer") == [(False,)])
    assert rows(WHOSE) == [(TITLE, ["everyone"], False, 1)]
    assert rows("SELECT written_by, verified_by FROM verified_answer") == [(workspace.ben.id, workspace.ada.id)]
    assert rows("SELECT count(*) FROM audit WHERE action = 'review approve' AND allowed") == [(1,)]


def test_a_reply_that_does_not_wait_is_not_approved_in_silence(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """Its question was deleted meanwhile: the admin is told, and it stays as it was."""
    saved_by_ben(workspace, database, connect, by_admin=False)
    workspace.slash("ada", "maintenance", "/journeyman", "review")
    listed = workspace.wait_for(lambda: workspace.views(workspace.ada)[:1])[0]
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE verified_answer SET answer_id = NULL")
    workspace.press("ada", listed, APPROVE_REPLY)
    workspace.wait_for(lambda: NO_SUCH_REPLY in str(listed.source))
    assert rows("SELECT awaits_admin FROM verified_answer") == [(True,)]


def test_who_heard_a_reply_is_not_who_may_read_what_was_made_of_it(
    workspace: Workspace, connect: Connect, database: str
) -> None:
    """Once it is approved its collection alone says who sees it in the list."""
    saved_by_ben(workspace, database, connect, by_admin=True)
    with psycopg.connect(database) as conn:
        assert len(verified_answers(conn, ["everyone"])) == 1
        conn.execute("UPDATE collection SET audience = '{channel:C9}'")
        assert verified_answers(conn, ["everyone"]) == []


def test_who_was_named_by_no_admin_replaces_no_approved_answer(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """An admin, or an expert whom one named, has said what holds."""
    app, reply, _ = saved_by_ben(workspace, database, connect, by_admin=True)
    name_expert(workspace, database, "ben", by_admin=False)
    (answer_id,) = rows("SELECT answer_id FROM verified_answer")[0]
    with pytest.raises(NotSaved, match="approved answer"):
        _save(answer_id, reply.ts, workspace.ben.id, app.runtime)


def test_an_expert_named_by_an_admin_speaks_for_everybody(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """As before: one click, and all who could read the reply find it."""
    saved_by_ben(workspace, database, connect, by_admin=True)
    assert rows(WHOSE) == [(TITLE, ["everyone"], False, 1)]


def test_who_was_not_asked_cannot_save(workspace: Workspace, connect: Connect, database: str, rows: Rows) -> None:
    """Neither the asker nor anybody else, unless they are an admin."""
    name_expert(workspace, database, "ben")
    connect(abstaining)
    question, _ = handed_over(workspace)
    workspace.post("ben", "maintenance", REPLY, thread_ts=question.ts)
    workspace.press("ada", offer(workspace, question), "save_reply")
    told(workspace, NOT_YOURS)
    assert rows("SELECT count(*) FROM verified_answer") == [(0,)]


def test_a_reply_that_was_deleted_is_not_saved(
    workspace: Workspace, connect: Connect, database: str, rows: Rows
) -> None:
    """What is saved is what stands there at that moment."""
    name_expert(workspace, database, "ben")
    connect(abstaining)
    question, _ = handed_over(workspace)
    reply = workspace.post("ben", "maintenance", REPLY, thread_ts=question.ts)
    offered = offer(workspace, question)
    workspace.delete(reply)
    workspace.press("ben", offered, "save_reply")
    told(workspace, NOT_FOUND)
    assert rows("SELECT count(*) FROM verified_answer") == [(0,)]


def test_experts_are_asked_once(workspace: Workspace, connect: Connect, database: str) -> None:
    """A second press is told so; an expert's small talk is no answer, and no question to the bot."""
    name_expert(workspace, database, "ben")
    connect(abstaining)
    question, _ = handed_over(workspace)
    workspace.press("ada", workspace.replies_by_app(question)[0], "ask_person")
    told(workspace, ASKED_BEFORE)
    workspace.post("ben", "maintenance", "thanks", thread_ts=question.ts)
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    workspace.post("ada", "maintenance", "and alarm 5?", thread_ts=question.ts)
    workspace.wait_for_reply(question, count=3)
    assert "Save as verified answer" not in "".join(map(visible_text, workspace.replies_by_app(question)))


def test_without_experts_the_asker_learns_how_to_name_them(workspace: Workspace, connect: Connect) -> None:
    """In a channel that has none, and in a direct message, which can have none."""
    connect(abstaining)
    workspace.press("ada", workspace.wait_for_reply(ask(workspace)), "ask_person")
    told(workspace, NO_EXPERTS)
    direct = workspace.post("ada", workspace.direct_message("ada"), "what does alarm 4 mean?")
    workspace.press("ada", workspace.wait_for_reply(direct), "ask_person")
    told(workspace, NO_EXPERTS_HERE)


def test_a_private_question_goes_to_the_channel_when_its_asker_wants(
    workspace: Workspace, connect: Connect, database: str
) -> None:
    """`/ask`, then "ask a person": the request opens a thread, and the reply there can be kept."""
    name_expert(workspace, database, "ben")
    connect(abstaining)
    workspace.slash("ada", "maintenance", "/ask", "what does alarm 4 mean?")
    answer = workspace.wait_for(
        lambda: [m for m in workspace.ephemerals(workspace.ada) if "Ask a person" in visible_text(m)]
    )[0]
    workspace.press("ada", answer, "ask_person")
    request = workspace.wait_for(lambda: workspace.messages("maintenance"))[0]
    workspace.wait_for(lambda: all(delivery.settled for delivery in workspace.deliveries))
    workspace.post("ben", "maintenance", REPLY, thread_ts=request.ts)
    assert "Save as verified answer" in visible_text(workspace.wait_for_reply(request))


def test_only_statements_are_worth_keeping() -> None:
    """No small talk, no question back, no two words."""
    assert is_worth_keeping(REPLY)
    assert not is_worth_keeping("which machine is it?")
    assert not is_worth_keeping("will check")
    assert not is_worth_keeping("thank you very much")


def test_a_passage_is_shown_in_a_modal(workspace: Workspace, connect: Connect, database: str) -> None:
    """From the nearest passages of an abstention, too; without its text it says that it has changed."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('default')")
    connect(abstaining)
    answer = workspace.wait_for_reply(ask(workspace))
    workspace.press("ada", answer, "show_passage_1")
    modal = workspace.wait_for(lambda: workspace.views(workspace.ada))[0]
    shown = str(modal.source)
    assert "Alarms" in shown
    assert GONE in shown
    assert NOT_KEPT not in shown


def test_a_passage_cannot_speak_to_slack() -> None:
    """Title, heading and text are data."""
    view = passage_modal(
        SourcePassage("<!here>", "<@U1>", "a.md", "2026-01-01", "default", "see <!channel> & **this** " * 900)
    )
    assert "<!" not in str(view)
    assert "<@" not in str(view)
    assert len(view["blocks"]) <= 100
    assert all(len(block["text"]["text"]) <= 3000 for block in view["blocks"] if block["type"] == "section")
