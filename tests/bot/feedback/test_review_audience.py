"""A verified answer is for those who may read all that it was made of, however it became one."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

from bot.admin.export import export_lines
from bot.app import SlackApp
from bot.feedback import review_views
from bot.feedback.review import ExpertReply, read_answer, save_verified
from bot.questions import readers
from bot.questions.channels import ChannelSettings, save_channel
from finetune.dataset.storage import read_answers
from retrieval.indexing.sources import VERIFIED
from retrieval.indexing.verified import prepare, put_verified, verified_name
from retrieval.searching.scope import Scope
from retrieval.searching.search import search
from tests.bot.audiences import (
    GROUP,
    QUESTION,
    SECRET,
    VOUCHED,
    answered_to_ada,
    app,
    asked,
    bot,
    chain,
    forged,
    made_of,
    narrow,
    nothing_remembered,
    traces,
)
from tests.bot.conftest import EMBEDDER, Rows
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Person

__all__ = ["answered_to_ada", "app", "bot", "chain", "nothing_remembered"]
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def reaches(app: SlackApp, person: Person, text: str = VOUCHED, **scope: Any) -> bool:
    """Whether the person is answered from it."""
    principals = readers.personal(app.runtime, person.id)
    with app.runtime.pool.connection() as conn:
        register_vector(conn)
        found = search(conn, EMBEDDER, text, scope=Scope(principals=principals, **scope))
    return any(passage.text == text for passage in found)


def saved(database: str) -> bool:
    with psycopg.connect(database) as conn:
        return conn.execute("SELECT count(*) FROM verified_answer").fetchall() == [(1,)]


def test_an_admin_who_may_not_read_it_sees_neither_answer_nor_passages(
    bot: Workspace, database: str, answered_to_ada: str
) -> None:
    """In the review queue and in the export; the question and that there is a complaint are told."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false), (%s, false)", [bot.ben.id, bot.ada.id])
        withheld = [json.loads(line) for line in export_lines(conn, (f"user:{bot.ben.id}", "everyone"))]
        given = [json.loads(line) for line in export_lines(conn, ("everyone", f"group:{GROUP}"))]
    assert (withheld[0]["text"], withheld[0]["withheld"]) == (None, True)
    assert not traces(json.dumps(withheld))
    assert traces(json.dumps(given))
    for person in (bot.ben, bot.ada):
        before = len(bot.calls())
        forged(bot, person, bot.maintenance, "review_open", answered_to_ada)
        bot.wait_for(lambda b=before: [call for call in bot.calls()[b:] if call.method.startswith("views.")])
        shown = json.dumps([call.args for call in bot.calls()[before:]], default=str)
        assert bool(traces(shown)) == (person is bot.ada)


def test_a_verified_answer_stays_in_its_collection(bot: Workspace, database: str, answered_to_ada: str) -> None:
    """What was verified from the secret is found by those who may read it, and by nobody else."""
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        prepared = prepare(EMBEDDER, QUESTION, SECRET)
        put_verified(conn, prepared, collection="boardroom", name=verified_name(1, "Ada", NOW), verified_at=NOW)
    assert traces(asked(bot, bot.ada, bot.direct_message(bot.ada), "When are the works in Graz closed?"))
    assert not traces(asked(bot, bot.ben, bot.direct_message(bot.ben)))


@pytest.mark.parametrize("cited", [["boardroom"], ["house", "boardroom"], ["boardroom", "house"]])
def test_a_verified_answer_is_for_those_who_may_read_all_of_it(
    app: SlackApp, bot: Workspace, database: str, cited: list[str]
) -> None:
    """Wherever the nearest passage was, and as the audiences are when somebody asks."""
    guest = bot.add_person("gus", is_restricted=True)
    bot.add_usergroup(GROUP, bot.ada, guest)
    answer_id = made_of(database, cited, ["house"])
    assert save_verified(app.runtime, answer_id, VOUCHED, verified_by=bot.ada.id)
    assert reaches(app, bot.ada)
    assert not reaches(app, bot.ben)
    assert reaches(app, guest) == (cited == ["boardroom"])
    common = readers.common(app.runtime, bot.add_channel("talk", bot.ada, bot.ben).id)
    with app.runtime.pool.connection() as conn:
        assert not any(p.text == VOUCHED for p in search(conn, EMBEDDER, VOUCHED, scope=Scope(principals=common)))
    narrow(database, f"user:{bot.ben.id}", collection="house")
    assert reaches(app, bot.ada) == (cited == ["boardroom"])
    narrow(database, "everyone")
    assert reaches(app, bot.ben)


def test_a_verified_answer_that_rests_on_such_a_one(app: SlackApp, bot: Workspace, database: str) -> None:
    """One that was made of it, and more, is for those who may read all of both."""
    save_verified(app.runtime, made_of(database, ["house", "boardroom"]), VOUCHED, verified_by="U1")
    with psycopg.connect(database) as conn:
        (name,) = conn.execute("SELECT collection FROM verified_answer").fetchall()[0]
    again = "And so say all of us about Graz."
    save_verified(app.runtime, made_of(database, [name, "house"]), again, verified_by="U1")
    assert reaches(app, bot.ada, again)
    assert not reaches(app, bot.ben, again)
    narrow(database, "nobody", collection="house")
    assert not reaches(app, bot.ada, again)


def test_a_channels_collections_hold_what_was_made_of_them(app: SlackApp, bot: Workspace, database: str) -> None:
    """A channel that searches both finds it; one that searches one of them does not."""
    place = bot.add_channel("board", bot.ada, private=True)
    save_verified(app.runtime, made_of(database, ["house", "boardroom"]), VOUCHED, verified_by="U1")
    for names, there in ((["house", "boardroom"], True), (["boardroom"], False)):
        with psycopg.connect(database) as conn:
            save_channel(conn, place.id, ChannelSettings(collections=names), "U1")
        assert ("lunch or no lunch" in asked(bot, bot.ada, place, "Are the works in Graz shut, or is lunch?")) == there


def test_an_edit_is_for_no_more_people(app: SlackApp, bot: Workspace, database: str) -> None:
    """A second approval of the same answer, whose sources were forgotten meanwhile."""
    answer_id = made_of(database, ["boardroom"])
    save_verified(app.runtime, answer_id, VOUCHED, verified_by="U1")
    with psycopg.connect(database) as conn:
        conn.execute("""UPDATE answer SET passages = '[]', sources = '[]'""")
    save_verified(app.runtime, answer_id, VOUCHED + " Really.", verified_by="U1")
    assert reaches(app, bot.ada, VOUCHED + " Really.")
    assert not reaches(app, bot.ben, VOUCHED + " Really.")


@pytest.mark.parametrize("kind", ["private", "public", "shared", "unknown"])
def test_an_experts_reply_is_for_those_who_may_read_it(app: SlackApp, bot: Workspace, database: str, kind: str) -> None:
    """In a private channel that is its members, in a public one the members of the workspace; in doubt, the first."""
    guest = bot.add_person("gus", is_restricted=True)
    place = bot.add_channel("talk", bot.ada, guest, private=kind == "private")
    place.ext_shared = kind == "shared"
    narrow(database, "anyone", "everyone", collection="house")
    direct = bot.direct_message(bot.ada)
    answer_id = made_of(database, [], channel=place.id)
    with psycopg.connect(database) as conn:
        save_channel(conn, place.id, ChannelSettings(experts=[bot.ada.id], trusted_experts=[bot.ada.id]), "U1")
        root = bot.post("ada", place, "Who knows?")
        conn.execute(
            "INSERT INTO expert_request (answer_id, channel, thread_ts, asked_by, experts, posted)"
            " VALUES (%s, %s, %s, 'U1', %s, true)",
            [answer_id, place.id, root.ts, [bot.ada.id]],
        )
    reply = bot.post("ada", place, VOUCHED, thread_ts=root.ts)
    if kind == "unknown":
        bot.refuse("conversations.info", "missing_scope", times=None)
    forged(bot, bot.ada, direct, "save_reply", f"{answer_id} {reply.ts}")
    bot.wait_for(lambda: saved(database))
    assert reaches(app, bot.ada)
    assert reaches(app, bot.ben) == (kind in ("public", "shared"))
    assert reaches(app, guest) == (kind in ("private", "unknown"))
    there = readers.common(app.runtime, place.id)
    with app.runtime.pool.connection() as conn:
        found = search(conn, EMBEDDER, VOUCHED, scope=Scope(principals=there))
    assert any(passage.text == VOUCHED for passage in found) == (kind in ("private", "unknown"))


def test_an_admin_approves_what_they_may_read(bot: Workspace, database: str, answered_to_ada: str, rows: Rows) -> None:
    """A form that was open when the right was lost makes nothing; else it says for whom the answer is."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [bot.ada.id])
        conn.execute(
            "INSERT INTO complaint (answer_id, person, reason) VALUES (%s, %s, 'wrong')", [answered_to_ada, bot.ada.id]
        )
    forged(bot, bot.ada, bot.maintenance, "review_open", answered_to_ada)
    form = bot.wait_for(lambda: bot.views(bot.ada))[0]
    assert "may read boardroom" in str(form.source)
    bot.add_usergroup(GROUP, bot.ben)
    bot.wait_until_settled(bot.submit("ada", form, {"answer": VOUCHED}))
    assert rows("SELECT count(*) FROM verified_answer") == [(0,)]
    bot.add_usergroup(GROUP, bot.ada)
    forged(bot, bot.ada, bot.maintenance, "review_open", answered_to_ada)
    form = bot.wait_for(lambda: [view for view in bot.views(bot.ada) if view.callback_id == review_views.REVIEW])[-1]
    bot.wait_until_settled(bot.submit("ada", form, {"answer": VOUCHED}))
    assert rows("SELECT collection FROM verified_answer") == [("house + boardroom",)]


def test_a_reviewer_reads_what_the_verified_answer_will_be_made_of(
    app: SlackApp, database: str, rows: Rows, answered_to_ada: str
) -> None:
    """A passage of another collection, which the answer did not cite, is not there to be copied."""
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE answer SET sources = '[]'")
        everything = read_answer(conn, UUID(answered_to_ada))
        chunk = rows(
            "SELECT p ->> 'chunk_id' FROM answer, jsonb_array_elements(passages) AS p"
            " WHERE p ->> 'collection' = 'house'"
        )[0][0]
        conn.execute("UPDATE answer SET sources = %s", [Jsonb([{"number": 1, "chunk_id": int(chunk)}])])
        cited = read_answer(conn, UUID(answered_to_ada))
    assert everything is not None
    assert cited is not None
    assert traces(str(everything.passages))
    assert cited.passages
    assert not traces(str(cited.passages))


def test_what_not_everyone_may_read_is_not_learnt(app: SlackApp, bot: Workspace, database: str) -> None:
    """A correction that was said in a private channel, though the passages are for everyone."""
    answer_id = made_of(database, ["house"], channel=bot.maintenance.id)
    for said_to, learnt in (("everyone", True), ("channel:C1", False)):
        save_verified(
            app.runtime, answer_id, VOUCHED, verified_by="U1", reply=ExpertReply("C1", said_to, awaits_admin=False)
        )
        with psycopg.connect(database) as conn:
            assert [row.correction for row in read_answers(conn, VERIFIED) if row.everyone] == (
                [VOUCHED] if learnt else []
            )
