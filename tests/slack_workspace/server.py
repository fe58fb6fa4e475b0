"""The HTTP and WebSocket server around the workspace: own thread, own loop, 127.0.0.1 and a free port."""

import asyncio
import threading
from dataclasses import dataclass

from aiohttp import web

from tests.slack_workspace import responses
from tests.slack_workspace.courier import Courier
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.socket_mode import SocketMode
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import WebApi


@dataclass
class Server:
    """Serves /api/METHOD, /link/ (Socket Mode), /actions/TEAM/KEY (response_url) and /upload/FILE."""

    state: State
    web_api: WebApi
    socket_mode: SocketMode
    courier: Courier
    host: str = "127.0.0.1"
    port: int = 0
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _runner: web.AppRunner | None = None

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("The workspace is not running.")
        return self._loop

    def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        loop = asyncio.new_event_loop()
        self._loop = self.courier.loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="slack-workspace", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), loop).result(10)

    def stop(self) -> None:
        """Close every connection and end the thread."""
        loop, thread = self.running_loop, self._thread
        asyncio.run_coroutine_threadsafe(self._end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join(10)
        loop.close()
        self._loop = self.courier.loop = None

    async def _listen(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self.web_api.handle)
        app.router.add_get("/link/", self.socket_mode.handle)
        app.router.add_post("/actions/{team}/{key}", self._respond)
        app.router.add_post("/upload/{file}", self._upload)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = int(self._runner.addresses[0][1])
        self.state.base_url = f"http://{self.host}:{self.port}"

    async def _end(self) -> None:
        await self.courier.close()
        await self.socket_mode.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        """A post to a response_url."""
        body = await request.json()
        try:
            with self.state.lock():
                responses.use_response_url(self.state, request.match_info["key"], body)
        except Refusal as refusal:
            status = 404 if refusal.error in ("expired_url", "used_url") else 400
            return web.json_response(refusal.body(), status=status)
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        """The bytes of a file, raw or as a form."""
        content = await request.read()
        with self.state.lock():
            file = self.state.uploads.get(request.match_info["file"])
            if file is None:
                return web.Response(status=404, text="file_not_found")
            file["content"] = content
        return web.Response(text=f"OK - {len(content)}")
