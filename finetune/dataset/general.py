"""What every model should still know after it was fine-tuned: plain questions, for the gate's set on forgetting."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class GeneralQuestion:
    """A question with regular expressions that a right answer matches."""

    question: str
    expect: tuple[str, ...]


@cache
def general_questions() -> tuple[GeneralQuestion, ...]:
    """The questions that come with the package, the same for every adapter."""
    lines = files("finetune.dataset").joinpath("general.jsonl").read_text("utf-8").splitlines()
    return tuple(GeneralQuestion(row["question"], tuple(row["expect"])) for row in map(json.loads, lines))
