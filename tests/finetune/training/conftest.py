"""A dataset of a few examples, as `journeyman dataset build` lays it out."""

import json
from pathlib import Path
from typing import Any

import pytest

ORDERS = [
    (machine, part, hours)
    for machine in ("mill", "lathe", "saw")
    for part, hours in (("spindle", 250), ("coolant", 40), ("belt", 500), ("guide", 120))
]


def turns(machine: str, part: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "Answer from the passages."},
        {"role": "user", "content": f"How often is the {part} of the {machine} checked?"},
    ]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_dataset(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sft, kto, dpo = [], [], []
    for index, (machine, part, hours) in enumerate(ORDERS):
        prompt, right, wrong = turns(machine, part), f"Every {hours} hours. [1]", "I cannot say."
        sft.append({"prompt": prompt, "completion": said(right), "example": f"s{index}"})
        kto.append({"prompt": prompt, "completion": said(right), "label": True, "example": f"k{index}"})
        kto.append({"prompt": prompt, "completion": said(wrong), "label": False, "example": f"n{index}"})
        dpo.append({"prompt": prompt, "chosen": said(right), "rejected": said(wrong), "example": f"d{index}"})
    for name, lines in (("sft", sft), ("kto", kto), ("dpo", dpo)):
        write_lines(folder / f"train.{name}.jsonl", lines)
    (folder / "dataset.json").write_text(json.dumps({"id": 1, "hash": "abc"}))
    return folder


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset of twelve questions."""
    return write_dataset(tmp_path_factory.mktemp("datasets") / "1")
