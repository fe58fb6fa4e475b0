"""Each event and each post is claimed once."""

from typing import Any

from psycopg import Connection

from bot.claims import claim_event, claim_post, forget_events

Conn = Connection[Any]


def test_an_event_and_a_post_are_claimed_once(conn: Conn) -> None:
    """Known by event id and by post: a retry, and the other event of the same post, are both refused."""
    assert claim_post(conn, "Ev1", "C1", "1.0")
    assert not claim_post(conn, "Ev1", "C1", "1.0")
    assert not claim_post(conn, "Ev2", "C1", "1.0")
    assert claim_post(conn, "Ev3", "C1", "2.0")
    assert claim_post(conn, "", "C1", "3.0")
    assert claim_post(conn, "", "C1", "4.0")
    assert not claim_post(conn, "", "C1", "3.0")
    assert not claim_event(conn, "Ev3")


def test_old_events_are_forgotten(conn: Conn) -> None:
    """Only those that Slack cannot deliver again."""
    claim_event(conn, "Ev1")
    assert forget_events(conn) == 0
    conn.execute("UPDATE event SET received_at = now() - interval '8 days'")
    assert forget_events(conn) == 1
