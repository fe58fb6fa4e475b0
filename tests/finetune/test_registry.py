"""The registry on the real Postgres: what is promoted, what is refused, and the way back."""

from typing import Any

import pytest
from psycopg import Connection

from finetune.registry import (
    NotPossible,
    Switch,
    TrainedAdapter,
    adapters,
    add,
    bucket,
    find,
    history,
    in_use,
    promote,
    rollback,
)


def made(conn: Connection[Any], name: str, decision: Any = "promote") -> None:
    add(
        conn,
        TrainedAdapter(name, None, None, None, "embedded", "ab" * 32, {"seed": 0}, {}, decision, "Better by +0.1."),
    )


def test_the_last_switch_says_what_answers(conn: Connection[Any]) -> None:
    """Without one the model answers as it comes; a promotion and a rollback are a row each."""
    assert in_use(conn) is None
    for name in ("house-1", "house-2"):
        made(conn, name)
        assert promote(conn, name, by="UADMIN").active == name
    assert rollback(conn, by="UADMIN", reason="wrong tone").active == "house-1"
    assert rollback(conn, by="UADMIN", reason="wrong, too").active is None
    with pytest.raises(NotPossible, match="nothing to roll back"):
        rollback(conn, by="UADMIN", reason="?")
    assert [(switch.kind, switch.active) for switch in history(conn)] == [
        ("rollback", None),
        ("rollback", "house-1"),
        ("promote", "house-2"),
        ("promote", "house-1"),
    ]


def test_promoted_again_after_a_rollback_goes_back_to_the_same(conn: Connection[Any]) -> None:
    """The way back leads to what answered before this promotion, not before an older one."""
    for name in ("house-1", "house-2", "house-3"):
        made(conn, name)
    for name in ("house-1", "house-2", "house-3", "house-1"):
        promote(conn, name, by="UADMIN")
    assert rollback(conn, by="UADMIN", reason="?").active == "house-3"


def test_each_rollback_goes_one_promotion_back(conn: Connection[Any]) -> None:
    """Down to the model as it comes, also where one was promoted twice; what ends a trial goes back on none."""
    for name in ("house-1", "house-2", "house-3"):
        made(conn, name)
    for name in ("house-1", "house-2", "house-1"):
        promote(conn, name, by="UADMIN")
    promote(conn, "house-3", by="UADMIN", percent=10)
    went = [rollback(conn, by="UADMIN", reason="?").active for _ in range(4)]
    assert went == ["house-1", "house-2", "house-1", None]


@pytest.mark.parametrize("decision", ["refuse", "inconclusive"])
def test_what_the_gate_did_not_pass_needs_a_reason(conn: Connection[Any], decision: str) -> None:
    """An admin may override, and the reason is kept."""
    made(conn, "house-1", decision)
    with pytest.raises(NotPossible, match="did not pass"):
        promote(conn, "house-1", by="UADMIN")
    assert in_use(conn) is None
    assert promote(conn, "house-1", by="UADMIN", reason="the old one is wrong").reason == "the old one is wrong"


def test_unknown_and_promoted_already(conn: Connection[Any]) -> None:
    """Both are told."""
    made(conn, "house-1")
    with pytest.raises(NotPossible, match="no adapter 'house-9'"):
        promote(conn, "house-9", by="UADMIN")
    promote(conn, "house-1", by="UADMIN")
    with pytest.raises(NotPossible, match="answers already"):
        promote(conn, "house-1", by="UADMIN")


def test_trial_answers_its_share_and_ends(conn: Connection[Any]) -> None:
    """A person is always on the same side; about as many as it should be; a rollback ends the trial alone."""
    for name in ("house-1", "house-2"):
        made(conn, name)
    promote(conn, "house-1", by="UADMIN")
    trial = promote(conn, "house-2", by="UADMIN", percent=20)
    people = [f"U{number:05}" for number in range(2000)]
    on_trial = [person for person in people if trial.adapter_for(person) == "house-2"]
    assert 0.17 < len(on_trial) / len(people) < 0.23
    assert all(trial.adapter_for(person) == "house-2" for person in on_trial)
    assert {trial.adapter_for(person) for person in people} == {"house-1", "house-2"}
    assert trial.adapter_for(None) == "house-1"
    assert bucket("U00001", "house-2") != bucket("U00001", "house-3") or bucket("U1", "a") != bucket("U1", "b")
    assert rollback(conn, by="watch", reason="thumbs down") == in_use(conn)
    now = in_use(conn)
    assert now == Switch(now.at, "watch", "rollback", "house-1", None, 0, "thumbs down") if now else False


def test_listed_newest_first_and_once(conn: Connection[Any]) -> None:
    """A round that is taken up again does not list its adapter twice."""
    for name in ("house-1", "house-2", "house-1"):
        made(conn, name)
    assert [adapter.name for adapter in adapters(conn)] == ["house-2", "house-1"]
    assert find(conn, "house-1").erased is None


def test_a_switch_that_was_decided_on_another_is_not_made(conn: Connection[Any]) -> None:
    """Who looked at what answers, and then takes time to judge it, must not take back what was promoted meanwhile."""
    for name in ("house-1", "house-2"):
        made(conn, name)
    judged = promote(conn, "house-1", by="UADMIN")
    promote(conn, "house-2", by="UADMIN")
    with pytest.raises(NotPossible, match="switched meanwhile"):
        rollback(conn, by="watch", reason="?", expected=judged)
    with pytest.raises(NotPossible, match="switched meanwhile"):
        promote(conn, "house-1", by="watch", expected=judged)
    now = in_use(conn)
    assert now is not None
    assert now.active == "house-2"
    assert rollback(conn, by="watch", reason="?", expected=now).active == "house-1"
