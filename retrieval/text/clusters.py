"""Questions that ask the same thing in other words, found by their vectors: what people miss most."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.embedding import Embedder

ALIKE = 0.6  # cosine from which two questions count as one


@dataclass(frozen=True, slots=True)
class Cluster:
    """Questions of one kind; `name` is the one that most of them are near to."""

    name: str
    size: int


def clusters(embedder: Embedder, questions: Sequence[str], *, alike: float = ALIKE) -> list[Cluster]:
    """The questions in groups, the largest first: each time the question with most neighbours that are left, and these.

    Quadratic in the number of questions.
    """
    if not questions:
        return []
    vectors = embedder.embed(questions)
    near = vectors @ vectors.T >= alike
    groups: list[Cluster] = []
    while near.any():
        centre = int(near.sum(axis=1).argmax())
        members = near[centre].copy()
        members[centre] = True
        groups.append(Cluster(questions[centre], int(members.sum())))
        near[members, :] = False
        near[:, members] = False
    return sorted(groups, key=lambda cluster: -cluster.size)
