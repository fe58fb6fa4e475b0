"""The real bot in this process, connected to the tests' Slack, with a chain that is given as an argument."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Any, Protocol

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bot.app import SlackApp, build_app, run_http, run_socket_mode
from bot.operations import Operations
from bot.questions.limits import QuestionLimits
from bot.runtime import Answerer
from retrieval.embedding import MiniLM
from tests.bot.samples import stand_in_chain
from tests.slack_workspace import Workspace
from tests.slack_workspace.fixtures import workspace
from tests.slack_workspace.model import Message

__all__ = ["workspace"]

Rows = Callable[[str], list[tuple[Any, ...]]]
EMBEDDER = MiniLM()  # loads its weights when it first embeds
ASKED = "what does alarm 4 mean?"


class Connect(Protocol):
    """Starts the bot with a chain, over Socket Mode or, given a port, over HTTP; it ends with the test."""

    def __call__(
        self,
        chain: Answerer = ...,
        *,
        http_port: int | None = None,
        admins: Sequence[str] = ...,
        operations: Operations | None = None,
        limits: QuestionLimits | None = None,
    ) -> SlackApp: ...


def ask(workspace: Workspace, text: str = ASKED, **where: Any) -> Message:
    """Ada asks by mention in the channel."""
    return workspace.post("ada", "maintenance", f"{workspace.mention} {text}", **where)


@pytest.fixture
def pool(database: str) -> Iterator[ConnectionPool[Any]]:
    """A pool as the composition root builds it, on a database of this test's own."""
    with ConnectionPool(database, min_size=1, max_size=4, open=True) as opened:
        yield opened


@pytest.fixture
def connect(workspace: Workspace, pool: ConnectionPool[Any]) -> Iterator[Connect]:
    """Start the bot in this process and wait until it is connected."""
    with ExitStack() as running:

        def start(
            chain: Answerer = stand_in_chain,
            *,
            http_port: int | None = None,
            admins: Sequence[str] = (),
            operations: Operations | None = None,
            limits: QuestionLimits | None = None,
        ) -> SlackApp:
            app = build_app(
                pool=pool,
                answer=chain,
                embedder=EMBEDDER,
                token=workspace.app.bot_token,
                signing_secret=workspace.app.signing_secret if http_port else None,
                api_url=workspace.api_url,
                admins=admins,
                operations=operations,
                limits=limits,
            )
            if http_port:
                running.enter_context(_thread(lambda stop: run_http(app, "127.0.0.1", http_port, stop=stop)))
                workspace.wait_for(lambda: listens(http_port))
                return app
            running.enter_context(
                _thread(lambda stop: run_socket_mode(app, workspace.app.app_token, workspace.api_url, stop=stop))
            )
            workspace.wait_for(lambda: workspace.connections == 1)
            return app

        yield start


def listens(port: int) -> bool:
    """Whether a server takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _thread(run: Callable[[Flag], None]) -> Iterator[None]:
    stop = Flag()
    thread = Thread(target=run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def rows(database: str) -> Rows:
    """Reads rows that the bot committed."""

    def read(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(database) as conn:
            return conn.execute(query).fetchall()

    return read
