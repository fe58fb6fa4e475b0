"""The dataset that a round learns from: one that was asked for, the one that it had before, or one that is made now."""

from dataclasses import replace

from finetune.dataset.freezing import DatasetUnusable, find
from finetune.dataset.rows import Options
from finetune.dataset.storage import StoredDataset
from finetune.rounds import rows as round_rows
from finetune.rounds.parts import OpenRound, RoundParts, RoundRequest
from jobs.progress import Progress, Tell


def dataset_of(open_round: OpenRound, request: RoundRequest) -> tuple[StoredDataset | None, int]:
    """The round's dataset and how many of its clusters are new; None where there are no examples.

    Raises DatasetUnusable for one that was asked for and must not be learnt from.
    """
    row, conn = open_round.row, open_round.conn
    number = row.dataset_id or request.dataset or build_dataset(open_round.parts, request, open_round.tell)
    if number is None:
        return None, 0
    try:
        dataset = find(conn, open_round.parts.datasets, number)[0]
    except DatasetUnusable:
        if request.dataset is not None:
            raise
        # Somebody had their data deleted since: what was learnt of it is thrown away.
        round_rows.note_cost(conn, row.id, stale_dataset=number)
        return dataset_of(replace(open_round, row=replace(row, dataset_id=None)), request)
    if dataset.outdated and row.dataset_id is None and request.dataset is not None:
        raise DatasetUnusable(
            f"{dataset.outdated} examples of dataset {number} rest on documents that changed or were deleted: make "
            "another with `journeyman dataset build`."
        )
    clusters = round_rows.new_clusters(conn, number, request.method)
    round_rows.note_dataset(conn, row.id, number, clusters)
    return dataset, clusters


def build_dataset(parts: RoundParts, request: RoundRequest, tell: Tell) -> int | None:
    """The number of a dataset of all votes and corrections; None without examples."""
    progress = Progress("Making a dataset of votes and corrections")
    tell(progress)
    evaluation = [labelled.question for labelled in parts.golden()]
    return parts.build_dataset(Options(seed=request.seed), evaluation, lambda: tell(progress))
