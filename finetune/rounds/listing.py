"""An adapter with its papers: its lineage, its model card and charts, and its row in the registry."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune import registry
from finetune.dataset.rows import SPLITS
from finetune.dataset.storage import StoredDataset
from finetune.evaluation.gate import Verdict
from finetune.lineage import base_hashes, machine
from finetune.model_card import CARD, CHART, SCORES, loss_chart, model_card, scores_chart
from finetune.rounds.parts import OpenRound, RoundParts
from finetune.training.spec import Trained, TrainingSpec


def list_adapter(
    open_round: OpenRound,
    dataset: StoredDataset,
    spec: TrainingSpec,
    trained: Trained,
    verdict: Verdict,
    metrics: Mapping[str, Any],
) -> None:
    """Writes the adapter's card and charts, then its row: from then on the adapter exists."""
    row, lineage = open_round.row, lineage_of(open_round.parts, dataset, spec, trained)
    _write_papers(open_round.adapter_folder, row.adapter, lineage, metrics, verdict)
    registry.add(
        open_round.conn,
        registry.TrainedAdapter(
            name=row.adapter,
            round_id=row.id,
            parent=metrics["active"],
            dataset_id=dataset.id,
            base=open_round.parts.base,
            sha256=trained.sha256,
            lineage=lineage,
            metrics=metrics,
            decision=verdict.decision,
            reason=verdict.reason,
        ),
    )


def lineage_of(parts: RoundParts, dataset: StoredDataset, spec: TrainingSpec, trained: Trained) -> dict[str, Any]:
    """What an adapter stands on: base, examples, every choice of its training, and what the training came to."""
    lineage = {
        "base": parts.base,
        **base_hashes(parts.model_place(), parts.machine.revision),
        "examples_of_dataset": dataset.examples,
        "dataset_sha256": dataset.hash,
        "split": {side: dataset.report.get(f"{side}.{spec.method}", 0) for side in SPLITS},
        "machine": machine(),
        **asdict(spec),
        **trained.as_dict(),
        "alpha": spec.scale,
        "learning_rate": spec.rate,
        "journeyman": version("journeyman"),
        "spec_sha256": spec.digest,
    }
    return lineage | {"dataset": dataset.id, "model": parts.base}  # ids, where the spec has folders of this machine


def _write_papers(
    folder: Path, name: str, lineage: Mapping[str, Any], metrics: Mapping[str, Any], verdict: Verdict
) -> None:
    _write(folder / CARD, model_card(name, lineage, metrics, verdict.decision, verdict.reason).encode())
    if chart := loss_chart(lineage["losses"]):
        _write(folder / CHART, chart)
    if chart := scores_chart(metrics["sets"]):
        _write(folder / SCORES, chart)


def _write(file: Path, data: bytes) -> None:
    """Writes the file aside and renames it, so that it is there as a whole or not at all."""
    aside = file.with_name(f".{file.name}.writing")
    aside.write_bytes(data)
    aside.rename(file)
