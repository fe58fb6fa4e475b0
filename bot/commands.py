"""What `/journeyman` answers: short texts about the bot itself."""

from typing import Any

from psycopg import Connection

_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'answered'),
       count(*) FILTER (WHERE state = 'abstained'),
       count(*) FILTER (WHERE state = 'failed'),
       count(*) FILTER (WHERE state = 'pending')
FROM answer
WHERE asked_at > now() - interval '1 day'
"""
_THUMBS = """
SELECT count(*) FILTER (WHERE vote = 1), count(*) FILTER (WHERE vote = -1)
FROM feedback
WHERE voted_at > now() - interval '1 day'
"""


def status_text(conn: Connection[Any]) -> str:
    """How the bot did in the last 24 hours."""
    answered, abstained, failed, pending = conn.execute(_COUNTS).fetchone() or (0, 0, 0, 0)
    up, down = conn.execute(_THUMBS).fetchone() or (0, 0)
    return (
        f"*I am up.* In the last 24 hours: {answered} answered, {abstained} where the documents don't say, "
        f"{failed} failed, {pending} under way. Thumbs: {up} :thumbsup: {down} :thumbsdown:"
    )
