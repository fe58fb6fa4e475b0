"""Comparisons in Postgres: each one is kept, and the last is what Slack shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from finetune.comparison.report import Comparison

_STORE = """
INSERT INTO comparison (questions, model, adapter, report, chart)
VALUES (%(questions)s, %(model)s, %(adapter)s, %(report)s, %(chart)s)
"""
_LATEST = "SELECT made_at, questions, model, adapter, report, chart FROM comparison ORDER BY id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """A comparison that was made: when, over which question set, and of which model and adapter."""

    made_at: datetime
    questions: str
    model: str
    adapter: str | None
    report: Mapping[str, Any]
    chart: bytes | None

    @property
    def comparison(self) -> Comparison:
        return Comparison.from_dict(self.report)


def store(conn: Connection[Any], comparison: Comparison, *, questions: str, model: str, adapter: str | None) -> None:
    """Keeps a comparison, and what it was made with."""
    values = {"questions": questions, "model": model, "adapter": adapter}
    conn.execute(_STORE, {**values, "report": Jsonb(comparison.as_dict()), "chart": comparison.chart()})


def latest(conn: Connection[Any]) -> StoredComparison | None:
    """The comparison that was made last; None where there is none yet."""
    with conn.cursor(row_factory=class_row(StoredComparison)) as cursor:
        return cursor.execute(_LATEST).fetchone()
