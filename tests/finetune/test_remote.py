"""A model server in place of the model: a real HTTP server that speaks OpenAI's streaming protocol."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from finetune.errors import ModelUnusable
from finetune.remote import remote_chat_model

QUESTION = [SystemMessage("Be brief."), HumanMessage("How often?")]
WORDS = ["Every ", "250 ", "hours — ", "geprüft."]


class ModelServer(ThreadingHTTPServer):
    """Answers every chat completion with WORDS, or as `status` and `breaks_off` say; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lists = True
        self.status = 200
        self.breaks_off = False
        self.endless = False
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append({"path": self.path, **json.loads(body)})
        self.server.keys.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        streams = self.server.status == 200
        self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
        self.end_headers()
        if not streams:
            self.wfile.write(json.dumps({"error": {"message": "no", "type": "x"}}).encode())
            return
        try:
            self.stream()
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()

    def do_GET(self) -> None:
        listed = self.path == "/v1/models" and self.server.lists
        self.send_response(200 if listed else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "phi-3-served"}]} if listed else {}).encode())

    def stream(self) -> None:
        while self.server.endless:
            self.event([{"index": 0, "delta": {"role": "assistant", "content": "again "}}])
        for word in WORDS:
            self.event([{"index": 0, "delta": {"role": "assistant", "content": word}}])
        if self.server.breaks_off:
            return
        self.event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self.event([], usage={"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, choices: list[dict[str, Any]], **fields: Any) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "phi", "choices": choices}
        self.wfile.write(b"data: " + json.dumps(chunk | fields).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """The model server, running."""
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_streams_what_the_server_writes(server: ModelServer) -> None:
    """The pieces arrive as they were sent, the last ones with usage and reason."""
    model = remote_chat_model(server.url, "phi-3", "secret", 50)
    pieces = list(model.stream(QUESTION))
    assert [piece.text for piece in pieces if piece.text] == WORDS
    whole = model.invoke(QUESTION)
    assert whole.text == "".join(WORDS)
    assert whole.usage_metadata["total_tokens"] == 15  # type: ignore[index]
    assert whole.response_metadata["finish_reason"] == "stop"


def test_request_is_what_such_servers_know(server: ModelServer) -> None:
    """Chat completions, greedy, with `max_tokens` by its common name, the messages in order, and the key."""
    remote_chat_model(server.url, "phi-3", "secret", 50).invoke(QUESTION, stop=["\n\n"])
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions"
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("phi-3", 50, 0)
    assert "max_completion_tokens" not in request
    assert request["stop"] == ["\n\n"]
    assert [(turn["role"], turn["content"]) for turn in request["messages"]] == [
        ("system", "Be brief."),
        ("user", "How often?"),
    ]
    assert server.keys == ["Bearer secret"]


def test_without_a_name_the_server_s_first_model_answers(server: ModelServer) -> None:
    """Also where the URL leaves out /v1; a server that lists nothing is asked all the same."""
    for url in (server.url, server.url.removesuffix("/v1"), server.url + "/"):
        model = remote_chat_model(url, None, None, 50)
        assert model.model_name == "phi-3-served"
        assert model.invoke(QUESTION).text == "".join(WORDS)
    server.lists = False
    assert remote_chat_model(server.url, None, None, 50).invoke(QUESTION).text == "".join(WORDS)


def test_works_without_a_key_and_with_another_limit(server: ModelServer) -> None:
    """Servers without keys need none, and a call may lower the limit."""
    remote_chat_model(server.url, "phi-3", None, 50).invoke(QUESTION, max_tokens=5)
    assert server.requests[0]["max_tokens"] == 5


def test_name_and_transcript(server: ModelServer) -> None:
    """It answers to the same attributes as the local model."""
    model = remote_chat_model(server.url, "phi-3", None, 50)
    assert (model.model_name, model.adapter) == ("phi-3", None)
    assert model.render(QUESTION) == "system: Be brief.\n\nhuman: How often?"


def test_closing_the_stream_hangs_up(server: ModelServer) -> None:
    """The server notices that nobody reads on, and can stop."""
    server.endless = True
    stream = remote_chat_model(server.url, "phi-3", None, 50).stream(QUESTION)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert server.hung_up.wait(10)


def test_cancel_event_hangs_up(server: ModelServer) -> None:
    """Setting the event ends the answer at the next piece."""
    server.endless = True
    cancel = threading.Event()
    stream = remote_chat_model(server.url, "phi-3", None, 50).stream(QUESTION, cancel=cancel)
    next(stream)
    cancel.set()
    list(stream)
    assert server.hung_up.wait(10)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "JOURNEYMAN_MODEL_API_KEY"), (403, "JOURNEYMAN_MODEL_API_KEY"), (404, "phi-3"), (400, "status 400")],
)
def test_refusals_are_explained(server: ModelServer, status: int, advice: str) -> None:
    """What the server refuses is said in one sentence that names the setting, never the key."""
    server.status = status
    with pytest.raises(ModelUnusable, match=advice) as refusal:
        remote_chat_model(server.url, "phi-3", "secret", 50).invoke(QUESTION)
    assert "secret" not in str(refusal.value)


def test_silence_is_explained(server: ModelServer) -> None:
    """A server that is not there is named by its URL."""
    url = "http://127.0.0.1:9/v1"
    with pytest.raises(ModelUnusable, match=f"{url} does not answer"):
        list(remote_chat_model(url, "phi-3", None, 50).stream(QUESTION))


def test_a_broken_answer_is_no_answer(server: ModelServer) -> None:
    """A stream that ends without a reason was cut off."""
    server.breaks_off = True
    with pytest.raises(ModelUnusable, match="broke off"):
        remote_chat_model(server.url, "phi-3", None, 50).invoke(QUESTION)


def test_needs_no_torch(server: ModelServer) -> None:
    """A host that talks to a model server answers without torch and transformers."""
    code = (
        "import sys; from finetune.remote import remote_chat_model;"
        "remote_chat_model(sys.argv[1], 'phi-3', None, 5).invoke('Hello');"
        "print([name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, server.url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
