"""Vectors from a server that speaks OpenAI's embeddings API: OpenAI itself, vLLM, Ollama, TEI and the like.

https://platform.openai.com/docs/api-reference/embeddings
"""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.embedders.prompts import family_prompts
from retrieval.embedding import Vectors

if TYPE_CHECKING:
    from httpx import Client, Response

OPENAI_URL = "https://api.openai.com/v1"

# A token is at least a byte, so these hold whatever the tokenizer: 8,192 tokens a text, 300,000 a request.
MAX_TEXT_BYTES = 8_000
MAX_REQUEST_BYTES = 250_000
MAX_TEXTS = 256

# Seconds. A document can wait for a server that is busy; a person who asked cannot.
DOCUMENT_PATIENCE = 300.0
QUESTION_PATIENCE = 10.0
TIMEOUT = 60.0
LONGEST_BACKOFF = 30.0

_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_TOO_MUCH = frozenset((400, 413, 422))  # what servers say to more texts than they take


class EmbeddingFailed(RuntimeError):
    """The server gave no vectors; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Api:
    """A server: `url` is the API's root (…/v1), `per_minute` the most requests a minute that we send, 0 for no limit.

    `question_patience` and `document_patience` are how many seconds we try for.
    """

    url: str = OPENAI_URL
    key: str | None = field(default=None, repr=False)
    per_minute: int = 0
    question_patience: float = QUESTION_PATIENCE
    document_patience: float = DOCUMENT_PATIENCE


class ApiEmbedder:
    """The server's model `model`; with `dimensions` it is asked for shorter vectors. Safe from several threads.

    A request that failed for a passing reason is sent again after a pause that doubles, or that the server names in
    Retry-After. A batch that is too large for the server is halved, and so are those that follow. Raises
    EmbeddingFailed.
    """

    def __init__(self, name: str, api: Api, model: str, dimensions: int | None = None) -> None:
        self.name, self._api, self._model, self._requested_dimensions = name, api, model, dimensions
        self._prompts = family_prompts(model)
        self._dimensions = dimensions
        self._most_texts = MAX_TEXTS
        self._pace = _Pace(api.per_minute)
        self._building = threading.Lock()
        self._built: Client | None = None

    @property
    def dimensions(self) -> int:
        """The dimensions that were asked for, or those that the server gives, which needs a request."""
        if self._dimensions is None:
            self._dimensions = len(self.embed_query("dimensions"))
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions)."""
        prompted = [_readable(self._prompts.document + text) for text in texts]
        if not prompted:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        rows: list[Vectors] = []
        start = 0
        while start < len(prompted):
            batch = _fitting(prompted[start:], self._most_texts)
            try:
                rows.append(self._request(batch, self._api.document_patience))
            except _TooMuch as error:
                if len(batch) == 1:
                    raise EmbeddingFailed(str(error)) from None
                self._most_texts = len(batch) // 2
            else:
                start += len(batch)
        return np.concatenate(rows)

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, of shape (dimensions,)."""
        try:
            return np.asarray(self._request([_readable(self._prompts.query + text)], self._api.question_patience)[0])
        except _TooMuch as error:
            raise EmbeddingFailed(str(error)) from None

    def _request(self, texts: list[str], patience: float) -> Vectors:
        """The vectors of one batch, tried for `patience` seconds. Raises _TooMuch where a smaller one may do."""
        from httpx import HTTPError, TransportError  # half a second, for those alone who ask a server

        give_up_at = time.monotonic() + patience
        attempt = 0
        while True:
            self._pace.wait()
            try:
                remaining = max(give_up_at - time.monotonic(), 1.0)
                response = self._client().post("embeddings", json=self._body(texts), timeout=min(TIMEOUT, remaining))
            except TransportError as error:
                reason, pause = f"does not answer ({_line(error)})", None
            except HTTPError as error:
                raise EmbeddingFailed(f"{self._server} cannot be asked ({_line(error)}).") from error
            else:
                if response.status_code == 200:
                    return self._vectors(response, len(texts))
                self._refuse(response)
                reason, pause = f"answers {response.status_code}{_said(response)}", _retry_after(response.headers)
            attempt += 1
            if pause is None:
                pause = min(LONGEST_BACKOFF, 0.25 * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if time.monotonic() + pause > give_up_at:
                raise EmbeddingFailed(f"{self._server} {reason}, {_times(attempt)}: look at the server, and try again.")
            time.sleep(pause)

    def _refuse(self, response: "Response") -> None:
        """Raises where asking again cannot help."""
        status = response.status_code
        if status in (401, 403):  # what the server says to it can hold the key
            raise EmbeddingFailed(f"{self._server} refuses the key ({status}): correct JOURNEYMAN_EMBEDDER_API_KEY.")
        if status == 429 and _code(response) == "insufficient_quota":
            raise EmbeddingFailed(f"{self._server} says that its quota is used up: see to your account there.")
        if status == 404:
            raise EmbeddingFailed(
                f"{self._server} does not know the model {self._model}{_said(response)}: "
                "correct its name, or JOURNEYMAN_EMBEDDER_URL."
            )
        if status in _TOO_MUCH:
            raise _TooMuch(f"{self._server} refuses the request ({status}{_said(response)}).")
        if status not in _PASSING:
            raise EmbeddingFailed(f"{self._server} answers {status}{_said(response)}: correct JOURNEYMAN_EMBEDDER_URL.")

    def _vectors(self, response: "Response", count: int) -> Vectors:
        """The vectors in their texts' order, brought to length 1: not every server does that."""
        try:
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
        except (ValueError, LookupError, TypeError) as error:
            raise EmbeddingFailed(f"{self._server} does not answer as OpenAI's embeddings API does.") from error
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
            raise EmbeddingFailed(f"{self._server} gave {len(vectors)} usable vectors for {count} texts.")
        if self._dimensions not in (None, vectors.shape[1]):
            raise EmbeddingFailed(
                f"{self._server} gives {vectors.shape[1]} dimensions for {self._model}, not {self._dimensions}."
            )
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))

    def _body(self, texts: list[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        return body if self._requested_dimensions is None else {**body, "dimensions": self._requested_dimensions}

    def _client(self) -> "Client":
        from httpx import Client  # late, as above

        with self._building:
            if self._built is None:
                headers = {"Authorization": f"Bearer {self._api.key}"} if self._api.key else {}
                self._built = Client(base_url=self._api.url.rstrip("/") + "/", headers=headers)
            return self._built

    @property
    def _server(self) -> str:
        return f"The embedding server at {re.sub('//[^/@]*@', '//', self._api.url)}"


class _TooMuch(Exception):
    """The server refuses the batch as it is; a smaller one may do."""


class _Pace:
    """Lets requests go at most so often, evenly spread; 0 lets all go."""

    def __init__(self, per_minute: int) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._gap
        time.sleep(max(at - time.monotonic(), 0.0))


def _fitting(texts: Sequence[str], most: int) -> list[str]:
    """As many of the first texts as one request takes, but at least one."""
    size, count = 0, 0
    for text in texts[:most]:
        size += len(text.encode())
        if count and size > MAX_REQUEST_BYTES:
            break
        count += 1
    return list(texts[:count])


def _readable(text: str) -> str:
    """Short enough for any server, and not empty, which they refuse."""
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore").strip() or "."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait, which a server gives as such, in milliseconds, or as a date (RFC 9110, 10.2.3)."""
    readers: tuple[tuple[str, Callable[[str], float]], ...] = (
        ("retry-after-ms", lambda value: float(value) / 1000),
        ("retry-after", float),
        ("retry-after", lambda value: (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()),
    )
    for name, seconds_of in readers:
        try:
            return max(seconds_of(headers[name]), 0.0)
        except (KeyError, ValueError, TypeError):
            continue
    return None


def _code(response: "Response") -> str | None:
    error = _error(response)
    return error.get("code") or error.get("type")


def _said(response: "Response") -> str:
    """What the server says of an error, to be put behind its number."""
    message = _error(response).get("message")
    return f", «{' '.join(str(message).split())[:200]}»" if message else ""


def _error(response: "Response") -> dict[str, Any]:
    try:
        error = response.json()["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return error if isinstance(error, dict) else {"message": error}


def _line(error: Exception) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
