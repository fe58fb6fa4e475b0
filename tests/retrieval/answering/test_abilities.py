"""What was measured of a model holds for it and its adapter alone, until it is measured again or taken back."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection, errors

from retrieval.answering.abilities import Ability, ability, note_ability, take_back


def test_nothing_is_known_before(conn: Connection) -> None:
    """A model that was not measured is neither able nor unable."""
    assert ability(conn, "phi", None) == Ability()


def test_the_last_decision_of_each_kind_holds(conn: Connection) -> None:
    """The two are measured apart, and each keeps the figures that decided it."""
    note_ability(conn, "phi", None, answers="quotes", rewrites=True, figures={"run": 1})
    note_ability(conn, "phi", None, answers="model", figures={"run": 2})
    assert ability(conn, "phi", None) == Ability("model", True, {"run": 2}, {"run": 1})


def test_an_adapter_is_measured_by_itself(conn: Connection) -> None:
    """What the model can do as it comes says nothing of what it does with an adapter."""
    note_ability(conn, "phi", None, rewrites=True, figures={})
    note_ability(conn, "phi", "round-1", rewrites=False, figures={})
    assert ability(conn, "phi", None).rewrites is True
    assert ability(conn, "phi", "round-1").rewrites is False
    assert ability(conn, "phi", "round-2").rewrites is None


def test_what_is_taken_back_does_not_hold(conn: Connection) -> None:
    """What was measured since then is; what was measured before holds again."""
    note_ability(conn, "phi", None, rewrites=True, figures={})
    assert take_back(conn, datetime.now(UTC) + timedelta(days=1)) == 0
    assert take_back(conn, datetime.now(UTC) - timedelta(days=1)) == 1
    assert ability(conn, "phi", None) == Ability()


def test_a_row_decides_something(conn: Connection) -> None:
    """Figures alone are no decision."""
    with pytest.raises(errors.CheckViolation):
        note_ability(conn, "phi", None, figures={"hit@1": 0.9})
