"""Two collections, one for everybody and one for a group, and ways to get at them: for tests of who may read what."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from slack_sdk import WebClient

from bot.admin import authorization
from bot.app import SlackApp
from bot.questions import readers
from retrieval.answering.chain import AnswerChain
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from tests.bot.conftest import EMBEDDER, Connect, Rows
from tests.slack_workspace import Workspace
from tests.slack_workspace.model import Channel, Person

GROUP = "SBOARD"
SECRET = "The works in Graz will be closed in March."
TITLE = "Operation Marmot"
QUESTION = "When will the works in Graz be closed?"
TRACES = ("in March", TITLE, "marmot.md", "Closure of sites", "boardroom")
VOUCHED = "The works in Graz are shut in March, lunch or no lunch."


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
