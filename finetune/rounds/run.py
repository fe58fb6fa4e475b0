"""A round of fine-tuning from votes to verdict: dataset → cost → training → evaluation → gate → registry.

Each stage leaves a row or files, so that a round whose process died goes on where it was: from the same dataset, the
last checkpoint, the answers that were given already.
"""

from dataclasses import asdict, replace
from typing import Any

import structlog
from psycopg import Connection

from finetune.model.loading import Quantize
from finetune.rounds import rows as round_rows
from finetune.rounds.costs import COST_NAMES
from finetune.rounds.data import build_dataset, dataset_of
from finetune.rounds.evaluation import evaluate_adapter
from finetune.rounds.listing import list_adapter
from finetune.rounds.parts import OpenRound, RoundParts, RoundRequest
from finetune.rounds.promotion import switch_to
from finetune.rounds.rows import Round, State
from finetune.rounds.training import train_adapter
from finetune.training.process import probe
from finetune.training.spec import Trained, TrainingFailed
from jobs.execution import Cancelled, HandedBack
from jobs.progress import Progress, Tell
from jobs.rows import request_job

log = structlog.get_logger(__name__)


def request_round(conn: Connection[Any], request: RoundRequest, started_by: str) -> Round:
    """A new round, or the one that is open already."""
    round_rows.rounds(conn, 0)  # those whose jobs were given up have ended
    with conn.transaction():
        job = request_job(conn, "finetune", "adapter", started_by=started_by)
        return round_rows.begin(conn, job.id, started_by=started_by, requested=asdict(request))


def measure_costs(parts: RoundParts, request: RoundRequest, tell: Tell) -> dict[Quantize, Trained | str]:
    """What a few steps of LoRA and of QLoRA cost over the same examples; where one cannot be, why."""
    number = request.dataset or build_dataset(parts, request, tell)
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
    try:
        state, reason = _stages(OpenRound(parts, conn, row, tell), RoundRequest(**row.requested))
    except Exception as error:
        _fail(parts, conn, row, error)
        raise
    round_rows.end(conn, row.id, state, reason)
    log.info("round_ended", round=row.id, state=state)
    return {"state": state, "reason": reason}


def _stages(open_round: OpenRound, request: RoundRequest) -> tuple[State, str]:
    """How the round ends, and why."""
    parts = open_round.parts
    dataset, clusters = dataset_of(open_round, request)
    if dataset is None or dataset.report.get(f"train.{request.method}", 0) == 0:
        return "not enough", f"There are no examples for {request.method} yet: `/journeyman review` makes some."
    if clusters < parts.policy.floor and not request.now:
        floor = parts.policy.floor
        return "not enough", f"{clusters} new clusters of reviewed questions came in, and {floor} are asked for."
    spec = parts.spec(request, parts.datasets / str(dataset.id))
    trained = train_adapter(open_round, dataset, spec)
    verdict, metrics = evaluate_adapter(open_round, dataset, trained.seconds)
    list_adapter(open_round, dataset, spec, trained, verdict, metrics)
    return switch_to(parts.policy, open_round.conn, open_round.row, verdict)


def _fail(parts: RoundParts, conn: Connection[Any], row: Round, error: Exception) -> None:
    if conn.closed or isinstance(error, HandedBack):
        return  # another process goes on with it
    if isinstance(error, Cancelled):
        round_rows.end(conn, row.id, "cancelled", "It was cancelled.")
    else:
        round_rows.end(conn, row.id, "failed", parts.explain(error))
