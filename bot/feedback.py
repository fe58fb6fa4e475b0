"""Thumbs: one row per answer and person, and the last one counts.

Slack's feedback buttons are a toggle that sends an event on every change, so events are never counted, only
rows.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection

Vote = Literal[1, -1]

_VOTE = """
INSERT INTO feedback (answer_id, person, vote)
SELECT id, %(person)s, %(vote)s FROM answer WHERE id = %(answer_id)s
ON CONFLICT (answer_id, person) DO UPDATE SET vote = excluded.vote, voted_at = now()
RETURNING vote
"""


@dataclass(frozen=True, slots=True)
class Thumb:
    """What a pressed button says."""

    answer_id: UUID
    value: Vote


def vote(conn: Connection[Any], answer_id: UUID, person: str, value: Vote) -> bool:
    """Records the person's opinion in place of an earlier one. False if there is no such answer."""
    row = conn.execute(_VOTE, {"answer_id": answer_id, "person": person, "vote": value}).fetchone()
    return row is not None


def button_value(answer_id: UUID, value: Vote) -> str:
    """The value that a thumb's button carries through Slack and back."""
    return f"{value:+d} {answer_id}"


def read_button(value: str) -> Thumb | None:
    """The thumb in a button's value; None for a value that is not ours."""
    sign, _, answer_id = value.partition(" ")
    if sign not in ("+1", "-1"):
        return None
    try:
        return Thumb(UUID(answer_id), 1 if sign == "+1" else -1)
    except ValueError:
        return None
