"""The training of a round: what it will cost, its progress in the round's row, its adapter where it is served from."""

import shutil
import time
from functools import partial
from pathlib import Path

from finetune.dataset.storage import StoredDataset
from finetune.files import WEIGHTS, file_sha256
from finetune.rounds import rows as round_rows
from finetune.rounds.costs import describe_estimate, describe_step, estimate, seconds_left
from finetune.rounds.evaluation import evaluation_seconds
from finetune.rounds.parts import OpenRound
from finetune.training.folder import ADAPTER
from finetune.training.process import probe, run
from finetune.training.spec import Step, Trained, TrainingSpec
from jobs.progress import Progress

PACE = 2.0  # seconds between two writes of a round's figures


def train_adapter(open_round: OpenRound, dataset: StoredDataset, spec: TrainingSpec) -> Trained:
    """Trains the round's adapter in a process of its own, or goes on with it, and places it where it is served from.

    Raises what `tell` raises, and TrainingFailed.
    """
    folder, conn, row = open_round.training_folder, open_round.conn, open_round.row
    costs = _estimate(open_round, dataset, spec)
    report = _Report(open_round, Progress(describe_estimate(costs), counts=costs or {}))
    must_wait = partial(open_round.parts.must_wait, conn)
    trained = run(folder, spec, report.on_step, must_wait, environment=open_round.parts.environment)
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
    place(folder / ADAPTER, open_round.adapter_folder, trained.sha256)
    return trained


def place(trained: Path, target: Path, sha256: str) -> None:
    """Moves the adapter to where it is served from: whole, because it is renamed. One that lies there of another spec,
    from before a restart, was never listed and so answers nobody.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if trained.exists() and target.exists() and file_sha256(target / WEIGHTS) != sha256:
        shutil.rmtree(target)
    if not target.exists():
        trained.rename(target)


def _estimate(open_round: OpenRound, dataset: StoredDataset, spec: TrainingSpec) -> dict[str, float] | None:
    """What the round will cost, from its row or measured now; None where that is not known and not needed any more."""
    parts, conn, row = open_round.parts, open_round.conn, open_round.row
    if "estimate" in row.cost or (open_round.training_folder / ADAPTER).exists():
        costs: dict[str, float] | None = row.cost.get("estimate")
        return costs
    measuring, must_wait = Progress("Measuring what training will cost"), partial(parts.must_wait, conn)
    open_round.tell(measuring)
    trial = probe(open_round.training_folder, spec, lambda _: open_round.tell(measuring), must_wait, parts.environment)
    measured = estimate(trial, spec.max_steps) | {"evaluation": evaluation_seconds(open_round, dataset)}
    round_rows.note_cost(conn, row.id, estimate=measured)
    return measured


class _Report:
    """Tells how far training is, and notes its figures in the round's row from time to time."""

    def __init__(self, open_round: OpenRound, progress: Progress) -> None:
        self._round, self._progress, self._noted_at = open_round, progress, float("-inf")
        open_round.tell(progress)

    def on_step(self, step: Step | None) -> None:
        """Called after each step, and with None several times a second while there is none."""
        if step is not None:
            self._progress = Progress(describe_step(step), step.step, step.steps)
            if time.monotonic() - self._noted_at > PACE or step.step == step.steps:
                self._noted_at = time.monotonic()
                self._note(step)
        self._round.tell(self._progress)

    def _note(self, step: Step) -> None:
        round_rows.note_cost(
            self._round.conn,
            self._round.row.id,
            loss=step.loss,
            step=step.step,
            steps=step.steps,
            tokens_per_second=round(step.tokens_per_second, 1),
            seconds_left=round(seconds_left(step), 1),
        )
