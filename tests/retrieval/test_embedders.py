"""Embedding models by name: a server that speaks OpenAI's API, sentence-transformers, the multilingual one."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import (
    MULTILINGUAL,
    OpenAIEmbedder,
    QueryEmbedder,
    Remote,
    SentenceTransformerEmbedder,
    embed_query,
    embedder_named,
)
from retrieval.embedding import EmbedderMissing, MiniLM, installed_folder


class Server(ThreadingHTTPServer):
    """An embeddings server: notes what it is asked, and fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.failures: list[tuple[int, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """The vector of a text says how long it is, and is not of unit length."""

    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.failures:
            status, headers = self.server.failures.pop(0)
            self.answer(status, {"error": {"message": "not now", "type": "x"}}, headers)
            return
        self.server.asked.append(asked)
        self.server.keys.append(self.headers.get("Authorization"))
        size = asked.get("dimensions") or 8
        data = []
        for index, text in enumerate(asked["input"]):
            vector = np.arange(size, dtype=np.float32) + len(text)
            coded = base64.b64encode(vector.tobytes()).decode()
            shown = coded if asked.get("encoding_format") == "base64" else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": shown})
        self.answer(200, {"object": "list", "data": data, "model": asked["model"], "usage": {}}, {})

    def answer(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_server_embeds_in_batches(server: Server) -> None:
    """In order, of unit length, as texts and not as tokens, in requests that a server takes."""
    embedder = OpenAIEmbedder("openai/text-embedding-3-small@16", Remote(server.url, "a-key"))
    vectors = embedder.embed(["x" * length for length in range(1, 301)])
    assert vectors.shape == (300, 16)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[9], embedder.embed(["x" * 10])[0], atol=1e-6)
    assert [len(asked["input"]) for asked in server.asked] == [128, 128, 44, 1]
    assert {asked["model"] for asked in server.asked} == {"text-embedding-3-small"}
    assert {asked["dimensions"] for asked in server.asked} == {16}
    assert set(server.keys) == {"Bearer a-key"}
    assert embedder.embed([]).shape[0] == 0


def test_server_is_asked_again(server: Server) -> None:
    """When it is asked too often, and when it breaks; after as long as it says."""
    embedder = OpenAIEmbedder("openai/m@4", Remote(server.url, "k"))
    server.failures = [(429, {"Retry-After": "0"}), (500, {}), (503, {"Retry-After": "0"})]
    assert embedder.embed(["x"]).shape == (1, 4)
    assert server.failures == []


def test_dimensions_are_asked_for(server: Server) -> None:
    """Where the name does not say them."""
    assert OpenAIEmbedder("openai/m", Remote(server.url, None)).dimensions == 8


def test_server_is_not_asked_too_often(server: Server) -> None:
    """A limit of ours comes before the server's."""
    embedder = OpenAIEmbedder("openai/m@4", Remote(server.url, "k", per_minute=600))  # one each 0.1 s
    started = time.monotonic()
    for _ in range(3):
        embedder.embed(["x"])
    assert time.monotonic() - started > 0.15


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("openai/text-embedding-3-small", "JOURNEYMAN_EMBEDDER_API_KEY"),
        ("openai/text-embedding-3-small@many", "number"),
        pytest.param("/no/such/folder", "folder", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_had_says_what_to_do(name: str, remedy: str) -> None:
    """In one sentence, that names the model."""
    remote = Remote(None, "k" if "@" in name else None)
    with pytest.raises(EmbedderMissing, match=remedy):
        embedder_named(name, remote)


def test_question_is_embedded_as_a_document_where_the_model_makes_no_difference() -> None:
    """MiniLM was trained without prefixes."""
    embedder = embedder_named(MiniLM.name, Remote())
    assert not isinstance(embedder, QueryEmbedder)
    assert np.array_equal(embed_query(embedder, "Hello"), embedder.embed(["Hello"])[0])


@pytest.mark.slow
def test_multilingual_model_crosses_languages() -> None:
    """A German and a Hebrew question are nearest to the passage that answers, whatever its language."""
    embedder = embedder_named(MULTILINGUAL, Remote())
    passages = embedder.embed(
        ["The spindle bearing is greased every 40 hours.", "Der Urlaub wird im Januar beantragt.", "הכביסה ביום שני"]
    )
    assert passages.shape == (3, 384)
    for question, answer in [
        ("Wie oft wird das Spindellager geschmiert?", 0),
        ("When do I apply for holidays?", 1),
        ("מתי הכביסה?", 2),
    ]:
        assert int(np.argmax(passages @ embed_query(embedder, question))) == answer


@pytest.mark.slow
def test_sentence_transformers_makes_the_same_vectors() -> None:
    """The default model, run by sentence-transformers: our own numbers are its numbers."""
    theirs = SentenceTransformerEmbedder(str(installed_folder()))
    assert theirs.dimensions == 384
    texts = ["The pump is blue.", "Alarm 4: " + "hard limit " * 80]
    cosines = np.sum(theirs.embed(texts) * MiniLM().embed(texts), axis=1)
    assert (cosines > 0.999).all()
    assert np.allclose(embed_query(theirs, "Hello"), theirs.embed(["Hello"])[0], atol=1e-5)
