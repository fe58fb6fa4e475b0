"""A dataset as a folder: written aside, renamed, then recorded, and never changed; deleted when it is stale.

`<split>.<kind>.jsonl` holds the lines that TRL reads, `regression.jsonl` what was corrected, `dataset.json` the hash
and the report, and README.md tells `datasets.load_dataset(folder, "sft")` which file is which.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection

from finetune.dataset.rows import KINDS, SPLITS, Dataset
from finetune.dataset.storage import (
    StoredDataset,
    add_dataset,
    next_id,
    note_swept,
    one_at_a_time,
    read_datasets,
    same_dataset,
    unswept,
    unused,
)

KEPT_DAYS = 90
"""How long the files of a dataset stay that nothing was learnt from."""


class DatasetUnusable(Exception):
    """A dataset is missing, empty or stale; the message says what to do."""


def freeze(conn: Connection[Any], folder: Path, dataset: Dataset) -> StoredDataset:
    """Keeps a dataset below `folder`, or finds the one that has exactly these rows.

    Raises DatasetUnusable for one without examples, OSError when the folder cannot be written.
    """
    if not dataset.placed:
        raise DatasetUnusable(
            "There is nothing to learn from yet: no vote or approved correction passed the checks. "
            "`journeyman dataset build --json` counts why; `--from-documents 200` makes examples from the documents."
        )
    with conn.transaction():
        one_at_a_time(conn)
        number = same_dataset(conn, dataset.hash)
        if number is None:
            number = next_id(conn)
            _write(folder / str(number), number, dataset)
            add_dataset(conn, number, dataset)
        elif not (folder / str(number)).exists():
            _write(folder / str(number), number, dataset)
    return read_datasets(conn, number)[0]


def find(conn: Connection[Any], folder: Path, number: int | None = None) -> tuple[StoredDataset, Path]:
    """A dataset, or the newest, with its folder. Raises DatasetUnusable if it must not or cannot be read."""
    datasets = read_datasets(conn, number)
    if not datasets:
        missing = "There is no dataset yet" if number is None else f"There is no dataset {number}"
        raise DatasetUnusable(f"{missing}: make one with `journeyman dataset build`.")
    chosen = datasets[0]
    if chosen.stale_at is not None:
        raise DatasetUnusable(
            f"Dataset {chosen.id} holds words of somebody who had their data deleted: make another with "
            "`journeyman dataset build`."
        )
    if not (folder / str(chosen.id)).is_dir():
        raise DatasetUnusable(
            f"The files of dataset {chosen.id} are not in {folder}: use the home that it was made in, or make it again "
            "with `journeyman dataset build`."
        )
    return chosen, folder / str(chosen.id)


def export(source: Path, target: Path) -> None:
    """Copies a dataset's folder to `target`, which must not exist yet. Raises DatasetUnusable, OSError."""
    if target.exists():
        raise DatasetUnusable(f"{target} exists already: name a new folder.")
    shutil.copytree(source, target)


def sweep(conn: Connection[Any], folder: Path) -> int:
    """Deletes the files of stale and of unused datasets below `folder`; returns how many datasets it were."""
    stale = {number for number in unswept(conn) if (folder / str(number)).exists()}
    old = {number for number in unused(conn, KEPT_DAYS) if (folder / str(number)).exists()}
    for number in stale | old:
        shutil.rmtree(folder / str(number))
    for number in stale:
        note_swept(conn, number)
    return len(stale | old)


def _write(folder: Path, number: int, dataset: Dataset) -> None:
    aside = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for split in SPLITS:
        for kind in KINDS:
            lines = [row.line for row in dataset.placed if (row.split, row.example.kind) == (split, kind)]
            _write_lines(aside / f"{split}.{kind}.jsonl", lines)
    _write_lines(aside / "regression.jsonl", dataset.regression)
    sizes = {f"{split}.{kind}": dataset.report[f"{split}.{kind}"] for split in SPLITS for kind in KINDS}
    facts = {"id": number, "hash": dataset.hash, "sizes": sizes, "report": dict(dataset.report)}
    (aside / "dataset.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    (aside / "README.md").write_text(_card(facts), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed before its row was written
    aside.rename(folder)


def _write_lines(file: Path, lines: Iterable[Mapping[str, object]]) -> None:
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _card(facts: Mapping[str, Any]) -> str:
    """A dataset card: https://huggingface.co/docs/hub/datasets-manual-configuration. Empty files are not listed."""
    configs = []
    for kind in KINDS:
        files = [
            f"  - split: {split}\n    path: {split}.{kind}.jsonl"
            for split in SPLITS
            if facts["sizes"][f"{split}.{kind}"]
        ]
        if files:
            configs.append("\n".join([f"- config_name: {kind}", "  data_files:", *files]))
    counts = "\n".join(f"| {name} | {count} |" for name, count in facts["report"].items())
    return (
        "---\nconfigs:\n"
        + "\n".join(configs)
        + f"\n---\n# Journeyman dataset {facts['id']}\n\nSHA-256 of its rows: `{facts['hash']}`\n\n"
        + f"| What | Count |\n| --- | --- |\n{counts}\n"
    )
