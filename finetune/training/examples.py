"""Lines of a dataset's file → token ids with the answer's as labels, or rows for TRL's preference trainers.

An answer is never cut: what is too long is left out whole, and counted.
"""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.training.spec import Method, TrainingFailed

IGNORED = -100
"""The label of a token that the loss leaves out."""


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The examples of a JSONL file. Raises TrainingFailed if there are none."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line] if file.is_file() else []
    if not lines:
        raise TrainingFailed(f"There is nothing to train on in {file.name}: `journeyman dataset show` counts why.")
    return lines


def tokenized(tokenizer: Any, prompt: Sequence[Mapping[str, str]], completion: str) -> tuple[list[int], list[int]]:
    """The prompt's tokens exactly as they are when the model serves, and the answer's with the end of its turn."""
    begun: str = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
    turns = [*prompt, {"role": "assistant", "content": completion}]
    whole: str = tokenizer.apply_chat_template(turns, tokenize=False)
    if not whole.startswith(begun):
        raise TrainingFailed("The chat template writes a prompt in another way once it is answered: use another model.")

    def ids(text: str) -> list[int]:
        tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    return ids(begun), ids(whole[len(begun) :].rstrip("\n"))


def supervised(tokenizer: Any, lines: Sequence[Mapping[str, Any]], max_length: int) -> list[dict[str, list[int]]]:
    """Token ids and labels, the prompt's ignored, without what is longer than `max_length`."""
    rows = []
    for line in lines:
        prompt, answer = tokenized(tokenizer, line["prompt"], line["completion"][0]["content"])
        if len(prompt) + len(answer) <= max_length:
            rows.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return rows


def preferences(
    tokenizer: Any, lines: Sequence[Mapping[str, Any]], method: Method, max_length: int, seed: int
) -> list[dict[str, Any]]:
    """Rows for KTO or DPO in an order of chance, without what is too long. KTO's take turns between good and bad, since
    it compares within a batch.
    """
    columns = ("completion",) if method == "kto" else ("chosen", "rejected")
    rows = []
    for line in lines:
        lengths = [sum(map(len, tokenized(tokenizer, line["prompt"], line[name][0]["content"]))) for name in columns]
        if max(lengths) <= max_length:
            rows.append({name: line[name] for name in ("prompt", *columns, *(("label",) if method == "kto" else ()))})
    random.Random(seed).shuffle(rows)  # noqa: S311 - an order, no secret
    return _alternating(rows) if method == "kto" else rows


def _alternating(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Good and bad spread evenly through each other, however many of each."""
    classes = [[row for row in rows if row["label"] is label] for label in (True, False)]
    if not all(classes):
        raise TrainingFailed("KTO learns from good and bad answers, and there is only one kind: use another method.")
    places = [((index + 0.5) / len(group), row) for group in classes for index, row in enumerate(group)]
    return [row for _, row in sorted(places, key=lambda placed: placed[0])]
