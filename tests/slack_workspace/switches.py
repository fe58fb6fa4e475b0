"""What a test may make go wrong: rate limits, failures, slowness, an older workspace, lost connections."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.slack_workspace.server import Server
from tests.slack_workspace.signed_http import SignedHttp
from tests.slack_workspace.socket_mode import SocketMode
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Fault, WebApi


class Switches:
    """The part of `Workspace` that makes trouble."""

    def __init__(self, state: State, web_api: WebApi, socket_mode: SocketMode, server: Server) -> None:
        self.state = state
        self.web_api = web_api
        self.socket_mode = socket_mode
        self.server = server

    def _add(self, fault: Fault) -> None:
        with self.state.lock():
            self.web_api.faults.append(fault)

    def rate_limit(self, method: str, times: int = 1, retry_after: int = 1) -> None:
        """Answer HTTP 429 with Retry-After (seconds)."""
        headers = {"Retry-After": str(retry_after)}
        self._add(Fault(method, times, status=429, headers=headers, body={"ok": False, "error": "ratelimited"}))

    def fail(self, method: str, times: int | None = 1, status: int = 500) -> None:
        """Answer with an HTTP error."""
        self._add(Fault(method, times, status=status, body={"ok": False, "error": "internal_error"}))

    def refuse(self, method: str, error: str, times: int | None = 1) -> None:
        """Answer with one of Slack's errors."""
        self._add(Fault(method, times, body={"ok": False, "error": error}))

    def drop(self, method: str, times: int | None = 1, *, after: bool = False) -> None:
        """Break the connection before the method does anything, or after it did (the answer is lost)."""
        self._add(Fault(method, times, drop=not after, drop_after=after))

    def slow(self, method: str, seconds: float, times: int | None = None) -> None:
        """Take this long before answering."""
        self._add(Fault(method, times, seconds=seconds))

    def mend(self) -> None:
        """End every fault of the Web API."""
        with self.state.lock():
            self.web_api.faults.clear()

    def become_older(self, older: bool = True) -> None:
        """Be a workspace that does not know the newest methods and blocks."""
        with self.state.lock():
            self.state.older = older

    def revoke_tokens(self, error: str = "token_revoked") -> None:
        """The app was uninstalled (`token_revoked`) or its bot deactivated (`account_inactive`)."""
        with self.state.lock():
            self.state.revoked = error

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.server.running_loop).result(10)

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every Socket Mode connection to go: `refresh_requested`, `warning` or `link_disabled`."""
        self._run(self.socket_mode.disconnect(reason))

    def drop_connections(self) -> None:
        """Reset every Socket Mode connection without a word."""
        self._run(self.socket_mode.drop())

    @property
    def connections(self) -> int:
        """How many Socket Mode connections are open now."""
        return len(self.socket_mode.live())

    @property
    def connections_opened(self) -> int:
        """How many Socket Mode connections were ever opened."""
        return self.socket_mode.opened

    def deliver_over_http(self, request_url: str, *, secret: str | None = None, clock_skew: float = 0.0) -> SignedHttp:
        """From now on send everything to this URL, signed, after the url_verification handshake.

        Raises Undelivered where the app does not answer the challenge. With a wrong `secret` or a
        `clock_skew` (seconds) the handshake is left out, since it could not succeed.
        """
        carrier = SignedHttp(self.state, request_url, secret or self.state.app.signing_secret, clock_skew)
        if secret is None and not clock_skew:
            self._run(carrier.verify())
        self.server.courier.carrier = carrier
        return carrier
