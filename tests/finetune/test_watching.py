"""An adapter that people vote down is taken back, and a trial that went well ends."""

from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection

from finetune.registry import TrainedAdapter, add, in_use, promote, rollback
from finetune.significance import wilson
from finetune.watching import Reception, watch, worse

BEFORE = Reception(down=10, votes=100, stopped=95, ended=100)


@pytest.mark.parametrize(
    ("ours", "taken_back"),
    [
        (Reception(12, 20, 20, 20), True),
        (Reception(5, 5, 5, 5), False),  # all of them down, but too few to tell
        (Reception(6, 20, 20, 20), False),  # more than before, but so it may be by chance
        (Reception(0, 0, 20, 60), True),  # it no longer ends
        (Reception(0, 0, 10, 40), False),
        (Reception(2, 40, 57, 60), False),
    ],
)
def test_when_it_is_taken_back(ours: Reception, taken_back: bool) -> None:
    """Only what is worse beyond chance, with enough votes or answers."""
    assert (worse(ours, BEFORE) is not None) is taken_back


def test_without_a_before_the_usual_share_counts() -> None:
    """The first adapter of a company that nobody has voted in yet."""
    assert worse(Reception(12, 20, 0, 0), Reception(0, 0, 0, 0))
    assert worse(Reception(7, 20, 0, 0), Reception(0, 0, 0, 0)) is None


def test_the_interval_is_wilsons() -> None:
    """Figures of Brown, Cai and DasGupta's tables for 10 of 20, and its ends."""
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 20)[0] == 0.0


def serve(conn: Connection[Any], adapter: str | None, down: int, up: int) -> None:
    """Answers of an adapter, one vote on each."""
    for number in range(down + up):
        answer = uuid4()
        conn.execute(
            "INSERT INTO answer (id, question, state, adapter, finish, asked_by) "
            "VALUES (%s, '?', 'answered', %s, 'stop', 'U0')",
            [answer, adapter],
        )
        conn.execute(
            "INSERT INTO feedback (answer_id, person, vote) VALUES (%s, %s, %s)",
            [answer, f"U{number}", -1 if number < down else 1],
        )


def listed(conn: Connection[Any], *names: str) -> None:
    for name in names:
        add(conn, TrainedAdapter(name, None, None, None, "embedded", "ab" * 32, {}, {}, "promote", "Better by +0.1."))


def test_votes_take_an_adapter_back(conn: Connection[Any]) -> None:
    """What answered before answers again, and the row says why; a rollback is not looked at again."""
    listed(conn, "house-1", "house-2")
    promote(conn, "house-1", by="UADMIN")
    promote(conn, "house-2", by="UADMIN")
    serve(conn, "house-2", down=4, up=1)
    assert watch(conn) is None
    serve(conn, "house-2", down=15, up=2)
    switched = watch(conn)
    assert switched is not None
    assert (switched.active, switched.by, switched.kind) == ("house-1", "watch", "rollback")
    assert "19 of 22 votes" in switched.reason
    assert watch(conn) is None


def test_a_trial_is_ended_by_votes(conn: Connection[Any]) -> None:
    """Whoever had the trial is answered as everybody else is."""
    listed(conn, "house-1")
    promote(conn, "house-1", by="UADMIN", percent=10)
    serve(conn, None, down=2, up=20)
    serve(conn, "house-1", down=20, up=2)
    switched = watch(conn)
    assert switched is not None
    assert (switched.active, switched.trial) == (None, None)


def test_a_trial_that_went_well_is_promoted(conn: Connection[Any]) -> None:
    """After a week, with enough votes."""
    listed(conn, "house-1")
    promote(conn, "house-1", by="UADMIN", percent=10)
    serve(conn, "house-1", down=2, up=20)
    assert watch(conn) is None
    conn.execute("UPDATE adapter_switch SET at = now() - interval '8 days'")
    switched = watch(conn)
    assert switched is not None
    assert (switched.active, switched.trial, switched.kind) == ("house-1", None, "promote")


def test_nothing_is_watched_for_ever(conn: Connection[Any]) -> None:
    """After two weeks it is what is usual."""
    listed(conn, "house-1")
    assert watch(conn) is None
    promote(conn, "house-1", by="UADMIN")
    serve(conn, "house-1", down=20, up=0)
    conn.execute("UPDATE adapter_switch SET at = now() - interval '15 days'")
    assert watch(conn) is None
    assert rollback(conn, by="UADMIN", reason="?").active is None
    now = in_use(conn)
    assert now is not None
    assert watch(conn) is None
