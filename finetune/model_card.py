"""The model card of an adapter, and the curve of its loss: what somebody who finds the folder wants to know."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

CARD, CHART, SCORES = "README.md", "loss.png", "scores.png"
ARMS = {"candidate": "this one", "active": "active then", "base": "base"}
COLOURS = ("#1f6f9f", "#e0912f", "#9aa5ad")


def model_card(name: str, lineage: Mapping[str, Any], metrics: Mapping[str, Any], decision: str, reason: str) -> str:
    """The card as Markdown, with the front matter that Hugging Face reads."""
    lines = [
        "---",
        f"base_model: {lineage.get('base', '')}",
        "library_name: peft",
        "tags: [lora, journeyman]",
        "---",
        f"# {name}",
        "",
        f"**{decision}**: {reason}",
        "",
        *_table(("What", "Value"), [(key, _text(value)) for key, value in lineage.items() if key != "losses"]),
    ]
    if metrics.get("sets"):
        rows = [
            (name, score, *(_text(arms.get(arm)) for arm in ("candidate", "active", "base")), arms.get("n", ""))
            for name, scores in metrics["sets"].items()
            for score, arms in scores.items()
        ]
        lines += ["", *_table(("Set", "Score", "This one", "Active then", "Base", "Questions"), rows)]
        lines += ["", f"![Scores by set]({SCORES})"]
    if over := metrics.get("examples"):
        gain = f"{over['value']:+.3f} [{over['low']:+.3f}, {over['high']:+.3f}]"
        lines += ["", f"Over the same answers as examples in the prompt, without an adapter: {gain}"]
    if judge := metrics.get("judge"):
        lines += ["", f"Judge: {_text(judge)}"]
    if lineage.get("losses"):
        lines += ["", f"![Loss of each step]({CHART})"]
    return "\n".join(lines) + "\n"


def loss_chart(losses: Sequence[float]) -> bytes | None:
    """The loss over the steps as a PNG; None without matplotlib (`journeyman[charts]`)."""
    if not find_spec("matplotlib") or not losses:
        return None
    from matplotlib.figure import Figure  # takes a second to load, and may not be installed

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(losses) + 1), losses, color="#1f6f9f", linewidth=1.6)
    axes.set(xlabel="step", ylabel="loss", title="Loss of each step")
    axes.grid(color="#e4e8eb", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def scores_chart(sets: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bytes | None:
    """Every share that the evaluation found, of each arm, as a PNG; None without any, or without matplotlib."""
    rows = [(f"{name}: {score}", arms) for name, scores in sets.items() for score, arms in scores.items()]
    rows = [(name, arms) for name, arms in rows if all(0 <= arms.get(arm, 0.0) <= 1 for arm in ARMS)]
    if not find_spec("matplotlib") or not rows:
        return None
    from matplotlib.figure import Figure  # takes a second to load, and may not be installed

    figure = Figure(figsize=(6.4, 1.0 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for number, (arm, label) in enumerate(ARMS.items()):
        places = [(row + (number - 1) * 0.26, arms[arm]) for row, (_, arms) in enumerate(rows) if arm in arms]
        if places:
            axes.barh([y for y, _ in places], [x for _, x in places], 0.24, label=label, color=COLOURS[number])
    axes.set(xlim=(0, 1), title="Scores by set", yticks=range(len(rows)), yticklabels=[name for name, _ in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e4e8eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(ARMS), frameon=False)
    return _png(figure)


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows]]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) if len(value) <= 12 else f"{len(value)} entries"
    return "" if value is None else str(value)
