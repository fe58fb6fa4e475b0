"""The passages that an answer is written from: searched, reordered, and none that nearly repeats a better one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from retrieval.answering.answer import Question
from retrieval.answering.evidence.confidence import Calibration, calibration
from retrieval.answering.question.followup import meaning_of
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage
from retrieval.searching.reading import distinct
from retrieval.searching.reranking import Reranker, reranked
from retrieval.searching.scope import EVERYTHING, Scope
from retrieval.searching.search import search

PASSAGES = 8
DRAWN = 16
"""Passages of the search that these are chosen from: what nearly repeats a better one leaves its place to another."""

FindPassages = Callable[[Question, str], tuple[Sequence[Passage], Calibration]]
"""From a question, and how it was rewritten to stand alone, to the passages and what they are judged by."""


@dataclass(frozen=True, slots=True)
class PassageSearch:
    """Finds passages in the index of `pool`'s database; the reranker reorders them, if there is one."""

    pool: ConnectionPool[Any]
    embedder: Embedder
    reranker: Reranker | None = None

    def __call__(self, question: Question, standalone: str) -> tuple[Sequence[Passage], Calibration]:
        """The passages that the index has for a question, and the calibration that holds. Raises psycopg.Error."""
        with self.pool.connection() as conn:
            candidates = search(
                conn,
                self.embedder,
                standalone,
                k=depth(self.reranker),
                scope=question.scope,
                language=question.language,
                meaning=meaning_of(question, standalone),
            )
            current = calibration(conn)
        # Without the connection: reordering takes far longer than the search, and others wait for theirs.
        return best_distinct(self.reranker, standalone, candidates), current


def passages_for(
    conn: Connection[Any],
    embedder: Embedder,
    reranker: Reranker | None,
    standalone: str,
    *,
    scope: Scope = EVERYTHING,
    language: str | None = None,
    meaning: Mapping[str, float] | None = None,
) -> list[Passage]:
    """The passages that a question is answered from, best first; `meaning` as `meaning_of` has it of a follow-up."""
    candidates = search(conn, embedder, standalone, k=depth(reranker), scope=scope, language=language, meaning=meaning)
    return best_distinct(reranker, standalone, candidates)


def depth(reranker: Reranker | None) -> int:
    """How many passages of the search an answer's are chosen from."""
    return max(DRAWN, reranker.pool if reranker else 0)


def best_distinct(reranker: Reranker | None, standalone: str, candidates: Sequence[Passage]) -> list[Passage]:
    """At most `PASSAGES` of the candidates, reordered; none nearly repeats a better one."""
    order = reranked(reranker, standalone, candidates, DRAWN) if reranker else candidates[:DRAWN]
    return distinct(order)[:PASSAGES]


def remembered(find: FindPassages) -> FindPassages:
    """Returns a search that gives again what it gave before: a frozen snapshot of the index for these questions."""
    snapshot: dict[str, tuple[Sequence[Passage], Calibration]] = {}

    def find_again(question: Question, standalone: str) -> tuple[Sequence[Passage], Calibration]:
        key = repr((standalone, question))
        if key not in snapshot:
            snapshot[key] = find(question, standalone)
        return snapshot[key]

    return find_again
