"""The Home tab's blocks."""

from datetime import UTC, date, datetime
from uuid import UUID

from bot.admin.status import Collection
from bot.home import tab_views
from bot.home.figures import DayFigures, Figures
from bot.home.personal_data import DataCounts, OwnQuestion
from bot.home.tab_views import AdminSection, PersonalSection
from retrieval.text.clusters import Cluster

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = tuple(DayFigures(date(2026, 11, day), day, 2, 1, 3, 1) for day in range(9, 23))


def test_the_tab_stays_within_slacks_limits() -> None:
    """However much there is: at most 100 blocks, sections of 3,000 characters."""
    mine = [OwnQuestion(UUID(int=n), "<!channel> " * 100, NOW, "answered", 1) for n in range(5)]
    collections = [Collection("a & b" * 20, 1, 1, NOW)] * 100
    figures = Figures(DAYS, tuple(Cluster("why? " * 200, 2) for _ in range(5)))
    view = tab_views.home_view(
        PersonalSection(collections, mine, DataCounts(5, 1)), AdminSection([], [], None, figures)
    )
    assert len(view["blocks"]) <= 100
    texts = [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]
    assert all(len(text) <= 3000 for text in texts)
    assert "<!channel>" not in "".join(texts)
