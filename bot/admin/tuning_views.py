"""What `/journeyman model` and `finetune` say of the model, of its adapters and of rounds: pure functions."""

from collections.abc import Mapping
from typing import Any

from bot.operations import ModelState
from bot.slack.mrkdwn import plain, slack_date
from bot.slack.people import mention
from finetune.registry import Adapter, Switch
from finetune.rounds.rows import Round


def switch_text(switch: Switch | None) -> str:
    """Says which adapter answers, since when and why."""
    if switch is None:
        return "No adapter is in use: the base model answers."
    subject = f"The adapter `{plain(switch.active)}` answers" if switch.active else "The base model answers"
    trial = f", and `{plain(switch.trial)}` is tried on {switch.percent} % of people" if switch.trial else ""
    return f"{subject}{trial}, since {slack_date(switch.at)} ({plain(switch.reason)})."


def round_text(round_: Round) -> str:
    """Says in a line or two how a round stands, or how it ended."""
    cost = round_.cost
    if round_.state == "open":
        if "step" in cost and "seconds" not in cost:
            pace = f", loss {cost['loss']:.3f}, {cost.get('tokens_per_second', 0):.0f} tokens/s"
            remaining = _left(cost)
            return f"*Round {round_.id}*: step {cost['step']} of {cost['steps']}{pace}{remaining}"
        if "seconds" in cost:
            return f"*Round {round_.id}*: trained in {cost['seconds']:.0f} s, is being evaluated"
        stands = "waits for a worker" if round_.waits else f"under way{_expected(cost)}"
        return f"*Round {round_.id}*, asked for by {_asker(round_)}: {stands}"
    took = f" Training took {cost['seconds']:.0f} s and {cost['peak_megabytes']} MB." if "seconds" in cost else ""
    return f"*Round {round_.id}*: {round_.state}. {plain(round_.reason or '')}{took}"


def adapter_details(adapter: Adapter) -> str:
    """Says what an adapter was trained on, and what the gate measured."""
    lineage = adapter.lineage
    lines = [
        f"*{plain(adapter.name)}*, {slack_date(adapter.created_at)}: {plain(adapter.reason)}",
        f"{lineage.get('method', '?')} over {plain(adapter.base)}, dataset {adapter.dataset_id}, "
        f"{lineage.get('examples', '?')} examples, rank {lineage.get('rank', '?')}, seed {lineage.get('seed', '?')}",
    ]
    for part, scores in (adapter.metrics.get("sets") or {}).items():
        values = ", ".join(
            f"{score} {arms.get('candidate', 0):.3f} ({arms.get('active', 0):.3f} before)"
            for score, arms in scores.items()
        )
        lines.append(f"• {plain(part)}: {values}")
    return "\n".join([*lines, *([f":warning: {adapter.erased}"] if adapter.erased else [])])


def model_text(state: ModelState) -> str:
    """Says in a sentence which model answers and where it runs."""
    loaded = {True: ", loaded", False: ", which the next question loads", None: ""}[state.loaded]
    text = f"The model that answers is `{plain(state.name)}` {adapter_text(state.adapter)}, {state.place}{loaded}."
    return f"{text}\n:warning: The adapter cannot be used here: {plain(state.problem)}" if state.problem else text


def adapter_text(adapter: str | None) -> str:
    """Says with which adapter a model answers, or that it has none."""
    return f"with the adapter `{plain(adapter)}`" if adapter else "without an adapter"


def _left(cost: Mapping[str, Any]) -> str:
    estimate = cost.get("estimate")
    if not estimate or not estimate.get("steps"):
        return ""
    seconds = estimate["seconds"] / estimate["steps"] * (cost["steps"] - cost["step"])
    return f", about {seconds / 60:.0f} min left" if seconds > 100 else f", about {seconds:.0f} s left"


def _expected(cost: Mapping[str, Any]) -> str:
    estimate = cost.get("estimate")
    if not estimate:
        return ""
    return f"; training will take about {max(1, estimate['seconds'] / 60):.0f} min and {estimate['peak_megabytes']} MB"


def _asker(round_: Round) -> str:
    return "the schedule" if round_.started_by == "schedule" else mention(round_.started_by)
