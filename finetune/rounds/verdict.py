"""From a trained adapter to its verdict: evaluated beside the active one, listed in the registry, and switched to."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from psycopg import Connection

from finetune import registry
from finetune.dataset.rows import SPLITS
from finetune.dataset.storage import Stored, read_answers, verified_passages
from finetune.evaluation.gate import Verdict, decide
from finetune.evaluation.judging import Judge, calibrated, safely
from finetune.evaluation.judging import guards as judging_guards
from finetune.evaluation.run import (
    DECIDING,
    JUDGED,
    SHOWN,
    EvaluationRun,
    FewShotModel,
    documents_alone,
    figures,
    guards_for,
    items_of,
    per_author_cap,
)
from finetune.lineage import base_hashes, machine
from finetune.model_card import CARD, CHART, SCORES, loss_chart, model_card, scores_chart
from finetune.rounds import rows as round_rows
from finetune.rounds.costs import beside_examples
from finetune.rounds.parts import RoundParts, RoundPolicy
from finetune.rounds.rows import Round, State
from finetune.training.process import POLL_SECONDS
from finetune.training.spec import Trained, TrainingSpec
from jobs.progress import Progress, Tell
from retrieval.answering.chat_model import unload
from retrieval.answering.question.followup import standalone
from retrieval.answering.question.rewriting import rewritten
from retrieval.indexing.sources import VERIFIED


def evaluate_adapter(
    parts: RoundParts,
    conn: Connection[Any],
    row: Round,
    kept: Stored,
    training_seconds: float,
    tell: Tell,
) -> tuple[Verdict, dict[str, Any]]:
    """The gate's verdict over a round's adapter, and the figures that it rests on. Raises what `tell` raises."""
    clusters = per_author_cap(round_rows.clusters_of(conn, kept.id), round_rows.writers_of(conn, kept.id))
    items = items_of(parts.datasets / str(kept.id), clusters, parts.golden())
    judge, told = _judge(parts, conn)
    model = parts.model()
    verified, learnt = verified_passages(conn, VERIFIED), round_rows.learnt_from(conn, kept.id)
    examples = parts.examples(parts.policy.examples, verified - learnt) if learnt else None
    evaluation = EvaluationRun(
        parts.pool,
        parts.embedder,
        documents_alone(parts.pool, parts.embedder, parts.reranker, verified),
        items,
        parts.training / row.adapter / "examination",
        rewrite=partial(rewritten, model=model) if parts.rewrites(model) else standalone,
        judge=safely(judge) if judge else None,
        policy=parts.answering(),
    )
    now = registry.in_use(conn)
    active = now.active if now else None
    arms: dict[str, Any] = {"candidate": model.with_adapter(parts.adapters / row.adapter), "base": model}
    if active is not None:
        arms["active"] = model.with_adapter(parts.adapters / active)
    if examples is not None:
        arms[SHOWN] = FewShotModel(model, examples)
    done, total = 0, len(items) * len(arms)

    def advance(arm: str) -> None:
        nonlocal done
        done += 1
        progress = Progress(f"Examining {arm}", done, total)
        give_way(partial(parts.must_wait, conn), lambda: tell(progress))

    with forgotten_around(arms["candidate"]):
        outcomes = evaluation.run(f"beside {active or 'base'}", arms, advance)
    outcomes.setdefault("active", outcomes["base"])
    verdict = decide(
        outcomes["candidate"],
        outcomes["active"],
        [*guards_for(items), *judging_guards(told, [name for name in JUDGED if any(i.set == name for i in items)])],
        margin=parts.policy.margin,
        least=parts.policy.least,
        sets=DECIDING,
        examples=outcomes.get(SHOWN),
    )
    metrics = {"sets": figures(outcomes), "gain": asdict(verdict.gain), "active": active}
    if verdict.over_examples is not None:
        metrics["examples"] = asdict(verdict.over_examples)
        if verdict.over_examples.low <= parts.policy.margin <= verdict.over_examples.high:
            told_cost = beside_examples(outcomes["candidate"], outcomes[SHOWN], training_seconds)
            verdict = replace(verdict, reason=f"{verdict.reason} {told_cost}")
    return verdict, metrics | ({"judge": told} if told else {})


def _judge(parts: RoundParts, conn: Connection[Any]) -> tuple[Judge | None, dict[str, Any]]:
    judge = parts.judge()
    if judge is None:
        return None, {}
    return calibrated(judge, [answer for answer in read_answers(conn, VERIFIED) if answer.everyone])


def list_adapter(
    parts: RoundParts,
    conn: Connection[Any],
    row: Round,
    kept: Stored,
    spec: TrainingSpec,
    trained: Trained,
    verdict: Verdict,
    metrics: Mapping[str, Any],
) -> None:
    """Writes the adapter's card and charts, then its row: from then on the adapter exists."""
    lineage = {
        "base": parts.base,
        **base_hashes(parts.model_place(), parts.machine.revision),
        "examples_of_dataset": kept.examples,
        "dataset_sha256": kept.hash,
        "split": {side: kept.report.get(f"{side}.{spec.method}", 0) for side in SPLITS},
        "machine": machine(),
        **asdict(spec),
        **trained.as_dict(),
        "alpha": spec.scale,
        "learning_rate": spec.rate,
        "journeyman": version("journeyman"),
        "spec_sha256": spec.digest,
    }
    lineage |= {"dataset": kept.id, "model": parts.base}  # ids, where the spec has folders of this machine
    folder = parts.adapters / row.adapter
    _write(folder / CARD, model_card(row.adapter, lineage, metrics, verdict.decision, verdict.reason).encode())
    if chart := loss_chart(trained.losses):
        _write(folder / CHART, chart)
    if chart := scores_chart(metrics["sets"]):
        _write(folder / SCORES, chart)
    registry.add(
        conn,
        registry.TrainedAdapter(
            name=row.adapter,
            round_id=row.id,
            parent=metrics["active"],
            dataset_id=kept.id,
            base=parts.base,
            sha256=trained.sha256,
            lineage=lineage,
            metrics=metrics,
            decision=verdict.decision,
            reason=verdict.reason,
        ),
    )


def switch_to(policy: RoundPolicy, conn: Connection[Any], row: Round, verdict: Verdict) -> tuple[State, str]:
    """Has the adapter answer if its verdict and the policy say so; returns how the round ended, and why."""
    if verdict.decision != "promote":
        return ("refused" if verdict.decision == "refuse" else "inconclusive"), verdict.reason
    made = registry.find(conn, row.adapter)
    if made.stale_at or made.deleted:
        return "refused", f"{made.erased} It passed the gate: {verdict.reason}"
    if policy.by_hand or made.outdated:
        told = f" {made.erased}" if made.outdated else ""
        verdict = replace(verdict, reason=f"{verdict.reason}{told}")
        return "proved", f"{verdict.reason} To have it answer: journeyman model promote {row.adapter}"
    now = registry.in_use(conn)
    if now and row.adapter in (now.active, now.trial):  # by a process that was killed before it could say so
        return "promoted", verdict.reason
    try:
        if (now.active if now else None) != made.parent:
            raise registry.NotPossible("Another adapter has come to answer since, which it was not compared with.")
        registry.promote(
            conn,
            row.adapter,
            by=row.started_by,
            reason=verdict.reason,
            percent=policy.trial_percent or 100,
            expected=now,
        )
    except registry.NotPossible as error:
        told = f"{verdict.reason} {error} To have it answer: journeyman model promote {row.adapter}"
        return "proved", told
    return "promoted", verdict.reason


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


def _write(file: Path, data: bytes) -> None:
    """Writes the file whole or not at all."""
    aside = file.with_name(f".{file.name}.writing")
    aside.write_bytes(data)
    aside.rename(file)
