"""From a trained adapter to its verdict: the evaluation of a round beside what answers now, and the gate's decision."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from psycopg import Connection

from finetune import registry
from finetune.dataset.storage import StoredDataset, read_answers, verified_passages
from finetune.evaluation.figures import figures
from finetune.evaluation.gate import Outcome, Verdict, decide
from finetune.evaluation.guards import guards_for
from finetune.evaluation.items import DECIDING, JUDGED, EvaluationItem, items_of, per_author_cap
from finetune.evaluation.judging import Judge, calibrated, judge_guards, safely
from finetune.evaluation.passages import documents_alone
from finetune.evaluation.run import EvaluationRun
from finetune.evaluation.scorer import FEW_SHOT, FewShotModel, Scorer
from finetune.rounds import rows as round_rows
from finetune.rounds.costs import cheaper_than_examples
from finetune.rounds.parts import OpenRound, RoundParts
from finetune.training.process import POLL_SECONDS
from jobs.progress import Progress
from retrieval.answering.chat_model import unload
from retrieval.answering.question.followup import standalone
from retrieval.answering.question.rewriting import rewritten
from retrieval.indexing.sources import VERIFIED

EVALUATION = "evaluation"
"""The folder of what the arms answered, in that of the run."""


def evaluate_adapter(
    open_round: OpenRound, dataset: StoredDataset, training_seconds: float
) -> tuple[Verdict, dict[str, Any]]:
    """The gate's verdict over a round's adapter, and the figures that it rests on. Raises what `tell` raises."""
    parts, conn = open_round.parts, open_round.conn
    model, items = parts.model(), _items(parts, conn, dataset)
    judge, judge_report = _judge(parts, conn)
    active = registry.active_adapter(conn)
    arms = _arms(open_round, dataset, model, active)
    run = EvaluationRun(_scorer(parts, conn, model, judge), items, open_round.training_folder / EVALUATION)
    with forgotten_around(arms["candidate"]):
        outcomes = run.run(f"beside {active or 'base'}", arms, _advance(open_round, len(items) * len(arms)))
    outcomes.setdefault("active", outcomes["base"])
    verdict = _verdict(parts, items, outcomes, judge_report, training_seconds)
    metrics: dict[str, Any] = {"sets": figures(outcomes), "gain": asdict(verdict.gain), "active": active}
    if verdict.over_examples is not None:
        metrics["examples"] = asdict(verdict.over_examples)
    return verdict, metrics | ({"judge": judge_report} if judge_report else {})


def evaluation_seconds(open_round: OpenRound, dataset: StoredDataset) -> float:
    """What the evaluation may take: every question is answered by each arm, as fast as people were lately."""
    parts, conn = open_round.parts, open_round.conn
    items = items_of(parts.datasets / str(dataset.id), round_rows.clusters_of(conn, dataset.id), parts.golden())
    arms = 2 + bool(registry.active_adapter(conn)) + bool(round_rows.learnt_from(conn, dataset.id))
    return round(len(items) * arms * round_rows.seconds_an_answer(conn), 1)


def _items(parts: RoundParts, conn: Connection[Any], dataset: StoredDataset) -> list[EvaluationItem]:
    clusters = per_author_cap(round_rows.clusters_of(conn, dataset.id), round_rows.writers_of(conn, dataset.id))
    return items_of(parts.datasets / str(dataset.id), clusters, parts.golden())


def _judge(parts: RoundParts, conn: Connection[Any]) -> tuple[Judge | None, dict[str, Any]]:
    judge = parts.judge()
    if judge is None:
        return None, {}
    return calibrated(judge, [answer for answer in read_answers(conn, VERIFIED) if answer.everyone])


def _arms(open_round: OpenRound, dataset: StoredDataset, model: Any, active: str | None) -> dict[str, Any]:
    """The models that are compared: with the round's adapter, with none, with the active one, and with examples."""
    parts, conn = open_round.parts, open_round.conn
    arms = {"candidate": model.with_adapter(open_round.adapter_folder), "base": model}
    if active is not None:
        arms["active"] = model.with_adapter(parts.adapters / active)
    verified, learnt = verified_passages(conn, VERIFIED), round_rows.learnt_from(conn, dataset.id)
    examples = parts.examples(parts.policy.examples, verified - learnt) if learnt else None
    if examples is not None:
        arms[FEW_SHOT] = FewShotModel(model, examples)
    return arms


def _scorer(parts: RoundParts, conn: Connection[Any], model: Any, judge: Judge | None) -> Scorer:
    verified = verified_passages(conn, VERIFIED)
    return Scorer(
        parts.pool,
        parts.embedder,
        documents_alone(parts.pool, parts.embedder, parts.reranker, verified),
        rewrite=partial(rewritten, model=model) if parts.rewrites(model) else standalone,
        judge=safely(judge) if judge else None,
        policy=parts.answering(),
    )


def _advance(open_round: OpenRound, total: int) -> Callable[[str], None]:
    """Tells how many answers there are, and waits while somebody goes first on the GPU."""
    answers = 0

    def advance(arm: str) -> None:
        nonlocal answers
        answers += 1
        progress = Progress(f"Evaluating {arm}", answers, total)
        give_way(partial(open_round.parts.must_wait, open_round.conn), lambda: open_round.tell(progress))

    return advance


def _verdict(
    parts: RoundParts,
    items: Sequence[EvaluationItem],
    outcomes: Mapping[str, Sequence[Outcome]],
    judge_report: dict[str, Any],
    training_seconds: float,
) -> Verdict:
    """The gate's; where examples in the prompt are as good, as far as can be seen, it says which is the cheaper way."""
    margin = parts.policy.margin
    judged_sets = [name for name in JUDGED if any(item.set == name for item in items)]
    verdict = decide(
        outcomes["candidate"],
        outcomes["active"],
        [*guards_for(items), *judge_guards(judge_report, judged_sets)],
        margin=margin,
        least=parts.policy.least,
        sets=DECIDING,
        examples=outcomes.get(FEW_SHOT),
    )
    beside = verdict.over_examples
    if beside is None or not beside.low <= margin <= beside.high:
        return verdict
    costs = cheaper_than_examples(outcomes["candidate"], outcomes[FEW_SHOT], training_seconds)
    return replace(verdict, reason=f"{verdict.reason} {costs}")


def give_way(is_wanted: Callable[[], bool], tell: Callable[[], None], every: float = POLL_SECONDS) -> None:
    """Tells, and goes on telling until nobody wants the card any more. Raises what `tell` raises."""
    tell()
    while is_wanted():
        time.sleep(every)
        tell()


@contextmanager
def forgotten_around(model: Any) -> Iterator[None]:
    """A model server forgets the adapter before, because one trained anew may have the name of an older one that it
    still holds, and after, because it answers nobody yet.
    """
    unload(model)
    try:
        yield
    finally:
        unload(model)
