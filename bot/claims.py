"""Claims: each post is dealt with once, whatever Slack delivers. It delivers again what it thinks was lost, over two
sockets, and as a mention event beside a message event.

An event is known by its `event_id` and by the post that it tells of (channel and ts). Both are rows of
`event`, so that a restart forgets nothing. The caller's transaction holds them together with what the event
led to.
"""

from typing import Any

from psycopg import Connection

_CLAIM = "INSERT INTO event (id) VALUES (%(id)s) ON CONFLICT (id) DO NOTHING RETURNING id"
_FORGET = "DELETE FROM event WHERE received_at < now() - make_interval(days => %(days)s)"


def claim_event(conn: Connection[Any], event_id: str) -> bool:
    """Returns True for the first caller with this id; a second one waits for the first one's transaction to end."""
    return conn.execute(_CLAIM, {"id": event_id}).fetchone() is not None


def claim_post(conn: Connection[Any], event_id: str, channel: str, ts: str) -> bool:
    """Returns True if neither this event nor another event about the same post was claimed before.

    An event without an id, as a server other than Slack may send it, is known by its post alone.
    """
    # The post is claimed first and by every event, so two events of one post meet here and cannot deadlock.
    return claim_event(conn, f"post:{channel}:{ts}") and (not event_id or claim_event(conn, event_id))


def forget_events(conn: Connection[Any], days: int = 7) -> int:
    """Deletes what Slack cannot deliver again (it retries for about an hour); returns how many."""
    return conn.execute(_FORGET, {"days": days}).rowcount
