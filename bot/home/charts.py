"""The admins' figures as a picture and as text: the text is the picture's description, and stands in where none can be.

Matplotlib is an extra of the installation (`journeyman[charts]`).
"""

import io
from importlib.util import find_spec
from typing import Any

from bot.home.figures import DayFigures, Figures, share

BLUE, GREY, RED, GREEN, LINES = "#1f6f9f", "#b8c4cc", "#c94f4f", "#3a8f5c", "#e6eaed"
_ROWS = (2.4, 1.7, 0.45)  # inches: questions, shares, and each line without an answer
_TITLES = 1.4  # inches: what titles and labels need besides
_BARS = "▁▂▃▄▅▆▇█"
_LABEL = 110  # characters of a question in the picture


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def picture(figures: Figures) -> bytes:
    """Draws a PNG, 1600 pixels wide: questions a day, share answered, share of thumbs up, and what has no answer."""
    from matplotlib.figure import Figure  # without pyplot: no state, safe in any thread

    questions, shares, line = _ROWS
    rows = (questions, shares, 0.1 + line * len(figures.unanswered))
    figure = Figure(figsize=(10, sum(rows) + _TITLES), dpi=160, layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=rows)
    _questions(figure.add_subplot(grid[0, :]), figures)
    _shares(figure.add_subplot(grid[1, 0]), figures, "Share answered", BLUE, lambda d: share(d.answered, d.asked))
    _shares(figure.add_subplot(grid[1, 1]), figures, "Share of thumbs up", GREEN, lambda d: share(d.up, d.up + d.down))
    _unanswered(figure.add_subplot(grid[2, :]), figures)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def in_words(figures: Figures) -> str:
    """Says in plain text what the picture shows."""
    most = max((day.asked for day in figures.days), default=0)
    bars = "".join(_BARS[round(day.asked / most * (len(_BARS) - 1))] for day in figures.days) if most else ""
    lines = [
        f"{figures.asked} questions in {len(figures.days)} days {bars}".rstrip(),
        f"{_percent(figures.share_answered)} of them answered from the documents",
        f"{_percent(figures.share_up)} of {figures.thumbs} thumbs up",
    ]
    return "\n".join(lines)


def _questions(axes: Any, figures: Figures) -> None:
    places = range(len(figures.days))
    bottom = [0] * len(places)
    for name, color, values in (
        ("answered", BLUE, [day.answered for day in figures.days]),
        ("not in the documents", GREY, [day.abstained for day in figures.days]),
        ("failed", RED, [day.failed for day in figures.days]),
    ):
        axes.bar(places, values, bottom=bottom, color=color, label=name, width=0.7)
        bottom = [below + value for below, value in zip(bottom, values, strict=True)]
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_ylim(0, max(1, *bottom) * 1.05)
    axes.set_xticks(places, [f"{day.day:%d %b}" for day in figures.days])
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=3, frameon=False, fontsize=8)
    _plain(axes, f"Questions a day ({figures.asked} in {len(places)} days)")


def _shares(axes: Any, figures: Figures, title: str, color: str, of: Any) -> None:
    points = [(place, of(day)) for place, day in enumerate(figures.days)]
    known_points = [(place, 100 * value) for place, value in points if value is not None]
    places, values = [place for place, _ in known_points], [value for _, value in known_points]
    (line,) = axes.plot(places, values, color=color, marker="o", markersize=5, clip_on=False)
    line.set_in_layout(False)  # without a point it has no place
    axes.set_xlim(-0.5, len(points) - 0.5)
    axes.set_ylim(0, 105)
    axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
    days: tuple[DayFigures, ...] = figures.days
    axes.set_xticks(range(0, len(days), 3), [f"{day.day:%d %b}" for day in days[::3]])
    _plain(axes, title)


def _unanswered(axes: Any, figures: Figures) -> None:
    clusters = figures.unanswered[::-1]
    axes.barh(range(len(clusters)), [cluster.size for cluster in clusters], color=GREY, height=0.7)
    for place, cluster in enumerate(clusters):
        name = " ".join(cluster.name.split())
        label = f"  {cluster.size}×  {name if len(name) <= _LABEL else name[: _LABEL - 1] + '…'}"
        # parse_math: a question may hold dollar signs, which matplotlib would read as a formula.
        text = axes.text(0, place, label, va="center", fontsize=9, parse_math=False)
        text.set_in_layout(False)  # a long one may be cut, and must not push the bars together
    axes.set_xlim(0, max((cluster.size for cluster in clusters), default=1))
    axes.set_ylim(-0.5, len(clusters) - 0.5 if clusters else 0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    _plain(
        axes, "Asked most without an answer in the documents (30 days)" if clusters else "Nothing was left unanswered"
    )


def _plain(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.tick_params(labelsize=8, length=0)
    axes.grid(axis="y", color=LINES)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
