"""The Web API: one entrance that checks token, scope and faults, runs the method, and records the call.

https://docs.slack.dev/apis/web-api. The methods themselves are in `methods/`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.model import Call, Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State

Handler = Callable[[State, Arguments], Json]


@dataclass(frozen=True)
class Method:
    """A Web API method. Any one of `scopes` suffices; `newest` ones are unknown to an older workspace."""

    handler: Handler
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app"] = "bot"
    newest: bool = False


@dataclass
class Fault:
    """Something that goes wrong with a method the next `times` times (None: until it is mended)."""

    method: str
    times: int | None
    seconds: float = 0.0
    drop: bool = False
    drop_after: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None


@dataclass
class WebApi:
    """Answers /api/METHOD."""

    state: State
    methods: Mapping[str, Method]
    faults: list[Fault] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        try:
            values, token = await _read(request)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_json"})
        fault = self._take_fault(name)
        if fault is not None and fault.seconds:
            await asyncio.sleep(fault.seconds)
        with self.state.lock():
            if fault is not None and (fault.drop or fault.body is not None):
                status, answer = fault.status, fault.body or {"ok": False, "error": "connection_dropped"}
            else:
                status, answer = 200, self._answer(name, values, token)
            error = None if answer.get("ok") else str(answer.get("error"))
            self.state.calls.append(Call(name, values, time.time(), status, error, answer))
        if fault is not None and (fault.drop or fault.drop_after):
            return _cut(request)
        headers = {**self._headers(name), **(fault.headers if fault else {})}
        return web.json_response(answer, status=status, headers=headers)

    def _take_fault(self, name: str) -> Fault | None:
        with self.state.lock():
            fault = next((f for f in self.faults if f.method == name), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault

    def _answer(self, name: str, values: Json, token: str | None) -> Json:
        try:
            method = self._permitted(name, token)
            return {"ok": True, **method.handler(self.state, Arguments(values))}
        except Refusal as refusal:
            return refusal.body()

    def _permitted(self, name: str, token: str | None) -> Method:
        """The method, if this token may call it. Raises Refusal."""
        state, method = self.state, self.methods.get(name)
        if method is None or (method.newest and state.older):
            raise Refusal("unknown_method", req_method=name)
        if token is None:
            raise Refusal("not_authed")
        kinds = {state.app.bot_token: "bot", state.app.app_token: "app"}
        if token not in kinds:
            raise Refusal("invalid_auth")
        if state.revoked is not None:
            raise Refusal(state.revoked)
        if kinds[token] != method.token:
            raise Refusal("not_allowed_token_type")
        if method.scopes and not state.scopes.intersection(method.scopes):
            provided = ",".join(sorted(state.scopes))
            raise Refusal("missing_scope", needed=",".join(method.scopes), provided=provided)
        return method

    def _headers(self, name: str) -> dict[str, str]:
        accepted = self.methods[name].scopes if name in self.methods else ()
        return {
            "x-oauth-scopes": ",".join(sorted(self.state.scopes)),
            "x-accepted-oauth-scopes": ",".join(accepted),
            "x-slack-req-id": f"{time.time_ns():x}",
        }


def _cut(request: web.Request) -> web.StreamResponse:
    """Break the connection in the middle of the call."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _read(request: web.Request) -> tuple[Json, str | None]:
    """The call's arguments and its token, which may stand in the header or among the arguments."""
    values: Json = dict(request.query)
    if request.content_type == "application/json":
        body = await request.json() if request.can_read_body else {}
        values |= body if isinstance(body, dict) else {}
    elif request.method == "POST":
        values |= dict(await request.post())
    scheme, _, header = request.headers.get("Authorization", "").partition(" ")
    given = values.pop("token", None)
    token = header if scheme.lower() == "bearer" and header else given
    return values, token or None
