"""The arms of a comparison with their intervals as a picture, for the report and for Slack."""

import io
from collections.abc import Sequence
from importlib.util import find_spec

from finetune.comparison.outcomes import BASE, BOTH, EXAMPLES, RAG, TUNED, Arm

_COLOURS = {BASE: "#9aa5ad", RAG: "#1f6f9f", EXAMPLES: "#7a6bb0", TUNED: "#c98a3a", BOTH: "#3f8f5a"}


def chart(arms: Sequence[Arm]) -> bytes | None:
    """The shares of right answers and right refusals as a PNG; None without matplotlib (`journeyman[charts]`)."""
    if not find_spec("matplotlib"):
        return None
    # matplotlib takes a second to load and may not be installed; without pyplot it has no state and is thread-safe.
    from matplotlib.figure import Figure

    parts = [("answers", [arm.answer for arm in arms]), ("refuses rightly", [arm.refused for arm in arms])]
    parts = [(label, rates) for label, rates in parts if any(rate.n for rate in rates)]
    rows = [(label, arm.name, rate) for label, rates in parts for arm, rate in zip(arms, rates, strict=True)]
    figure = Figure(figsize=(7, 0.9 + 0.42 * len(rows)), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for place, (_, name, rate) in enumerate(rows):
        axes.barh(place, rate.value, height=0.7, color=_COLOURS.get(name, "#777777"))
        axes.plot([rate.low, rate.high], [place, place], color="#22303a", linewidth=1.2)
        axes.annotate(
            f"{rate.value:.2f}", (max(rate.high, rate.value), place), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(rows)), [f"{name}: {label}" for label, name, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.1), xlabel="Share of questions, with 95 % intervals")
    axes.grid(axis="x", color="#e6eaed")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
