"""Every way to a secret that we can think of, by somebody without the right (nothing comes) and with it (it comes).

One collection is for everybody, the other for a user group; the real search and chain answer.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from slack_sdk import WebClient

from bot.admin import authorization, run_messages
from bot.admin.export import export_lines
from bot.admin.status import status_text
from bot.app import SlackApp
from bot.feedback import review_views
from bot.feedback.complaints import documents_to_fix
from bot.feedback.review import ExpertReply, read_answer, save_verified
from bot.home.figures import read_unanswered
from bot.questions import readers, views
from bot.questions.channels import ChannelSettings, save_channel
from bot.questions.experts import begin_request
from bot.questions.passages import read_passage
from bot.questions.sharing import NOT_FOR_ALL, adopt_shared, post_shared
from finetune.dataset.storage import read_answers
from retrieval.answering.chain import AnswerChain
from retrieval.indexing.index import index_sources
from retrieval.indexing.reindexing import read_run
from retrieval.indexing.sources import VERIFIED, register_sources
from retrieval.indexing.verified import prepare, put_verified, verified_name
from retrieval.searching.scope import Scope
from retrieval.searching.search import search
from tests.bot.conftest import EMBEDDER, Connect, Rows
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Channel, Person

GROUP = "SBOARD"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECRET = "The works in Graz will be closed in March."
TITLE = "Operation Marmot"
QUESTION = "When will the works in Graz be closed?"
TRACES = ("in March", TITLE, "marmot.md", "Closure of sites", "boardroom")


class Parrot(BaseChatModel):
    """A model that says nothing of its own: the quotes of the passages are the answer."""

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: list[BaseMessage], *args: Any, **more: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Nothing."))])


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack is asked each time, so that a change counts at once."""
    for name in ("CACHE", "DIRECTORY_CACHE", "FAILURE_CACHE"):
        monkeypatch.setattr(readers, name, 0.0)
    monkeypatch.setattr(authorization, "GROUP_CACHE", 0.0)


@pytest.fixture
def chain(database: str, tmp_path: Path) -> Iterator[AnswerChain]:
    """The two collections, and the chain over them."""
    (tmp_path / "canteen.md").write_text("# Canteen\n\n## Hours\n\nLunch in the works is served from noon until two.\n")
    (tmp_path / "marmot.md").write_text(f"# {TITLE}\n\n## Closure of sites\n\n{SECRET}\n")
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        for name, collection in (("canteen.md", "house"), ("marmot.md", "boardroom")):
            index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path / name], collection), max_bytes=10**6)
        audience(conn, "boardroom", f"group:{GROUP}")
    with ConnectionPool(database, min_size=1, configure=register_vector) as pool:
        yield AnswerChain(pool, EMBEDDER, Parrot())


@pytest.fixture
def app(workspace: Workspace, connect: Connect, chain: AnswerChain) -> SlackApp:
    """The bot, with what its manifest asks for; Ada is in the group and Ben is not."""
    workspace.install(Path("bot/manifest.yaml"))
    workspace.add_usergroup(GROUP, workspace.ada)
    return connect(chain.stream)


@pytest.fixture
def bot(workspace: Workspace, app: SlackApp) -> Workspace:
    """The workspace that the bot is in."""
    return workspace


def audience(conn: psycopg.Connection[Any], collection: str, *principals: str) -> None:
    conn.execute("UPDATE collection SET audience = %s WHERE name = %s", [list(principals), collection])


def narrow(database: str, *principals: str, collection: str = "boardroom") -> None:
    """Sets who may read a collection from now on."""
    with psycopg.connect(database) as conn:
        audience(conn, collection, *principals)


def sent(workspace: Workspace) -> str:
    """All that the bot has sent to Slack, and all that anybody has seen of it."""
    with workspace.state.lock():
        seen = [[m.text, m.blocks] for c in workspace.state.channels.values() for m in c.messages if m.bot_id]
    return json.dumps([[call.args for call in workspace.calls()], seen], default=str, ensure_ascii=False)


def public(workspace: Workspace, channel: Channel) -> str:
    """What everybody in a channel sees, and ever saw."""
    found = [[m.text, m.blocks, [state.text for state in m.states]] for m in workspace.messages(channel) if m.bot_id]
    return json.dumps(found, ensure_ascii=False)


def traces(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


def asked(workspace: Workspace, person: Person, channel: Channel, question: str = QUESTION) -> str:
    """What the bot says in public to a mention, or in a direct message."""
    before = len(workspace.calls())
    root = workspace.post(person, channel, f"{workspace.mention} {question}")
    workspace.wait_for_reply(root)
    return json.dumps([call.args for call in workspace.calls()[before:]], default=str)


def answered(rows: Rows, number: int = 1) -> bool:
    return rows("SELECT count(*) FROM answer WHERE finished_at IS NOT NULL") == [(number,)]


WAYS = ["direct message", "/ask", "shortcut", "title", "private channel of the group", "channel of everybody"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["ada", "ben"])
def test_who_may_read_it_is_answered_and_nobody_else(bot: Workspace, rows: Rows, way: str, name: str) -> None:
    """Ada alone, where nobody else reads along; and what was sent to the model holds no more than what is said."""
    person = getattr(bot, name)
    question = f"What does {TITLE.lower()} say about works in Graz?" if way == "title" else QUESTION
    if way in ("direct message", "title"):
        bot.post(person, bot.direct_message(person), question)
    elif way == "/ask":
        bot.slash(person, "maintenance", "/ask", question)
    elif way == "shortcut":
        bot.shortcut(person, "ask_about_message", bot.post("ben", "maintenance", question))
    else:
        alone = way == "private channel of the group"
        people = [person] if alone else [bot.ada, bot.ben]
        bot.post(person, bot.add_channel("talk", *people, private=alone), f"{bot.mention} {question}")
    bot.wait_for(lambda: answered(rows))
    may = name == "ada" and way != "channel of everybody"
    said = sent(bot) + str(rows("SELECT prompt, text, passages, sources FROM answer"))
    assert ("in March" in said) == may
    assert bool(traces(said)) == may


@pytest.mark.parametrize("named", ["user:", "channel:", "everyone", "anyone", "nobody"])
def test_each_kind_of_audience(bot: Workspace, database: str, named: str) -> None:
    """Who holds the principal is answered directly; in a channel, nobody's own counts."""
    ids = {"user:": bot.ada.id, "channel:": bot.maintenance.id}
    narrow(database, *([] if named == "nobody" else [named + ids.get(named, "")]))
    assert bool(traces(asked(bot, bot.ada, bot.direct_message(bot.ada)))) == (named != "nobody")
    assert bool(traces(asked(bot, bot.ben, bot.direct_message(bot.ben)))) == (named not in ("nobody", "user:"))
    assert bool(traces(asked(bot, bot.ada, bot.maintenance))) == (named not in ("nobody", "user:"))
    second = bot.add_channel("second", bot.ada, bot.ben)
    assert bool(traces(asked(bot, bot.ada, second))) == (named in ("everyone", "anyone"))


@pytest.mark.parametrize("guest", ["guest in the channel", "channel of two organisations", "guest alone"])
def test_everyone_is_the_full_members(bot: Workspace, database: str, guest: str) -> None:
    """With a guest or another organisation reading along, only what is for `anyone` is used."""
    narrow(database, "everyone")
    place = bot.maintenance
    if guest == "guest in the channel":
        place.members.add(bot.add_person("gus", is_restricted=True).id)
    elif guest == "channel of two organisations":
        place.ext_shared = True
    else:
        bot.ben.is_restricted = True
        place = bot.direct_message(bot.ben)
    assert not traces(asked(bot, bot.ben, place))
    narrow(database, "anyone")
    assert traces(asked(bot, bot.ben, place))


@pytest.mark.parametrize(
    "method", ["usergroups.users.list", "users.info", "conversations.members", "users.list", "conversations.info"]
)
def test_what_slack_does_not_say_gives_no_right(bot: Workspace, database: str, method: str) -> None:
    """Each look-up that fails takes rights away, and the bot still speaks."""
    place = bot.add_channel("board", bot.ada, private=True)
    direct = bot.direct_message(bot.ada)
    needs = {
        "usergroups.users.list": (f"group:{GROUP}", direct),
        "users.info": ("everyone", direct),
        "conversations.members": (f"channel:{place.id}", direct),
        "users.list": ("everyone", place),
        "conversations.info": ("everyone", place),
    }
    principal, where = needs[method]
    narrow(database, principal)
    assert traces(asked(bot, bot.ada, where))
    bot.refuse(method, "missing_scope", times=None)
    assert not traces(asked(bot, bot.ada, where, "Tell me when the works in Graz will be closed?"))


def test_who_left_the_group_reads_no_more(bot: Workspace) -> None:
    """From the next question on."""
    direct = bot.direct_message(bot.ada)
    assert traces(asked(bot, bot.ada, direct))
    bot.add_usergroup(GROUP, bot.ben)
    assert not traces(asked(bot, bot.ada, direct))
    assert traces(asked(bot, bot.ben, bot.direct_message(bot.ben)))


def test_a_channels_setting_gives_no_right_and_names_nothing(bot: Workspace, database: str) -> None:
    """A channel that is set to search the collection says neither what it holds nor that it exists."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO channel (id, collections, changed_by) VALUES (%s, '{boardroom}', 'U1')", [bot.maintenance.id]
        )
    assert not traces(asked(bot, bot.ada, bot.maintenance))


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


# What was answered to Ada, who may read it, and every other way to get at it.


@pytest.fixture
def answered_to_ada(bot: Workspace, rows: Rows) -> str:
    """Ada has asked directly; the id of her answer."""
    assert traces(asked(bot, bot.ada, bot.direct_message(bot.ada)))
    return str(rows("SELECT id FROM answer")[0][0])


def forged(workspace: Workspace, person: Person, channel: Channel, action_id: str, value: str) -> None:
    """Presses a button of this name and value, as if the bot had shown it here."""
    button = {"type": "button", "action_id": action_id, "value": value, "text": {"type": "plain_text", "text": "Go"}}
    client = WebClient(token=workspace.app.bot_token, base_url=workspace.api_url)
    posted = client.chat_postMessage(channel=channel.id, text="-", blocks=[{"type": "actions", "elements": [button]}])
    (message,) = [message for message in workspace.messages(channel) if message.ts == posted["ts"]]
    workspace.press(person, message, action_id)


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


# What a person vouches for is for those who may read all that it was made of.

VOUCHED = "The works in Graz are shut in March, lunch or no lunch."


def made_of(database: str, cited: Sequence[str], found: Sequence[str] = (), *, channel: str | None = None) -> UUID:
    """An answer that cites a passage of each collection of `cited`; others were `found`, and stand before them."""
    passages = [
        {"chunk_id": number, "content_hash": f"{number:064x}", "title": "T", "heading": "H", "collection": name}
        for number, name in enumerate([*found, *cited])
    ]
    shown = {"document": "d", "title": "T", "heading": "H", "url": None, "quote": ""}
    sources = [{"number": 1, "chunk_id": number, **shown} for number in range(len(found), len(passages))]
    with psycopg.connect(database) as conn:
        row = conn.execute(
            "INSERT INTO answer (asked_by, channel, state, question, text, prompt, passages, sources, finished_at)"
            " VALUES ('U1', %s, 'answered', %s, 'So it is.', 'p', %s, %s, now()) RETURNING id",
            [channel, QUESTION, Jsonb(passages), Jsonb(sources)],
        ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def reaches(app: SlackApp, person: Person, text: str = VOUCHED, **scope: Any) -> bool:
    """Whether the person is answered from it."""
    principals = readers.personal(app.runtime, person.id)
    with app.runtime.pool.connection() as conn:
        register_vector(conn)
        found = search(conn, EMBEDDER, text, scope=Scope(principals=principals, **scope))
    return any(passage.text == text for passage in found)


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


def saved(database: str) -> bool:
    with psycopg.connect(database) as conn:
        return conn.execute("SELECT count(*) FROM verified_answer").fetchall() == [(1,)]


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


def test_admins_set_an_audience_in_slack(bot: Workspace, database: str, rows: Rows) -> None:
    """By mention or id; it holds from the next question on, and is in the audit log."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [bot.ada.id])
    direct = bot.direct_message(bot.ben)
    assert not traces(asked(bot, bot.ben, direct))
    bot.slash("ben", "maintenance", "/journeyman", f"collection boardroom add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ben) if "admins only" in m.text])
    bot.slash("ada", "maintenance", "/journeyman", f"collection boardroom add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ada) if "From the next question on" in m.text])
    assert traces(asked(bot, bot.ben, direct, "Tell me when the works in Graz will be closed?"))
    assert rows("SELECT detail ->> 'principal' FROM audit WHERE action = 'collection add' AND detail <> '{}'") == [
        (f"user:{bot.ben.id}",)
    ]


def test_a_collection_may_have_any_name(bot: Workspace, database: str, rows: Rows) -> None:
    """Slack sends `&`, `<` and `>` of what was typed as entities."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [bot.ada.id])
        conn.execute("INSERT INTO collection (name) VALUES ('R&D <1>')")
    bot.slash("ada", "maintenance", "/journeyman", f"collection R&amp;D &lt;1&gt; add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ada) if "R&amp;D &lt;1&gt; is for" in m.text])
    assert rows("SELECT detail ->> 'collection' FROM audit WHERE action = 'collection add' AND detail <> '{}'") == [
        ("R&D <1>",)
    ]


# Messages that others read, and lists for admins, name no document that their readers may not read.


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


def test_a_passage_is_read_in_its_own_collection(database: str, rows: Rows, answered_to_ada: str) -> None:
    """The same words stand in another one, which the reader may not read, and have gone from theirs."""
    with psycopg.connect(database) as conn:
        chunk = chunk_of(rows, answered_to_ada)
        conn.execute("""UPDATE answer SET passages = replace(passages::text, '"boardroom"', '"house"')::jsonb""")
        passage = read_passage(conn, UUID(answered_to_ada), chunk)
    assert passage is not None
    assert (passage.collection, passage.text) == ("house", None)


def test_a_private_question_goes_to_experts_when_its_asker_wants(bot: Workspace, database: str) -> None:
    """Not when somebody else presses a button of its name."""
    answer_id = made_of(database, [], channel=bot.maintenance.id)
    with psycopg.connect(database) as conn:
        save_channel(conn, bot.maintenance.id, ChannelSettings(experts=[bot.ben.id]), "U1")
        conn.execute("UPDATE answer SET private = true, asked_by = %s", [bot.ada.id])
        assert begin_request(conn, answer_id, bot.ben.id, 1) == views.NO_SUCH_ANSWER
        assert not isinstance(begin_request(conn, answer_id, bot.ada.id, 1), str)


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


# Who is a full member: asked seldom, and in doubt nobody is.


def asked_slack(workspace: Workspace, method: str, since: int) -> int:
    return len([call for call in workspace.calls()[since:] if call.method == method])


@pytest.mark.parametrize("who", ["guest", "stranger", "stranger refused", "new member", "crowd"])
def test_the_directory_is_not_read_again_for_those_it_does_not_name(
    app: SlackApp, bot: Workspace, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """A guest is known as one; who is not in it is asked about alone, and remembered; of a crowd nobody is."""
    for name in ("DIRECTORY_CACHE", "FAILURE_CACHE"):
        monkeypatch.setattr(readers, name, 600.0)
    readers.common(app.runtime, bot.maintenance.id)
    if who == "guest":
        bot.maintenance.members.add(bot.add_person("gus", is_restricted=True).id)
        monkeypatch.setattr(readers, "_KNOWN", WeakKeyDictionary())  # the directory has the guest
    elif who == "crowd":
        bot.maintenance.members.update(bot.add_person(f"p{n}").id for n in range(readers.MOST_ASKED + 1))
    elif who == "new member":
        bot.maintenance.members.add(bot.add_person("eva").id)
    else:
        bot.maintenance.members.add("U0STRANGER")
        if who == "stranger refused":
            bot.refuse("users.info", "ratelimited", times=None)
    before = len(bot.calls())
    for _ in range(3):
        found = readers.common(app.runtime, bot.maintenance.id)
        assert ("everyone" in found) == (who == "new member")
    assert asked_slack(bot, "users.list", before) == (who == "guest")
    assert asked_slack(bot, "users.info", before) == (who not in ("guest", "crowd"))


def test_the_directory_is_read_in_large_pages_by_one_at_a_time(
    app: SlackApp, bot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many questions come at once; a failure is remembered for a while, so that it is not asked for ever."""
    monkeypatch.setattr(readers, "DIRECTORY_CACHE", 600.0)
    monkeypatch.setattr(readers, "FAILURE_CACHE", 600.0)
    bot.refuse("users.list", "ratelimited", times=1)
    before = len(bot.calls())
    threads = [Thread(target=readers.common, args=(app.runtime, bot.maintenance.id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert "everyone" not in readers.common(app.runtime, bot.maintenance.id)
    assert asked_slack(bot, "users.list", before) == 1
    assert [call.args["limit"] for call in bot.calls() if call.method == "users.list"] == ["1000"]
    monkeypatch.setattr(readers, "FAILURE_CACHE", 0.0)
    assert "everyone" in readers.common(app.runtime, bot.maintenance.id)
