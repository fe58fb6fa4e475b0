"""The audit log: who did, or tried to do, what only admins may. Rows are added and never changed."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

_RECORD = """
INSERT INTO audit (person, action, allowed, detail) VALUES (%(person)s, %(action)s, %(allowed)s, %(detail)s)
"""


def record(
    conn: Connection[Any], person: str, action: str, *, allowed: bool = True, detail: Mapping[str, Any] | None = None
) -> None:
    """Adds a row. `detail` names what it was done to, and holds no words of people's messages."""
    conn.execute(_RECORD, {"person": person, "action": action, "allowed": allowed, "detail": Jsonb(dict(detail or {}))})
