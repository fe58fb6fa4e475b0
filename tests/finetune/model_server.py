"""A model server for tests: speaks as much of OpenAI's protocol as a streamed chat answer needs."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SENTENCE = "The pump is blue and stands in hall 3. [1]"


class Handler(BaseHTTPRequestHandler):
    """Writes what it says word by word."""

    def said(self, turn: str) -> str:
        """To the last turn of a conversation."""
        return SENTENCE

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in self.said(body["messages"][-1]["content"]).split(" "):
            self.event({"index": 0, "delta": {"role": "assistant", "content": word + " "}})
        self.event({"index": 0, "delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, choice: dict[str, object]) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def model_server(reply: Callable[[str], str] = lambda _: SENTENCE) -> Iterator[str]:
    """A running server; its URL. `reply` is what it says to a turn, the same sentence unless it is given."""
    handler = type("Replying", (Handler,), {"said": lambda self, turn: reply(turn)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
