"""A round of fine-tuning from votes to verdict: dataset → cost → training → evaluation → gate → registry.

Each stage leaves a row or files, so that a round whose process died goes on where it was: from the same dataset, the
last checkpoint, the answers that were given already.
"""

import shutil
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from psycopg import Connection

from finetune import registry
from finetune.dataset.freezing import DatasetUnusable, find
from finetune.dataset.rows import Options
from finetune.dataset.storage import Stored
from finetune.evaluation.run import items_of
from finetune.files import WEIGHTS, file_sha256
from finetune.model.loading import Quantize
from finetune.rounds import rows as round_rows
from finetune.rounds.costs import COST_NAMES, estimate, seconds_left, told_estimate, told_step
from finetune.rounds.parts import RoundParts, RoundRequest
from finetune.rounds.rows import Round, State
from finetune.rounds.verdict import evaluate_adapter, list_adapter, switch_to
from finetune.training.process import probe, run
from finetune.training.run import ADAPTER
from finetune.training.spec import Step, Trained, TrainingFailed, TrainingSpec
from jobs.execution import Cancelled, HandedBack
from jobs.progress import Progress, Tell
from jobs.rows import request_job

log = structlog.get_logger(__name__)

PACE = 2.0  # seconds between two writes of a round's figures


def request_round(conn: Connection[Any], request: RoundRequest, started_by: str) -> Round:
    """A new round, or the one that is open already."""
    round_rows.rounds(conn, 0)  # those whose jobs were given up have ended
    with conn.transaction():
        job = request_job(conn, "finetune", "adapter", started_by=started_by)
        return round_rows.begin(conn, job.id, started_by=started_by, requested=asdict(request))


def measure_costs(parts: RoundParts, request: RoundRequest, tell: Tell) -> dict[Quantize, Trained | str]:
    """What a few steps of LoRA and of QLoRA cost over the same examples; where one cannot be, why."""
    number = request.dataset or _build(parts, request, tell)
    if number is None:
        raise TrainingFailed("There are no examples yet: `/journeyman review` makes some of votes and corrections.")
    measured: dict[Quantize, Trained | str] = {}
    choices: tuple[Quantize, ...] = ("none", "4bit")
    for quantize in choices:
        tell(Progress(f"Measuring {COST_NAMES[quantize]}", len(measured), len(choices)))
        spec = parts.spec(replace(request, quantize=quantize), parts.datasets / str(number))
        try:
            folder = parts.training / f"cost-{quantize}"
            measured[quantize] = probe(folder, spec, environment=parts.environment)
        except TrainingFailed as error:
            measured[quantize] = str(error)
    return measured


def carry_out_round(parts: RoundParts, conn: Connection[Any], job_id: int, tell: Tell) -> dict[str, Any]:
    """Does the round of a job, or goes on with it; returns its report. Raises what `tell` raises, and failures."""
    row = round_rows.of_job(conn, job_id)
    if row is None:
        row = round_rows.begin(conn, job_id, started_by="schedule", requested=asdict(RoundRequest(parts.policy.method)))
    if row.state != "open":
        return {"state": row.state, "reason": row.reason}
    request = RoundRequest(**row.requested)
    try:
        state, reason = _round(parts, conn, row, request, tell)
    except Exception as error:
        _failed(parts, conn, row, error)
        raise
    round_rows.end(conn, row.id, state, reason)
    log.info("round_ended", round=row.id, state=state)
    return {"state": state, "reason": reason}


def _round(
    parts: RoundParts, conn: Connection[Any], row: Round, request: RoundRequest, tell: Tell
) -> tuple[State, str]:
    kept, clusters = _dataset(parts, conn, row, request, tell)
    floor = parts.policy.floor
    if kept is None or kept.report.get(f"train.{request.method}", 0) == 0:
        return "not enough", f"There are no examples for {request.method} yet: `/journeyman review` makes some."
    if clusters < floor and not request.now:
        return "not enough", f"{clusters} new clusters of reviewed questions came in, and {floor} are asked for."
    folder = parts.training / row.adapter
    spec = parts.spec(request, parts.datasets / str(kept.id))
    trained = _train(parts, conn, row, kept, spec, folder, tell)
    made = parts.adapters / row.adapter
    place(folder / ADAPTER, made, trained.sha256)
    verdict, metrics = evaluate_adapter(parts, conn, row, kept, trained.seconds, tell)
    list_adapter(parts, conn, row, kept, spec, trained, verdict, metrics)
    return switch_to(parts.policy, conn, row, verdict)


def _dataset(
    parts: RoundParts, conn: Connection[Any], row: Round, request: RoundRequest, tell: Tell
) -> tuple[Stored | None, int]:
    number = row.dataset_id or request.dataset or _build(parts, request, tell)
    if number is None:
        return None, 0
    try:
        stored = find(conn, parts.datasets, number)[0]
    except DatasetUnusable:
        if request.dataset is not None:
            raise
        # Somebody had their data deleted since: what was learnt of it is thrown away.
        round_rows.note_cost(conn, row.id, stale_dataset=number)
        return _dataset(parts, conn, replace(row, dataset_id=None), request, tell)
    if stored.outdated and row.dataset_id is None and request.dataset is not None:
        raise DatasetUnusable(
            f"{stored.outdated} examples of dataset {number} rest on documents that changed or were deleted: make "
            "another with `journeyman dataset build`."
        )
    clusters = round_rows.new_clusters(conn, number, request.method)
    round_rows.note_dataset(conn, row.id, number, clusters)
    return stored, clusters


def _build(parts: RoundParts, request: RoundRequest, tell: Tell) -> int | None:
    making = Progress("Making a dataset of votes and corrections")
    tell(making)
    evaluation = [labelled.question for labelled in parts.golden()]
    return parts.build_dataset(Options(seed=request.seed), evaluation, lambda: tell(making))


def _train(
    parts: RoundParts,
    conn: Connection[Any],
    row: Round,
    kept: Stored,
    spec: TrainingSpec,
    folder: Path,
    tell: Tell,
) -> Trained:
    environment, must_wait = parts.environment, partial(parts.must_wait, conn)
    if "estimate" not in row.cost and not (folder / ADAPTER).exists():
        measuring = Progress("Measuring what training will cost")
        tell(measuring)
        cost = estimate(probe(folder, spec, lambda _: tell(measuring), must_wait, environment), spec.max_steps)
        round_rows.note_cost(conn, row.id, estimate=cost | {"examination": _evaluation_seconds(parts, conn, kept)})
        row = round_rows.of_job(conn, row.job_id or 0) or row
    last = Progress(told_estimate(row.cost.get("estimate")), counts=row.cost.get("estimate") or {})
    tell(last)
    written = float("-inf")

    def on_step(step: Step | None) -> None:
        nonlocal last, written
        if step is not None:
            last = Progress(told_step(step), step.step, step.steps)
            if time.monotonic() - written > PACE or step.step == step.steps:
                written = time.monotonic()
                round_rows.note_cost(
                    conn,
                    row.id,
                    loss=step.loss,
                    step=step.step,
                    steps=step.steps,
                    tokens_per_second=round(step.tokens_per_second, 1),
                    seconds_left=round(seconds_left(step), 1),
                )
        tell(last)

    trained = run(folder, spec, on_step, must_wait, environment=environment)
    round_rows.note_cost(
        conn,
        row.id,
        seconds=trained.seconds,
        tokens=trained.tokens,
        tokens_per_second=round(trained.tokens_per_second, 1),
        peak_megabytes=trained.peak_megabytes,
        gpu_seconds=trained.seconds if trained.device != "CPU" else 0,
        device=trained.device,
    )
    return trained


def _evaluation_seconds(parts: RoundParts, conn: Connection[Any], kept: Stored) -> float:
    """What the evaluation may take: every question is answered by each arm, as fast as people were lately."""
    items = items_of(parts.datasets / str(kept.id), round_rows.clusters_of(conn, kept.id), parts.golden())
    now = registry.in_use(conn)
    arms = 2 + bool(now and now.active) + bool(round_rows.learnt_from(conn, kept.id))
    return round(len(items) * arms * round_rows.seconds_an_answer(conn), 1)


def _failed(parts: RoundParts, conn: Connection[Any], row: Round, error: Exception) -> None:
    if conn.closed or isinstance(error, HandedBack):
        return  # another process goes on with it
    if isinstance(error, Cancelled):
        round_rows.end(conn, row.id, "cancelled", "It was cancelled.")
    else:
        round_rows.end(conn, row.id, "failed", parts.explain(error))


def place(made: Path, target: Path, sha256: str) -> None:
    """Moves the adapter to where it is served from: whole, because it is renamed. One that lies there of another spec,
    from before a restart, was never listed and so answers nobody.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if made.exists() and target.exists() and file_sha256(target / WEIGHTS) != sha256:
        shutil.rmtree(target)
    if not target.exists():
        made.rename(target)
