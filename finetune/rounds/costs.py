"""What a round of fine-tuning costs: estimated before it starts, measured while it lasts, told in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.comparison.report import cheaper
from finetune.evaluation.gate import Outcome
from finetune.model.loading import Quantize
from finetune.training.spec import Step, Trained

COST_NAMES: Mapping[Quantize, str] = {"none": "LoRA", "4bit": "QLoRA"}


def estimate(trained: Trained, max_steps: int | None) -> dict[str, float]:
    """What the whole will cost, from what a few steps did."""
    steps = trained.planned_steps if max_steps is None else min(max_steps, trained.planned_steps)
    seconds = trained.seconds_per_step * steps
    return {"seconds": round(seconds, 1), "steps": steps, "peak_megabytes": trained.peak_megabytes}


def told_estimate(found: Mapping[str, Any] | None) -> str:
    """What a round will cost, in words, before it starts."""
    if not found:
        return "Training"
    told = f"Training will take about {duration(found['seconds'])} and {found['peak_megabytes'] / 1000:.1f} GB"
    after = found.get("examination")
    return f"{told}, and the examination about {duration(after)}" if after else told


def told_step(step: Step) -> str:
    """How far training is, in words, while it lasts."""
    left = duration(seconds_left(step))
    return f"Training: loss {step.loss:.3f}, {step.tokens_per_second:.0f} tokens/s, {left} left"


def seconds_left(step: Step) -> float:
    """How many seconds of training are left, if the steps to come take as long as this one."""
    return step.seconds * (step.steps - step.step)


def duration(seconds: float) -> str:
    """A time in words, to the precision that matters to a person who waits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def beside_examples(candidate: Sequence[Outcome], examples: Sequence[Outcome], training_seconds: float) -> str:
    """Which of the two is the cheaper way to the same quality, in a sentence."""
    pairs = [
        (theirs.scores, ours.scores)
        for ours, theirs in zip(candidate, examples, strict=True)
        if {"tokens", "seconds"} <= ours.scores.keys() & theirs.scores.keys()
    ]
    tokens, seconds = (
        sum(theirs[score] - ours[score] for theirs, ours in pairs) / max(len(pairs), 1)
        for score in ("tokens", "seconds")
    )
    return cheaper(tokens, seconds, training_seconds)
