"""Texts to vectors. An embedder is an argument of everything that needs one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors of shape (len(texts), dimensions), float32, in the order of the texts."""

    name: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> Vectors: ...
