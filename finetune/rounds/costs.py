"""What a round of fine-tuning costs: estimated before it starts, measured while it lasts, told in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.comparison.advice import cheaper_way
from finetune.evaluation.gate import Outcome
from finetune.model.loading import Quantize
from finetune.training.spec import Step, Trained

COST_NAMES: Mapping[Quantize, str] = {"none": "LoRA", "4bit": "QLoRA"}


def estimate(trained: Trained, max_steps: int | None) -> dict[str, float]:
    """What the whole will cost, from what a few steps did."""
    steps = trained.planned_steps if max_steps is None else min(max_steps, trained.planned_steps)
    seconds = trained.seconds_per_step * steps
    return {"seconds": round(seconds, 1), "steps": steps, "peak_megabytes": trained.peak_megabytes}


def describe_estimate(costs: Mapping[str, Any] | None) -> str:
    """What a round will cost, in words, before it starts."""
    if not costs:
        return "Training"
    training = f"Training will take about {duration(costs['seconds'])} and {costs['peak_megabytes'] / 1000:.1f} GB"
    evaluation = costs.get("evaluation")
    return f"{training}, and the evaluation about {duration(evaluation)}" if evaluation else training


def describe_step(step: Step) -> str:
    """How far training is, in words, while it lasts."""
    remaining = duration(seconds_left(step))
    return f"Training: loss {step.loss:.3f}, {step.tokens_per_second:.0f} tokens/s, {remaining} left"


def seconds_left(step: Step) -> float:
    """How many seconds of training are left, if the steps to come take as long as this one."""
    return step.seconds * (step.steps - step.step)


def duration(seconds: float) -> str:
    """A time in words, to the precision that matters to a person who waits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def cheaper_than_examples(candidate: Sequence[Outcome], examples: Sequence[Outcome], training_seconds: float) -> str:
    """Which of an adapter and examples in the prompt is the cheaper way to the same quality, in a sentence."""
    tokens, seconds = (_mean_difference(candidate, examples, score) for score in ("tokens", "seconds"))
    return cheaper_way(tokens, seconds, training_seconds)


def _mean_difference(candidate: Sequence[Outcome], examples: Sequence[Outcome], score: str) -> float:
    """How much more the answers with examples have of a score, over the questions that both arms answered."""
    differences = [
        with_examples.scores[score] - tuned.scores[score]
        for tuned, with_examples in zip(candidate, examples, strict=True)
        if {"tokens", "seconds"} <= tuned.scores.keys() & with_examples.scores.keys()
    ]
    return sum(differences) / max(len(differences), 1)
