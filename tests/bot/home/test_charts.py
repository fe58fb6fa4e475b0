"""The figures as a picture and in words."""

from datetime import date

import pytest

from bot.home.charts import in_words, picture
from bot.home.figures import DayFigures, Figures
from retrieval.text.clusters import Cluster

DAYS = tuple(DayFigures(date(2026, 11, day), day, 2, 1, 3, 1) for day in range(9, 23))
FIGURES = Figures(DAYS, (Cluster("What costs $110 of $HOME?", 4),))


@pytest.mark.filterwarnings("error:constrained_layout")
def test_a_picture_is_drawn_of_anything() -> None:
    """Dollar signs are no formulas; no figures at all are drawn, too, and everything finds its place."""
    for shown in (FIGURES, Figures(tuple(DayFigures(day.day, 0, 0, 0, 0, 0) for day in DAYS), ())):
        assert picture(shown).startswith(b"\x89PNG")


def test_figures_in_words() -> None:
    """What the picture shows, for those who do not see it."""
    assert in_words(FIGURES) == (
        "259 questions in 14 days ▄▅▅▅▅▆▆▆▇▇▇▇██\n84 % of them answered from the documents\n75 % of 56 thumbs up"
    )
    assert in_words(Figures(DAYS[:0], ())).startswith("0 questions in 0 days\n– of them")
