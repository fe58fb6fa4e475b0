"""The arms of a comparison: the same questions, the same passages, with and without documents and adapter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.comparison.outcomes import EXAMPLES, TUNED, Written
from finetune.comparison.report import Comparison, compare
from finetune.dataset.likeness import cluster_names
from finetune.evaluation.scoring import about_tokens, worth
from finetune.registry import training_of
from retrieval.answering.answer import Done, Event, Question
from retrieval.answering.chain import AnswerChain
from retrieval.answering.chat_model import token_counter
from retrieval.answering.closed_book import closed_book
from retrieval.answering.examples import Examples
from retrieval.answering.measuring.evaluation import LabelledQuestion, Row, evaluate
from retrieval.answering.passages import PassageSearch, remembered
from retrieval.answering.policy import Policy
from retrieval.embedding import Embedder
from retrieval.searching.reranking import Reranker

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

Stream = Callable[[Question], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class ComparisonParts:
    """What answers in a comparison: one model, with and without documents, an adapter, and `examples` in the prompt."""

    pool: "ConnectionPool[Any]"
    embedder: Embedder
    reranker: Reranker | None
    model: Any
    rewrites: Callable[[Any], bool]
    examples: Examples | None
    policy: Policy


def compare_arms(
    parts: ComparisonParts,
    questions: Sequence[LabelledQuestion],
    arms: Sequence[str],
    adapter: Path | None,
    collections: Sequence[str] | None,
    progress: Callable[[], None],
) -> Comparison:
    """Asks every arm every question, over the same passages. `adapter` is a folder, for the arms that need one."""
    model = parts.model
    with parts.pool.connection() as conn:
        examples, seconds = training_of(conn, adapter.name) if adapter else (None, None)
    clusters = cluster_names(parts.embedder, [labelled.question for labelled in questions])
    return run(
        _streams(parts, arms, adapter),
        questions,
        collections,
        progress,
        examples,
        clusters,
        training_seconds=seconds,
        count=token_counter(model),
    )


def _streams(parts: ComparisonParts, arms: Sequence[str], adapter: Path | None) -> dict[str, Stream]:
    """The chain of each arm, or the model alone; passages are found once for all of them."""
    find = remembered(PassageSearch(parts.pool, parts.embedder, parts.reranker))
    tuned = parts.model.with_adapter(adapter) if any(TUNED in arm for arm in arms) else parts.model
    models = {arm: tuned if TUNED in arm else parts.model for arm in arms}
    return {
        arm: AnswerChain(
            *(parts.pool, parts.embedder, model, find),
            rewrites=parts.rewrites,
            examples=parts.examples if arm == EXAMPLES else None,
            policy=parts.policy,
        ).stream
        if "rag" in arm
        else closed_book(model)
        for arm, model in models.items()
    }


def run(
    arms: Mapping[str, Stream],
    questions: Sequence[LabelledQuestion],
    collections: Sequence[str] | None,
    progress: Callable[[], None],
    examples: int | None = None,
    clusters: Sequence[str] | None = None,
    *,
    training_seconds: float | None = None,
    count: Callable[[str], int] | None = None,
) -> Comparison:
    """Asks every arm every question. `progress` is called after each answer; `clusters` names what is alike; `count`
    counts the tokens of a text.
    """
    answers = {}
    for name, stream in arms.items():
        tokens: list[int] = []
        report = evaluate(counted(stream, count, tokens), questions, collections, lambda _: progress())
        groups = clusters or [""] * len(questions)
        answers[name] = [_answer_to(*row) for row in zip(questions, report.rows, groups, tokens, strict=True)]
    return compare(answers, examples, training_seconds)


def counted(stream: Stream, count: Callable[[str], int] | None, tokens: list[int]) -> Stream:
    """The same answers, of each of which it is noted how many tokens its prompt and its text have."""
    tokens_of = count or about_tokens

    def counting(question: Question) -> Iterator[Event]:
        for event in stream(question):
            if isinstance(event, Done):
                tokens.append(tokens_of(event.answer.prompt) + tokens_of(event.answer.text))
            yield event

    return counting


def _answer_to(labelled: LabelledQuestion, row: Row, cluster: str, tokens: int) -> Written:
    return Written(
        id=labelled.id,
        question=labelled.question,
        answerable=labelled.answerable,
        answer=row.answer,
        abstained=row.abstained,
        score=_score(labelled, row),
        seconds=row.seconds,
        cluster=cluster,
        tokens=tokens,
    )


def _score(labelled: LabelledQuestion, row: Row) -> float:
    if labelled.answerable and (labelled.expect or labelled.answer is not None):
        return worth(row.answer, expect=labelled.expect, right=labelled.answer, abstained=row.abstained)
    return float(row.answer_hit)
