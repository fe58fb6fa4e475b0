"""Socket Mode: WebSockets that the app opened, envelopes out, acknowledgements in.

Wire format: https://docs.slack.dev/apis/events-api/using-socket-mode. With several connections each envelope
goes to one of them, in turn; what is not acknowledged in time goes out again, over whichever is next.
"""

import asyncio
import json
import secrets
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.slack_workspace.courier import Attempt, Delivery, Undelivered
from tests.slack_workspace.model import Json
from tests.slack_workspace.state import State, new_id

MOST_CONNECTIONS = 10


@dataclass(eq=False)
class Connection:
    """An open WebSocket. `retiring` ones were told to disconnect and get nothing more."""

    id: str
    socket: web.WebSocketResponse
    request: web.Request
    retiring: bool = False


@dataclass
class SocketMode:
    """The carrier over WebSockets. All of it runs on the server's loop."""

    state: State
    connections: deque[Connection] = field(default_factory=deque)
    opened: int = 0
    received: list[Json] = field(default_factory=list)
    _tickets: set[str] = field(default_factory=set)
    _waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _available: asyncio.Event = field(default_factory=asyncio.Event)

    def issue_url(self) -> str:
        """The address for one connection (apps.connections.open). It can be used once."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        address = self.state.base_url.replace("http", "ws", 1)
        return f"{address}/link/?ticket={ticket}&app_id={self.state.app.app_id}"

    def live(self) -> list[Connection]:
        return [c for c in tuple(self.connections) if not c.retiring and not c.socket.closed]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        if request.query.get("ticket", "") not in self._tickets:
            raise web.HTTPForbidden(text="invalid ticket")
        self._tickets.discard(request.query["ticket"])
        socket = web.WebSocketResponse(heartbeat=20, timeout=0.3)
        await socket.prepare(request)
        if len(self.live()) >= MOST_CONNECTIONS:
            await socket.send_json(self._disconnect_message("too_many_websockets"))
            await socket.close()
            return socket
        connection = Connection(new_id("W"), socket, request)
        await socket.send_json(self._hello())
        with self.state.lock():
            self.connections.append(connection)
            self.opened += 1
        self._available.set()
        try:
            await self._receive(connection)
        finally:
            with self.state.lock():
                self.connections.remove(connection)
        return socket

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.live()) + 1,
            "connection_info": {"app_id": self.state.app.app_id},
            "debug_info": {"host": "applink-local", "build_number": 1, "approximate_connection_time": 18060},
        }

    def _disconnect_message(self, reason: str) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-local"}}

    async def _receive(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            answer = json.loads(message.data)
            with self.state.lock():
                self.received.append(answer)
            waiting = self._waiting.get(str(answer.get("envelope_id")))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer.get("payload"))

    async def _next_connection(self) -> Connection:
        """The connection whose turn it is; waits while there is none."""
        while not self.live():
            self._available.clear()
            await self._available.wait()
        while self.connections[0] not in self.live():
            self.connections.rotate(-1)
        connection = self.connections[0]
        self.connections.rotate(-1)
        return connection

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Any:
        """Send an envelope and wait for its acknowledgement; a late one counts, too. Raises Undelivered."""
        answered = self._waiting.setdefault(delivery.envelope_id, asyncio.get_running_loop().create_future())
        if answered.done():
            return answered.result()
        connection = await self._next_connection()
        with self.state.lock():
            delivery.attempts.append(Attempt(time.time(), number, reason, connection.id))
        try:
            await connection.socket.send_json(_envelope(delivery, number, reason))
            return await asyncio.wait_for(asyncio.shield(answered), self.state.timing.acknowledge)
        except TimeoutError:
            raise Undelivered("timeout") from None
        except ConnectionError:
            raise Undelivered("connection_failed") from None

    async def disconnect(self, reason: str) -> None:
        """Tell every connection to go; `warning` leaves it open for now, `refresh_requested` closes it."""
        for connection in self.live():
            await connection.socket.send_json(self._disconnect_message(reason))
            if reason != "warning":
                connection.retiring = True
                asyncio.get_running_loop().call_later(0.5, self._abort, connection)

    async def drop(self) -> None:
        """Reset every connection without a word, as a failing network does."""
        for connection in list(self.connections):
            connection.retiring = True
            self._abort(connection)

    def _abort(self, connection: Connection) -> None:
        transport = connection.request.transport
        if transport is not None:
            # Without lingering the close is a reset, which a client notices at once.
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    async def close(self) -> None:
        for connection in list(self.connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)


def _envelope(delivery: Delivery, number: int, reason: str) -> Json:
    envelope: Json = {
        "envelope_id": delivery.envelope_id,
        "type": delivery.kind,
        "payload": delivery.payload,
        "accepts_response_payload": delivery.kind != "events_api",
    }
    if delivery.kind == "events_api":
        envelope |= {"retry_attempt": number, "retry_reason": reason}
    return envelope
