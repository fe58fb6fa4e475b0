"""An example as the line of a file: in the conversational format of TRL, and the hash of all lines."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from finetune.dataset.guards import assistant_turn
from finetune.dataset.rows import Example, Message, Placed


def line(example: Example, prompt: list[Message]) -> dict[str, object]:
    """The line of an example that is learnt from or held out, by its kind."""
    if example.kind == "dpo":
        return {
            "prompt": prompt,
            "chosen": [assistant_turn(example.completion)],
            "rejected": [assistant_turn(example.rejected or "")],
            "question": example.question,
            "example": example.id,
        }
    columns: dict[str, object] = {"prompt": prompt, "completion": [assistant_turn(example.completion)]}
    if example.kind == "kto":
        columns["label"] = bool(example.label)
    return columns | {"question": example.question, "example": example.id}


def regression_line(example: Example, prompt: list[Message]) -> dict[str, object]:
    """The line of what was answered wrongly and then corrected."""
    return {
        "question": example.question,
        "prompt": prompt,
        "completion": [assistant_turn(example.completion)],
        "rejected": [assistant_turn(example.rejected or "")],
        "example": example.id,
    }


def lines_hash(placed: Sequence[Placed], regression: Sequence[Mapping[str, object]]) -> str:
    """SHA-256 of the lines, whatever their order, as hexadecimal digits."""
    lines = [[row.split, row.example.kind, row.line] for row in placed] + [["regression", row] for row in regression]
    texts = sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in lines)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
