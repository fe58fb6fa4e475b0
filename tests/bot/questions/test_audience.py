"""Every way to a secret that we can think of, by somebody without the right (nothing comes) and with it (it comes).

One collection is for everybody, the other for a user group; the real search and chain answer.
"""

import json

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bot.admin import run_messages
from bot.admin.export import export_lines
from bot.admin.status import status_text
from bot.app import SlackApp
from bot.feedback import review_views
from bot.feedback.complaints import documents_to_fix
from bot.home.figures import read_unanswered
from bot.questions import views
from bot.questions.channels import ChannelSettings, save_channel
from bot.questions.experts import begin_request
from bot.questions.sharing import NOT_FOR_ALL, adopt_shared, post_shared
from retrieval.answering.chain import AnswerChain
from retrieval.indexing.reindexing import read_run
from tests.bot.audiences import (
    GROUP,
    QUESTION,
    SECRET,
    answered,
    answered_to_ada,
    app,
    bot,
    chain,
    forged,
    made_of,
    nothing_remembered,
    public,
    sent,
    traces,
)
from tests.bot.conftest import Rows
from tests.slack_workspace import Workspace

__all__ = ["answered_to_ada", "app", "bot", "chain", "nothing_remembered"]


def test_what_was_answered_privately_is_no_part_of_a_public_thread(bot: Workspace, database: str, rows: Rows) -> None:
    """A follow-up that leans on Ada's private question, once her channel answers in public again."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO channel (id, place, changed_by) VALUES (%s, 'ephemeral', 'U1')", [bot.maintenance.id])
    root = bot.post("ada", "maintenance", f"{bot.mention} {QUESTION}")
    bot.wait_for(lambda: answered(rows))
    assert "in March" in sent(bot)
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE channel SET place = 'thread'")
    bot.post("ada", "maintenance", f"{bot.mention} and what about that one?", thread_ts=root.ts)
    bot.wait_for(lambda: answered(rows, 2))
    history, standalone = rows("SELECT history, standalone FROM answer ORDER BY asked_at DESC LIMIT 1")[0]
    assert history == []
    assert "Graz" not in standalone
    assert not traces(public(bot, bot.maintenance))


def test_an_event_that_comes_twice_or_after_a_restart(bot: Workspace, database: str, rows: Rows) -> None:
    """Neither Slack's second delivery nor another process that takes the question over knows more."""
    message = bot.post("ben", "maintenance", f"{bot.mention} {QUESTION}")
    bot.deliver_again(message)
    bot.wait_for(lambda: answered(rows))
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE answer SET state = 'pending', text = NULL, finished_at = NULL, owner = NULL, attempts = 0")
    bot.wait_for(lambda: rows("SELECT attempts FROM answer WHERE finished_at IS NOT NULL") == [(1,)])
    assert not traces(sent(bot))


@pytest.mark.parametrize("together", [False, True])
def test_a_private_answer_is_shared_only_where_all_may_read_it(bot: Workspace, rows: Rows, together: bool) -> None:
    """In a channel of the group it is posted; in one with Ben it is refused, and stays private."""
    people = [bot.ada, bot.ben] if together else [bot.ada]
    channel = bot.add_channel("talk", *people, private=True)
    bot.slash("ada", channel, "/ask", QUESTION)
    bot.wait_for(lambda: answered(rows))
    answer_id = str(rows("SELECT id FROM answer")[0][0])
    forged(bot, bot.ada, channel, "share_answer", answer_id)
    if together:
        bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ada) if "not everybody in this channel" in m.text])
        assert not traces(public(bot, channel))
        assert rows("SELECT private FROM answer") == [(True,)]
    else:
        bot.wait_for(lambda: traces(public(bot, channel)))


@pytest.mark.parametrize("name", ["ada", "ben"])
@pytest.mark.parametrize("way", ["home", "suggestions", "status"])
def test_what_is_there_is_named_to_those_who_may_read_it(bot: Workspace, way: str, name: str) -> None:
    """Names of collections and titles of documents are told to nobody else."""
    person = getattr(bot, name)
    before = len(bot.calls())
    if way == "home":
        bot.open_home(person)
        bot.wait_for(lambda: [call for call in bot.calls()[before:] if call.method == "views.publish"])
    elif way == "suggestions":
        bot.open_home(person, tab="messages")
        method = "assistant.threads.setSuggestedPrompts"
        bot.wait_for(lambda: [call for call in bot.calls()[before:] if call.method == method])
    else:
        bot.slash(person, "maintenance", "/journeyman", "status")
        bot.wait_for(lambda: [m for m in bot.ephemerals(person) if "I am up" in m.text])
    shown = json.dumps([call.args for call in bot.calls()[before:]], default=str)
    shown += json.dumps([m.text for m in bot.ephemerals(person)])
    assert bool(traces(shown)) == (name == "ada")


@pytest.mark.parametrize("place", ["channel", "channel of the group", "direct message"])
@pytest.mark.parametrize("state", ["running", "done", "failed"])
def test_a_run_names_documents_to_those_who_may_read_them(
    app: SlackApp, bot: Workspace, database: str, state: str, place: str
) -> None:
    """The live message of `/reindex`, wherever it stands: title, document at hand, failures and reason."""
    channel = {
        "channel": bot.maintenance,
        "channel of the group": bot.add_channel("board", bot.ada, private=True),
        "direct message": bot.direct_message(bot.ada),
    }[place]
    report = Jsonb({"documents": {"failed": 1}, "failures": [{"document": "marmot.md", "error": "boardroom/x"}]})
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO job (target, collections, dry_run, force, started_by, state, message, report, error, total)"
            " VALUES ('boardroom', '{boardroom}', false, false, %s, %s, 'marmot.md', %s, 'marmot.md', 1)",
            [bot.ada.id, state, report],
        )
        run = read_run(conn, conn.execute("SELECT max(id) FROM job").fetchall()[0][0])
    assert run is not None
    shown = run_messages.message_for(run, channel.id, app.runtime)
    assert bool(traces(f"{shown.text} {shown.blocks}")) == (place != "channel")


def test_status_names_what_its_reader_may_read(database: str, chain: AnswerChain) -> None:
    """Documents that are set aside, and runs that failed; being an admin changes nothing."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO document_attempt (source_id, name, raw_hash, attempts)"
            " SELECT id, 'marmot.md', '', 3 FROM source WHERE collection = 'boardroom'"
        )
        conn.execute(
            "INSERT INTO job (target, collections, started_by, state, error, finished_at)"
            " VALUES ('marmot.md', '{boardroom}', 'U1', 'failed', 'marmot.md', now())"
        )
        assert not traces(status_text(conn, ("everyone",)))
        told = status_text(conn, ("everyone", f"group:{GROUP}"))
        assert told.count("marmot.md") >= 3
        assert traces(status_text(conn))


def test_documents_to_fix_are_named_to_admins_who_may_read_them(database: str, answered_to_ada: str) -> None:
    """The others learn that there are some."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO complaint (answer_id, person, reason) VALUES (%s, 'U1', 'outdated')", [answered_to_ada]
        )
        withheld, given = (documents_to_fix(conn, who) for who in (("everyone",), ("everyone", f"group:{GROUP}")))
    assert not traces(str(withheld))
    assert withheld[0].withheld == 1
    assert traces(str(given))
    assert given[0].withheld == 0
    shown = str(review_views.to_fix_blocks(withheld))
    assert "1 document that you may not read" in shown
    assert not traces(shown)


@pytest.mark.parametrize("stands_alone", [True, False])
def test_a_follow_up_as_it_was_rewritten_is_for_those_who_read_what_was_said(
    database: str, answered_to_ada: str, stands_alone: bool
) -> None:
    """A model may have put the words of an answer into it: neither the gaps nor the export tell them to others."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO answer (asked_by, channel, thread_ts, state, question, standalone, history, finished_at)"
            " SELECT asked_by, channel, thread_ts, 'abstained', 'And lunch?', %s, %s, now() FROM answer",
            ["And lunch?" if stands_alone else "Lunch when closed in March?", Jsonb([{"role": "user", "text": "x"}])],
        )
        everybody, group = ("everyone",), ("everyone", f"group:{GROUP}")
        for principals in (everybody, group):
            told = str(read_unanswered(conn, principals)) + "".join(export_lines(conn, principals))
            assert bool(traces(told)) == (principals is group)
        assert read_unanswered(conn, everybody) == (["And lunch?"] if stands_alone else [])
        assert len(read_unanswered(conn, group)) == 1


def test_a_private_answer_is_shared_where_it_was_asked(bot: Workspace, database: str, rows: Rows) -> None:
    """The button may stand elsewhere, as in a direct message; who reads the channel decides."""
    bot.slash("ada", bot.maintenance, "/ask", QUESTION)
    bot.wait_for(lambda: answered(rows))
    forged(
        bot,
        bot.ada,
        bot.add_channel("board", bot.ada, private=True),
        "share_answer",
        str(rows("SELECT id FROM answer")[0][0]),
    )
    bot.wait_for(lambda: NOT_FOR_ALL in [message.text for message in bot.ephemerals(bot.ada)])
    assert not traces(public(bot, bot.maintenance))
    assert rows("SELECT private, sharing FROM answer") == [(True, False)]


def test_what_was_left_to_be_posted_is_posted_if_it_still_may(app: SlackApp, bot: Workspace, database: str) -> None:
    """Shared by a process that is gone, and the audience was narrowed since: it stays private."""
    channel = bot.add_channel("talk", bot.ada, bot.ben, private=True)
    answer_id = made_of(database, ["boardroom"], channel=channel.id)
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE answer SET text = %s, asked_by = %s, sharing = true", [SECRET, bot.ada.id])
    with app.runtime.pool.connection() as conn:
        (shared,) = adopt_shared(conn, app.runtime.owner, [])
    post_shared(shared, app.runtime)
    assert not traces(public(bot, channel))
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT private, sharing FROM answer WHERE id = %s", [answer_id]).fetchall() == [
            (True, False)
        ]


def test_what_was_kept_is_shown_if_its_readers_still_may(
    app: SlackApp, bot: Workspace, database: str, rows: Rows
) -> None:
    """By a process that takes an answer over: else it is answered anew, from what they may read now."""
    channel = bot.add_channel("talk", bot.ada, bot.ben, private=True)
    question = bot.post("ada", channel, "Whom may I ask?")
    made_of(database, ["boardroom"], channel=channel.id)
    with psycopg.connect(database) as conn:
        conn.execute(
            "UPDATE answer SET text = %s, asked_by = %s, question_ts = %s, thread_ts = %s, finished_at = NULL,"
            " attempts = 0",
            [SECRET, bot.ada.id, question.ts, question.ts],
        )
    bot.wait_for(lambda: answered(rows))
    assert not traces(public(bot, channel))
    assert not traces(str(rows("SELECT text FROM answer")))


def test_a_private_question_goes_to_experts_when_its_asker_wants(bot: Workspace, database: str) -> None:
    """Not when somebody else presses a button of its name."""
    answer_id = made_of(database, [], channel=bot.maintenance.id)
    with psycopg.connect(database) as conn:
        save_channel(conn, bot.maintenance.id, ChannelSettings(experts=[bot.ben.id]), "U1")
        conn.execute("UPDATE answer SET private = true, asked_by = %s", [bot.ada.id])
        assert begin_request(conn, answer_id, bot.ben.id, 1) == views.NO_SUCH_ANSWER
        assert not isinstance(begin_request(conn, answer_id, bot.ada.id, 1), str)


@pytest.mark.parametrize("there", [True, False])
def test_questions_of_a_channel_are_suggested_to_its_members(
    app: SlackApp, bot: Workspace, database: str, there: bool
) -> None:
    """Not to who has asked there and left."""
    channel = bot.add_channel("board", bot.ada, *([bot.ben] if there else []), private=True)
    with psycopg.connect(database) as conn:
        for number, person in enumerate((bot.ada.id, "U2", bot.ben.id)):
            conn.execute(
                "INSERT INTO answer (asked_by, channel, question_ts, state, question)"
                " VALUES (%s, %s, %s, 'answered', 'Is it in March?')",
                [person, channel.id, str(number)],
            )
    before = len(bot.calls())
    bot.open_home("ben", tab="messages")
    method = "assistant.threads.setSuggestedPrompts"
    bot.wait_for(lambda: [call for call in bot.calls()[before:] if call.method == method])
    shown = json.dumps([call.args for call in bot.calls()[before:] if call.method == method], default=str)
    assert ("in March" in shown) == there
