"""The WebSocket to Slack: a burst loses nothing, silence is noticed, a new connection is there before the old goes."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import WSMsgType, web
from psycopg_pool import ConnectionPool
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.app import build_app
from bot.slack.socket_mode import Link
from bot.slack.workspace import web_client
from tests.bot.conftest import EMBEDDER, Connect, ask
from tests.bot.samples import ANSWER_TEXT, stand_in_chain
from tests.slack_workspace import Workspace

BURST = 1500
WORDS = "x" * 1300  # so that no receive ends with a frame


class Slack:
    """As much of Slack as connects: gives addresses, and does with each connection what `behave` says."""

    def __init__(self, behave: Callable[[int, web.WebSocketResponse], Any], *, answers_pings: bool = True) -> None:
        self.behave, self.answers_pings = behave, answers_pings
        self.opened = 0
        self.acknowledged: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self._ready = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Slack"]:
        """In a thread of its own."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        assert self._ready.wait(10)
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_post("/api/{method}", self._method)
        app.router.add_get("/link/", self._link)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.loop.run_until_complete(runner.setup())
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.loop.run_until_complete(web.SockSite(runner, listening).start())
        self._ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    async def _method(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": f"ws://127.0.0.1:{self.port}/link/?ticket=1", "user_id": "U1"})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(autoping=self.answers_pings)
        await connection.prepare(request)
        self.opened += 1
        behaving = asyncio.ensure_future(self.behave(self.opened, connection))
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                self.acknowledged.append(json.loads(message.data)["envelope_id"])
        behaving.cancel()
        return connection


@contextmanager
def linked(slack: Slack, pool: ConnectionPool[Any], silence: float = 3.0) -> Iterator[list[str]]:
    """A link that keeps every envelope and acknowledges it; gives what it received."""
    api_url = f"http://127.0.0.1:{slack.port}/api/"
    app = build_app(pool=pool, answer=stand_in_chain, embedder=EMBEDDER, token="xoxb-1", api_url=api_url)
    received: list[str] = []

    def keep(request: SocketModeRequest, acknowledge: Callable[[], None]) -> bool:
        received.append(request.envelope_id)
        acknowledge()
        return True

    link = Link(app, "xapp-1", web_client("xoxb-1", api_url, app.logger), app.logger, keep, silence)
    link.connect()
    try:
        yield received
    finally:
        link.close()


def envelope(number: int) -> str:
    """An event as Slack wraps it."""
    return json.dumps({"type": "events_api", "envelope_id": str(number), "payload": {"event": {"text": WORDS}}})


def eventually(is_so: Callable[[], bool], timeout: float = 120.0) -> bool:
    """Whether it becomes so."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_burst_loses_no_envelope(pool: ConnectionPool[Any]) -> None:
    """All of them, in their order, each acknowledged; the SDK's own client loses the most of so many."""

    async def burst(number: int, connection: web.WebSocketResponse) -> None:
        for envelope_number in range(BURST):
            await connection.send_str(envelope(envelope_number))

    with Slack(burst).running() as slack, linked(slack, pool) as received:
        assert eventually(lambda: len(slack.acknowledged) == BURST)
    assert received == slack.acknowledged == [str(number) for number in range(BURST)]


def test_a_silent_connection_is_given_up(pool: ConnectionPool[Any]) -> None:
    """Neither frames nor answers to pings: another connection takes its place."""

    async def be_silent(number: int, connection: web.WebSocketResponse) -> None:
        if number > 1:
            await connection.send_str(envelope(number))

    with Slack(be_silent, answers_pings=False).running() as slack, linked(slack, pool, 0.2) as received:
        assert eventually(lambda: "2" in received)


def test_an_idle_connection_that_answers_pings_stays(pool: ConnectionPool[Any]) -> None:
    """Nobody writes for a while: nothing happens."""

    async def rest(number: int, connection: web.WebSocketResponse) -> None:
        await asyncio.sleep(1.5)
        await connection.send_str(envelope(number))

    with Slack(rest).running() as slack, linked(slack, pool, 0.2) as received:
        assert eventually(lambda: received == ["1"])
        assert slack.opened == 1


def test_a_new_connection_is_there_before_the_old_one_goes(pool: ConnectionPool[Any]) -> None:
    """What Slack still sends over the old one is heard."""
    second = asyncio.Event()

    async def refresh(number: int, connection: web.WebSocketResponse) -> None:
        if number == 1:
            await connection.send_json({"type": "disconnect", "reason": "refresh_requested"})
            await second.wait()
            await connection.send_str(envelope(1))
            await connection.close()
        else:
            second.set()
            await connection.send_str(envelope(number))

    with Slack(refresh).running() as slack, linked(slack, pool) as received:
        assert eventually(lambda: sorted(received) == ["1", "2"])
        time.sleep(0.3)
        assert slack.opened == 2


def test_slack_that_is_away_is_asked_again(workspace: Workspace, connect: Connect) -> None:
    """No address for a while: it goes on trying, and what was posted meanwhile is answered."""
    connect()
    workspace.fail("apps.connections.open", times=4, status=404)
    workspace.drop_connections()
    question = ask(workspace)
    assert workspace.wait_for_reply(question, 40).text == ANSWER_TEXT
