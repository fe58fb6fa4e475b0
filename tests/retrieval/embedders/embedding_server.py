"""An embedding server for tests: speaks OpenAI's embeddings API, and fails as it is told to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import numpy.typing as npt

LONGEST_HANG = 5.0


@dataclass(frozen=True)
class Reply:
    """One answer that is not the right one. `hang`: seconds before it comes. `cut`: the connection just ends."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    hang: float = 0.0
    cut: bool = False


@dataclass
class EmbeddingServer:
    """What it is told (the next `replies`, then the truth), and what it was sent."""

    url: str = ""
    dimensions: int = 8
    most_texts: int = 1000
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    @property
    def texts(self) -> list[list[str]]:
        """The texts of each request."""
        return [request["input"] for request in self.requests]


def direction(text: str, dimensions: int) -> npt.NDArray[np.float32]:
    """The vector that stands for a text; its length is not 1."""
    seed = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    return np.asarray(np.random.default_rng(seed).normal(size=dimensions), dtype=np.float32)


@contextmanager
def embedding_server(**told: Any) -> Iterator[EmbeddingServer]:
    """A running server."""
    state = EmbeddingServer(**told)
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/embeddings"
            state.requests.append(request)
            state.times.append(time.monotonic())
            state.keys.append(self.headers["Authorization"])
            if state.replies:
                reply = state.replies.pop(0)
                ending.wait(min(reply.hang, LONGEST_HANG))
                if reply.cut:
                    self.close_connection = True
                    return
                self.send(reply.status, reply.body, reply.headers)
            elif len(request["input"]) > state.most_texts:
                self.send(413, {"error": {"message": "batch size > maximum allowed", "type": "Validation"}})
            else:
                self.send(200, self.vectors(request))

        def vectors(self, request: dict[str, Any]) -> Any:
            dimensions = request.get("dimensions", state.dimensions)
            rows = [
                {"object": "embedding", "index": i, "embedding": direction(text, dimensions).tolist()}
                for i, text in enumerate(request["input"])
            ]
            return {"object": "list", "data": rows[::-1], "model": request["model"]}

        def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield state
        finally:
            ending.set()
            server.shutdown()
            thread.join()
