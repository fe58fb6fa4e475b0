"""The embedder of a server, against a server that speaks the API over HTTP, and fails in every way it can."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import Api, EmbeddingFailed, embed_query, embedder_named
from retrieval.embedders.api import MAX_REQUEST_BYTES, MAX_TEXT_BYTES, ApiEmbedder
from tests.retrieval.embedders.embedding_server import EmbeddingServer, Reply, direction, embedding_server

SECRET = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


def embedder(server: EmbeddingServer, name: str = "openai:text-embedding-3-small", **told: Any) -> ApiEmbedder:
    """Patient for a second, unless it is told otherwise."""
    patience = {"question_patience": 1.0, "document_patience": 1.0}
    found = embedder_named(name, api=Api(**{"url": server.url, "key": SECRET, **patience, **told}))
    assert isinstance(found, ApiEmbedder)
    return found


def unit(text: str, dimensions: int = 8) -> Any:
    vector = direction(text, dimensions)
    return vector / np.linalg.norm(vector)


def test_vectors_come_in_order_and_of_length_one(server: EmbeddingServer) -> None:
    """However the server orders and scales them."""
    vectors = embedder(server).embed(["b", "a", "c"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [unit("b"), unit("a"), unit("c")], atol=1e-6)
    assert server.requests[0]["model"] == "text-embedding-3-small"
    assert "dimensions" not in server.requests[0]
    assert server.keys == [f"Bearer {SECRET}"]


def test_nothing_gives_no_rows(server: EmbeddingServer) -> None:
    """No text is sent; the width is right."""
    assert embedder(server).embed([]).shape == (0, 8)


def test_shorter_vectors_are_asked_for(server: EmbeddingServer) -> None:
    """With @DIMENSIONS; without, the server's are found out once."""
    short = embedder(server, "openai:text-embedding-3-large@5")
    assert (short.name, short.dimensions) == ("openai:text-embedding-3-large@5", 5)
    assert short.embed(["a"]).shape == (1, 5)
    assert server.requests[-1]["dimensions"] == 5
    assert server.requests[-1]["model"] == "text-embedding-3-large"
    full = embedder(server)
    before = len(server.requests)
    assert (full.dimensions, full.dimensions) == (8, 8)
    assert len(server.requests) == before + 1


def test_a_family_reads_questions_and_documents_unlike(server: EmbeddingServer) -> None:
    """Behind a server there is no configuration: the name tells the prompts."""
    e5 = embedder(server, "openai:intfloat/multilingual-e5-large")
    e5.embed(["a"])
    question = embed_query(e5, "a")
    assert server.texts == [["passage: a"], ["query: a"]]
    np.testing.assert_allclose(question, unit("query: a"), atol=1e-6)


def test_many_texts_go_in_several_requests(server: EmbeddingServer) -> None:
    """None has more bytes than a request may have tokens, however long they are."""
    texts = ["ä" * 6000 + str(i) for i in range(100)]
    vectors = embedder(server).embed(texts)
    assert vectors.shape == (100, 8)
    assert len(server.texts) > 1
    assert max(sum(len(text.encode()) for text in batch) for batch in server.texts) <= MAX_REQUEST_BYTES
    assert max(len(text.encode()) for batch in server.texts for text in batch) <= MAX_TEXT_BYTES
    assert sum(map(len, server.texts)) == 100


def test_a_server_that_takes_fewer_texts_gets_fewer() -> None:
    """The batch is halved until it fits, and the next ones are as small; nothing is left out."""
    with embedding_server(most_texts=10) as server:
        vectors = embedder(server).embed([str(i) for i in range(50)])
        np.testing.assert_allclose(vectors, [unit(str(i)) for i in range(50)], atol=1e-6)
        sizes = [len(batch) for batch in server.texts]
    assert sizes[:3] == [50, 25, 12]
    assert max(sizes[3:]) <= 10


def test_an_empty_text_is_sent_as_something(server: EmbeddingServer) -> None:
    """Servers refuse empty texts, and half characters."""
    embedder(server).embed(["", " \n", "a\ud800b"])
    assert server.texts == [[".", ".", "a?b"]]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, body={"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
        Reply(500, body="<html>oops"),
        Reply(503),
        Reply(cut=True),
        Reply(hang=1.5),
    ],
    ids=["429", "500", "503", "cut off", "timeout"],
)
def test_a_passing_failure_is_tried_again(server: EmbeddingServer, reply: Reply) -> None:
    """After a pause, until it works."""
    server.replies = [reply, reply] if not reply.hang else [reply]
    vectors = embedder(server, document_patience=4.0 if not reply.hang else 2.4).embed(["a"])
    np.testing.assert_allclose(vectors[0], unit("a"), atol=1e-6)
    assert len(server.requests) == (3 if not reply.hang else 2)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "1"},
        {"retry-after-ms": "1000", "Retry-After": "60"},
        {"Retry-After": "date"},
    ],
    ids=["seconds", "milliseconds", "date"],
)
def test_retry_after_is_obeyed(server: EmbeddingServer, headers: dict[str, str]) -> None:
    """The request is sent again when the server says, and not before."""
    if headers.get("Retry-After") == "date":
        headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}
    server.replies = [Reply(429, headers)]
    embedder(server, document_patience=5.0).embed(["a"])
    assert 0.9 <= server.times[1] - server.times[0] < 3.0


def test_patience_ends(server: EmbeddingServer) -> None:
    """A person does not wait for a pause that is too long; the error names the server and what it said."""
    server.replies = [Reply(429, {"Retry-After": "60"}, {"error": {"message": "slow down"}})]
    with pytest.raises(EmbeddingFailed, match=r"http://127.0.0.1:\d+/v1 answers 429, «slow down», once"):
        embedder(server).embed_query("a")
    assert len(server.requests) == 1


def test_a_password_in_the_address_is_not_shown(server: EmbeddingServer) -> None:
    """It works, and stays out of messages."""
    server.replies = [Reply(500)]
    one = embedder(server, url=server.url.replace("//", "//user:hunter2@"), question_patience=0.0)
    with pytest.raises(EmbeddingFailed, match="server at http://127") as error:
        one.embed_query("a")
    assert "hunter2" not in str(error.value)


def test_a_server_that_is_down_is_named() -> None:
    """Nobody listens there."""
    with embedding_server() as server:
        pass
    with pytest.raises(EmbeddingFailed, match="does not answer"):
        embedder(server).embed_query("a")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Reply(401, body={"error": {"message": f"Incorrect key {SECRET}"}}),
            "refuses the key .*JOURNEYMAN_EMBEDDER_API_KEY",
        ),
        (Reply(403), "refuses the key"),
        (Reply(404, body={"error": {"message": "no such model"}}), "does not know the model text-.*no such model"),
        (Reply(429, body={"error": {"code": "insufficient_quota"}}), "quota is used up"),
        (Reply(400, body={"error": {"message": "bad dimensions"}}), "refuses the request .*bad dimensions"),
        (Reply(301, {"Location": "http://127.0.0.1:9/"}), "answers 301"),
        (Reply(200, body="not JSON"), "does not answer as OpenAI's"),
        (Reply(200, body={"data": [{"index": 0}]}), "does not answer as OpenAI's"),
        (Reply(200, body={"data": []}), "gave 0 usable vectors for 1 texts"),
        (Reply(200, body='{"data": [{"index": 0, "embedding": [NaN, 1]}]}'), "usable vectors"),
    ],
)
def test_what_cannot_be_mended_by_waiting_is_said_at_once(
    server: EmbeddingServer, reply: Reply, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One request, and a sentence that says what to correct; the key is nowhere."""
    caplog.set_level(logging.DEBUG)
    server.replies = [reply]
    one = embedder(server, document_patience=30.0)
    with pytest.raises(EmbeddingFailed, match=said) as error:
        one.embed(["a"])
    assert len(server.requests) == 1
    assert SECRET not in str(error.value) + caplog.text + repr(vars(one))


def test_other_dimensions_than_before_are_refused(server: EmbeddingServer) -> None:
    """Another model behind the same name would spoil the index."""
    one = embedder(server)
    assert one.dimensions == 8
    server.dimensions = 9
    with pytest.raises(EmbeddingFailed, match="gives 9 dimensions for text-embedding-3-small, not 8"):
        one.embed(["a"])


def test_requests_keep_to_the_rate(server: EmbeddingServer) -> None:
    """All threads together send at most so many a minute, evenly spread."""
    one = embedder(server, per_minute=600)
    started = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one.embed_query, "abcdef"))
    waited = [at - started for at in sorted(server.times)]
    assert all(at >= place * 0.1 - 0.001 for place, at in enumerate(waited))
