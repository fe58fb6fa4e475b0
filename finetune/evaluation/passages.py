"""Which passages a model reads to an item of an evaluation: the question's own, or another's beside or instead of them.

Verified answers are not among them, because the corrections that are asked about stand in them.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from finetune.dataset.grounding import EVERYONE
from finetune.evaluation.items import UNANSWERABLE, EvaluationItem
from finetune.evaluation.scoring import facts
from retrieval.answering.answer import Question
from retrieval.answering.evidence.confidence import Calibration, calibration
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.passages import PASSAGES, FindPassages, remembered
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import Reranker, search_and_rerank

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from retrieval.embedding import Embedder

DISTRACTORS = 2
"""Passages of another question that stand before a question's own."""


def documents_alone(
    pool: "ConnectionPool[Any]", embedder: "Embedder", reranker: Reranker | None, verified: Collection[str]
) -> FindPassages:
    """The search of the chain without verified answers, whose content hashes are `verified`."""

    def find(question: Question, standalone: str) -> tuple[Sequence[Passage], Calibration]:
        passages = search_and_rerank(pool, embedder, reranker, standalone, k=3 * PASSAGES, scope=EVERYONE)
        documents = [passage for passage in passages if passage.content_hash not in verified]
        with pool.connection() as conn:
            return documents[:PASSAGES], calibration(conn)

    return find


class ItemPassages:
    """Finds the passages of items, once for all arms. `rewrite` has follow-ups stand alone."""

    def __init__(self, find: FindPassages, rewrite: Callable[[Question], str], groundedness: Groundedness) -> None:
        self.find, self._rewrite, self._groundedness = remembered(find), cache(rewrite), groundedness

    def standalone(self, item: EvaluationItem) -> str:
        """The item's question as it stands alone."""
        return self._rewrite(Question(item.question, tuple(item.history)))

    def of(self, item: EvaluationItem) -> Sequence[Passage]:
        """What is read to the item's question, best first; where it is to have no answer, none that holds one."""
        own = self._search(self.standalone(item))
        if item.other_question is None:
            return own
        foreign = self._search(item.other_question)
        if item.set == UNANSWERABLE:
            best = {passage.content_hash for passage in own[:1]}
            return [
                passage for passage in foreign if passage.content_hash not in best and not self._answers(passage, item)
            ]
        hashes = {passage.content_hash for passage in own}
        return [*[passage for passage in foreign if passage.content_hash not in hashes][:DISTRACTORS], *own]

    def _search(self, question: str) -> Sequence[Passage]:
        return self.find(Question(question, principals=EVERYONE.principals), question)[0]

    def _answers(self, passage: Passage, item: EvaluationItem) -> bool:
        """Whether a right answer to the question stands in the passage."""
        if item.right is not None and self._groundedness.judge(item.question, [item.right], [passage])[0].shown:
            return True
        return bool(item.expect) and facts(passage.text, item.expect) == 1.0
