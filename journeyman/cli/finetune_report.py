"""A round of fine-tuning in words: what it will cost, how it ended, what it cost."""

from collections.abc import Mapping
from typing import Any

from finetune.model.loading import Quantize
from finetune.rounds.costs import COST_NAMES, duration, estimate
from finetune.rounds.rows import Round
from finetune.training.spec import Trained


def describe_costs(measured: Mapping[Quantize, Trained | str], max_steps: int | None) -> str:
    """LoRA and QLoRA side by side: memory, speed, how long the whole would take."""
    lines = [f"{'':<7}{'memory':>9}{'tokens/s':>10}{'the whole':>11}"]
    for quantize, cost in measured.items():
        if isinstance(cost, str):
            lines.append(f"{COST_NAMES[quantize]:<7}{cost}")
            continue
        expected = estimate(cost, max_steps)
        pace = f"{cost.tokens_per_second:>10.0f}{duration(expected['seconds']):>11}"
        lines.append(f"{COST_NAMES[quantize]:<7}{cost.peak_megabytes / 1000:>6.1f} GB{pace}")
    costs = [cost for cost in measured.values() if not isinstance(cost, str)]
    if len(costs) == 2:
        memory = costs[1].peak_megabytes / costs[0].peak_megabytes
        speed = costs[1].tokens_per_second / costs[0].tokens_per_second
        lines.append(f"QLoRA takes {memory:.0%} of LoRA's memory at {speed:.0%} of its speed.")
    return "\n".join(lines)


def describe_round(row: Round) -> str:
    """A round in a few lines: how it ended, and what it cost."""
    lines = [f"Round {row.id}: {row.state}. {row.reason or ''}".rstrip()]
    if cost := _cost(row.cost):
        lines.append(cost)
    return "\n".join(lines)


def _cost(cost: Mapping[str, Any]) -> str:
    if "seconds" not in cost:
        return f"  step {cost['step']} of {cost['steps']}, loss {cost['loss']:.3f}" if "step" in cost else ""
    estimated = cost.get("estimate") or {}
    expected = f" (expected {estimated['seconds']:.0f} s, {estimated['peak_megabytes']} MB)" if estimated else ""
    return (
        f"  {cost['seconds']:.0f} s on {cost['device']}, {cost['tokens']} tokens, {cost['tokens_per_second']:.0f} a "
        f"second, {cost['peak_megabytes']} MB at the most{expected}"
    )
