"""Thumbs: one row per answer and person, and the last one counts.

Slack's feedback buttons are a toggle that sends an event on every change, so events are never counted, only
rows. Reactions with a thumb count as well: what somebody put and took away is kept by Slack's own time, because its
events come late, twice, and in any order.
"""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection

from bot.slack.events import Reaction, Vote

_VOTE = """
INSERT INTO feedback (answer_id, person, vote)
SELECT id, %(person)s, %(vote)s FROM answer WHERE id = %(answer_id)s
ON CONFLICT (answer_id, person) DO UPDATE SET vote = excluded.vote, voted_at = now()
RETURNING vote
"""
_REACTION = """
INSERT INTO reaction (channel, message_ts, person, vote, present, event_ts)
VALUES (%(channel)s, %(message_ts)s, %(person)s, %(vote)s, %(present)s, %(event_ts)s)
ON CONFLICT (channel, message_ts, person, vote) DO UPDATE SET present = excluded.present, event_ts = excluded.event_ts
WHERE reaction.event_ts < excluded.event_ts
"""
_STANDING = """
SELECT vote FROM reaction
WHERE channel = %(channel)s AND message_ts = %(message_ts)s AND person = %(person)s AND present
ORDER BY event_ts DESC LIMIT 1
"""
# Locked: two events of one person that arrive together are counted one after the other.
_ANSWER_IN = """
SELECT id, thread_ts FROM answer WHERE channel = %(channel)s AND answer_ts = %(message_ts)s FOR NO KEY UPDATE
"""
_WITHDRAW = "DELETE FROM feedback WHERE answer_id = %(answer_id)s AND person = %(person)s AND vote = %(vote)s"


@dataclass(frozen=True, slots=True)
class Thumb:
    """The answer and the vote that a pressed button stands for."""

    answer_id: UUID
    value: Vote


def vote(conn: Connection[Any], answer_id: UUID, person: str, value: Vote) -> bool:
    """Records the person's opinion in place of an earlier one. False if there is no such answer."""
    row = conn.execute(_VOTE, {"answer_id": answer_id, "person": person, "vote": value}).fetchone()
    return row is not None


@dataclass(frozen=True, slots=True)
class VoteChange:
    """A person's vote on an answer after a reaction: `vote` is None once there is no thumb of theirs any more."""

    answer_id: UUID
    thread_ts: str | None
    vote: Vote | None


def withdraw(conn: Connection[Any], answer_id: UUID, person: str, value: Vote) -> bool:
    """Takes the vote back if it is still this one."""
    return conn.execute(_WITHDRAW, {"answer_id": answer_id, "person": person, "vote": value}).rowcount > 0


def react(conn: Connection[Any], reaction: Reaction) -> VoteChange | None:
    """Counts a reaction as the person's vote, or takes the vote away with it.

    None for a message that is no answer of ours and for an event that a later one has overtaken.
    """
    place = asdict(reaction)
    row = conn.execute(_ANSWER_IN, place).fetchone()
    if row is None or conn.execute(_REACTION, place).rowcount == 0:
        return None
    answer_id, thread_ts = row
    (current,) = conn.execute(_STANDING, place).fetchone() or (None,)
    counts = reaction.present or withdraw(conn, answer_id, reaction.person, reaction.vote)
    if counts and current is not None:
        vote(conn, answer_id, reaction.person, current)
    return VoteChange(answer_id, thread_ts, current)


def button_value(answer_id: UUID, value: Vote) -> str:
    """Writes the value that a thumb's button carries through Slack and back."""
    return f"{value:+d} {answer_id}"


def read_button(value: str) -> Thumb | None:
    """Reads the thumb in a button's value; None for a value that is not ours."""
    sign, _, answer_id = value.partition(" ")
    if sign not in ("+1", "-1"):
        return None
    try:
        return Thumb(UUID(answer_id), 1 if sign == "+1" else -1)
    except ValueError:
        return None
