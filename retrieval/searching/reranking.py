"""Reordering what search found by reading question and passage together, which search over single vectors cannot.

Late interaction is the default: it compares words in their contexts by the embedding model at hand. A cross-encoder
reads both in one forward pass, which is slower and, with a good one, better; none comes in a package: it is a setting.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from psycopg_pool import ConnectionPool

from retrieval.embedders import pinned
from retrieval.embedders.torch_model import files_of, refuse_own_code
from retrieval.embedding import Embedder, EmbedderMissing, Vectors
from retrieval.indexing.chunking import embedding_text
from retrieval.recent import RecentValues
from retrieval.searching.passage import Passage, WordMatch
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.search import search

LATE_INTERACTION = "late-interaction"
WEIGHT = 2.0
"""What a mean likeness of words counts beside the score of the search, on the scale of its cosines."""
SPREAD = 0.1
"""What a passage loses, on the same scale, for each better one of its document: what one page says several times leaves
room for another page (Carbonell and Goldstein, MMR, SIGIR 1998). Decision: docs/decisions/0026.
"""
KEPT = 1000
"""Passages whose words' vectors are kept in memory; of a hundred tokens each, 75 MB."""


class Reranker(Protocol):
    """Scores the first `pool` passages of a search for a question: the more, the better; comparable for one question
    alone. `spread` is what a passage loses of it for each better one of its document.
    """

    @property
    def name(self) -> str: ...

    @property
    def pool(self) -> int: ...

    @property
    def spread(self) -> float: ...

    def scores(self, question: str, passages: Sequence[Passage]) -> list[float]: ...


class LateInteraction:
    """Adds to a passage's score how near, on average, each word of the question is to the nearest one of the passage
    (MaxSim: Khattab and Zaharia, ColBERT, SIGIR 2020), each word's vector in its context by the active embedding model.
    Where that model gives no vectors of words, scores stay those of the search. Safe from several threads.
    """

    name = LATE_INTERACTION
    pool = 10

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._passages = RecentValues[tuple[str, str], Vectors](KEPT)
        self._questions = RecentValues[tuple[str, str], Vectors](1)

    @property
    def spread(self) -> float:
        """What a passage loses for each better one of its document: nothing where scores stay those of the search,
        which lie closer together.
        """
        return SPREAD if hasattr(pinned(self._embedder), "token_vectors") else 0.0

    def scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """One score a passage. Raises EmbedderMissing if the model is not installed."""
        self._questions.clear()
        compared = self._compared(question, passages)
        if compared is None:
            return [passage.score for passage in passages]
        return [
            passage.score + WEIGHT * (float(near.mean()) if len(near) else 0.0)
            for passage, near in zip(passages, compared, strict=True)
        ]

    def matches(self, question: str, passages: Sequence[Passage]) -> list[tuple[WordMatch, ...]]:
        """How near each passage comes to each word of the question; nothing where the model gives no vectors of words.

        For passages that have just been scored, next to nothing is computed.
        """
        compared = self._compared(question, passages)
        tokens_of = getattr(pinned(self._embedder), "tokens", None)
        if compared is None or tokens_of is None:
            return [()] * len(passages)
        words = _tokens_of_words(question, tokens_of([question])[0].spans)
        return [
            tuple(WordMatch(word, float(near[tokens].mean())) for word, tokens in words) if len(near) else ()
            for near in compared
        ]

    def _compared(self, question: str, passages: Sequence[Passage]) -> list[Vectors] | None:
        """For each passage the highest cosine of each token of the question with one of its own; None where the model
        gives no vectors of tokens, or there is nothing to compare.
        """
        model = pinned(self._embedder)
        encode = getattr(model, "token_vectors", None)
        if encode is None or not passages:
            return None
        tokens = self._question(model.name, encode, question)
        if not len(tokens):
            return None
        texts = [_read(passage) for passage in passages]
        return [nearest(tokens, words) for words in self._words(model.name, encode, texts)]

    def _question(self, model: str, encode: Callable[[Sequence[str]], list[Vectors]], text: str) -> Vectors:
        """The vectors of the question's tokens; those of the last one that was scored are kept for its matches."""
        key = (model, text)
        vectors = self._questions.among([key]).get(key)
        if vectors is None:
            (vectors,) = encode([text])
            self._questions.keep({key: vectors})
        return vectors

    def _words(
        self, model: str, encode: Callable[[Sequence[str]], list[Vectors]], texts: Sequence[str]
    ) -> list[Vectors]:
        """The vectors of the words of each text, kept at half their precision."""
        keys = [(model, text) for text in texts]
        half = self._passages.among(keys)
        new = [key for key in dict.fromkeys(keys) if key not in half]
        for key, vectors in zip(new, encode([text for _, text in new]) if new else (), strict=True):
            half[key] = vectors.astype(np.float16)
        self._passages.keep({key: half[key] for key in keys})
        return [half[key].astype(np.float32) for key in keys]


def nearest(question: Vectors, passage: Vectors) -> Vectors:
    """For each of the question's unit vectors the highest cosine with one of the passage's; empty if it has none."""
    return np.asarray((question @ passage.T).max(axis=1)) if len(passage) else np.zeros(0, dtype=np.float32)


def _tokens_of_words(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, list[int]]]:
    """The words of a text with the places of their tokens: letters and digits without a gap."""
    words: list[tuple[str, list[int]]] = []
    end = -1
    for place, (start, stop) in enumerate(spans):
        token = text[start:stop]
        if start == end and token.isalnum() and words:
            words[-1] = (words[-1][0] + token, [*words[-1][1], place])
        elif token.isalnum():
            words.append((token, [place]))
        end = stop if token.isalnum() else -1
    return words


class CrossEncoder:
    """A cross-encoder by its folder or its name on the hub, from safetensors, loaded at first use. Thread-safe."""

    pool = 30
    spread = 0.0  # its scale is each model's own

    def __init__(self, source: str, device: str = "auto") -> None:
        self.name = source
        self._device = device
        self._loading = threading.Lock()
        self._model: Any = None

    def scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """One score a passage. Raises EmbedderMissing if the model cannot be loaded."""
        if not passages:
            return []
        with self._loading:
            model = self._loaded()
            return [float(score) for score in model.predict([(question, _read(passage)) for passage in passages])]

    def _loaded(self) -> Any:
        if self._model is None:
            folder = files_of(self.name)
            try:
                from sentence_transformers import CrossEncoder as Model  # an extra, and torch with it

                refuse_own_code(self.name, folder)
                self._model = Model(
                    str(folder),
                    device=None if self._device == "auto" else self._device,
                    trust_remote_code=False,
                    local_files_only=True,
                    model_kwargs={"use_safetensors": True},
                )
            except ImportError as error:
                raise EmbedderMissing(
                    f"The reranker {self.name} needs sentence-transformers: pip install 'journeyman[embedders]'."
                ) from error
            except (OSError, ValueError) as error:
                raise EmbedderMissing(
                    f"The reranker {self.name} cannot be loaded ({str(error).splitlines()[0]})."
                ) from error
        return self._model


def search_and_rerank(
    pool: ConnectionPool[Any],
    embedder: Embedder,
    reranker: Reranker | None,
    text: str,
    *,
    k: int = 10,
    scope: Scope = EVERYTHING,
    language: str | None = None,
) -> list[Passage]:
    """`search`, and if there is a reranker its order of the first of them. Raises psycopg.Error."""
    deep = max(k, reranker.pool) if reranker else k
    with pool.connection() as conn:
        passages = search(conn, embedder, text, k=deep, scope=scope, language=language)
    # Without the connection: reordering takes far longer than the search, and others wait for theirs.
    return reranked(reranker, text, passages, k) if reranker else passages


def reranked(reranker: Reranker, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
    """The `k` best passages by the reranker, each that it read with its new place in `ranks`; the rest behind them."""
    top, rest = passages[: reranker.pool], passages[reranker.pool :]
    match = getattr(reranker, "matches", None)
    order = spread_out(reranker.scores(question, top), [passage.document_id for passage in top], reranker.spread)
    matches = match(question, top) if match else [()] * len(top)
    first = [
        replace(top[place], ranks={**top[place].ranks, "reranked": number}, matches=matches[place])
        for number, place in enumerate(order, 1)
    ]
    return [*first, *rest][:k]


def spread_out(scores: Sequence[float], documents: Sequence[int], spread: float) -> list[int]:
    """Places by score, the best first, each less `spread` for every one of its document that came before."""
    places, order, before = list(range(len(scores))), [], Counter[int]()
    while places:
        best = max(places, key=lambda place: scores[place] - spread * before[documents[place]])
        places.remove(best)
        order.append(best)
        before[documents[best]] += 1
    return order


def _read(passage: Passage) -> str:
    """A passage as it was embedded, under its title and headings."""
    return embedding_text(passage.title, (passage.heading,), passage.text)
