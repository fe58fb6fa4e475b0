"""The HTTP server for whoever watches a process: /metrics, /healthz (it lives) and /readyz (it can do its work)."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, make_wsgi_app
from waitress.server import create_server  # type: ignore[import-untyped]

from journeyman.failures import explain

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

THREADS = 2

HealthCheck = Callable[[], object]
"""Raises when a part does not answer."""


class Monitor:
    """The WSGI application. `checks` are run at each request to /readyz, all of them."""

    def __init__(self, registry: CollectorRegistry, checks: Mapping[str, HealthCheck]) -> None:
        self._metrics: Any = make_wsgi_app(registry)
        self._checks = checks

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            return _reply(start_response, "200 OK", {"alive": True})
        if path == "/readyz":
            reasons = self._examine()
            ready = all(reason is None for reason in reasons.values())
            return _reply(start_response, "200 OK" if ready else "503 Service Unavailable", {"ready": ready, **reasons})
        return _reply(start_response, "404 Not Found", {"paths": ["/metrics", "/healthz", "/readyz"]})

    def _examine(self) -> dict[str, str | None]:
        """The reason by the name of each check; None for one that passes."""
        reasons: dict[str, str | None] = {}
        for name, check in self._checks.items():
            try:
                check()
                reasons[name] = None
            except Exception as error:  # noqa: BLE001 - an edge: whatever is wrong is told to whoever asks
                reasons[name] = explain(error).sentence
        return reasons


@contextmanager
def served(monitor: Monitor, host: str, port: int) -> Iterator[int]:
    """Serve while the context lasts; gives the port, which 0 leaves to the system. Raises OSError if it is taken."""
    server = create_server(monitor, host=host, port=port, threads=THREADS, ident="journeyman")
    serving = threading.Thread(target=server.run, name="monitoring", daemon=True)
    serving.start()
    try:
        yield int(server.effective_port)
    finally:
        server.close()


def _reply(start_response: "StartResponse", status: str, body: Mapping[str, object]) -> Iterable[bytes]:
    data = (json.dumps(body) + "\n").encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
