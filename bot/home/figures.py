"""The figures that admins see in the Home tab: how much is asked, how much is answered, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from bot.questions.answers import CALLED_OFF
from bot.questions.readers import MAY_READ_REWRITTEN
from retrieval.embedding import Embedder
from retrieval.text.clusters import Cluster, clusters

DAYS = 14
UNANSWERED = 200  # of the last questions without an answer, which are put into clusters
MOST_CLUSTERS = 5

_DAYS = """
SELECT day::date AS day,
    (SELECT count(*) FROM answer WHERE asked_at::date = day::date AND state = 'answered') AS answered,
    (SELECT count(*) FROM answer WHERE asked_at::date = day::date AND state = 'abstained') AS abstained,
    (SELECT count(*) FROM answer WHERE asked_at::date = day::date AND state = 'failed'
                                       AND error <> ALL (%(called_off)s)) AS failed,
    (SELECT count(*) FROM feedback WHERE voted_at::date = day::date AND vote = 1) AS up,
    (SELECT count(*) FROM feedback WHERE voted_at::date = day::date AND vote = -1) AS down
FROM generate_series(current_date - %(days)s + 1, current_date, interval '1 day') AS day
ORDER BY day
"""
_UNANSWERED = f"""
SELECT coalesce(standalone, question) FROM answer a
WHERE state = 'abstained' AND asked_at > now() - interval '30 days' AND {MAY_READ_REWRITTEN}
ORDER BY asked_at DESC
LIMIT %(limit)s
"""  # noqa: S608 - the condition is a constant


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What happened on one day."""

    day: date
    answered: int
    abstained: int
    failed: int
    up: int
    down: int

    @property
    def asked(self) -> int:
        return self.answered + self.abstained + self.failed


@dataclass(frozen=True, slots=True)
class Figures:
    """The last days, oldest first, and the largest clusters of questions without an answer."""

    days: tuple[DayFigures, ...]
    unanswered: tuple[Cluster, ...]

    @property
    def asked(self) -> int:
        return sum(day.asked for day in self.days)

    @property
    def share_answered(self) -> float | None:
        """The share of questions that were answered from the documents, from 0 to 1; None where nothing was asked."""
        return share(sum(day.answered for day in self.days), self.asked)

    @property
    def thumbs(self) -> int:
        return sum(day.up + day.down for day in self.days)

    @property
    def share_up(self) -> float | None:
        """The share of thumbs up among all thumbs, from 0 to 1; None where nobody voted."""
        return share(sum(day.up for day in self.days), self.thumbs)


def share(part: int, whole: int) -> float | None:
    """Returns a part's share of a whole, from 0 to 1; None where the whole is nothing."""
    return part / whole if whole else None


def read_days(conn: Connection[Any], days: int = DAYS) -> tuple[DayFigures, ...]:
    """Reads the figures of each day, also of days on which nothing happened."""
    with conn.cursor(row_factory=class_row(DayFigures)) as cursor:
        return tuple(cursor.execute(_DAYS, {"days": days, "called_off": CALLED_OFF}).fetchall())


def read_unanswered(conn: Connection[Any], principals: Sequence[str] | None = None) -> list[str]:
    """What the documents did not say in the last 30 days, newest first; of follow-ups those that hold no words of what
    these principals may not read, None for all.
    """
    parameters = {"limit": UNANSWERED, "principals": None if principals is None else list(principals)}
    return [question for (question,) in conn.execute(_UNANSWERED, parameters).fetchall()]


def figures(days: tuple[DayFigures, ...], unanswered: Sequence[str], embedder: Embedder) -> Figures:
    """Puts the questions into clusters; takes a second for hundreds of them."""
    return Figures(days, tuple(clusters(embedder, unanswered)[:MOST_CLUSTERS]))
