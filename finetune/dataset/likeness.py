"""Questions that ask the same: near in meaning, and with the same numbers."""

from collections.abc import Sequence

from finetune.dataset.splitting import connected
from retrieval.embedding import Embedder
from retrieval.text.words import numerals

ALIKE = 0.8
"""Cosine from which two questions with the same numbers are one: stricter than the clusters that people are shown, for
connections add up.
"""
_BLOCK = 512  # questions that are compared with all others at a time


def alike(embedder: Embedder, questions: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices of questions that ask the same, the lower index first. Quadratic in time only."""
    if not questions:
        return []
    vectors = embedder.embed(questions)
    numbers = [numerals(question) for question in questions]
    pairs = []
    for start in range(0, len(questions), _BLOCK):
        near = vectors[start : start + _BLOCK] @ vectors.T >= ALIKE
        for row, other in zip(*near.nonzero(), strict=True):
            if start + row < other and numbers[start + row] == numbers[other]:
                pairs.append((int(start + row), int(other)))
    return pairs


def cluster_names(embedder: Embedder, questions: Sequence[str]) -> list[str]:
    """A name for each question, the same for those that `alike` connects."""
    return [str(least) for least in connected(len(questions), alike(embedder, questions))]
