"""What was used last stays, and no more than that."""

from retrieval.recent import RecentValues


def test_the_oldest_is_forgotten() -> None:
    """Where there are too many values, those that were used longest ago go."""
    recent = RecentValues[str, int](2)
    recent.keep({"a": 1, "b": 2})
    recent.keep({"a": 1})
    recent.keep({"c": 3})
    assert recent.among("abc") == {"a": 1, "c": 3}


def test_all_is_forgotten_at_once() -> None:
    """After that nothing is there."""
    recent = RecentValues[str, int](2)
    recent.keep({"a": 1})
    recent.clear()
    assert recent.among("a") == {}


def test_nothing_is_there_before_it_was_kept() -> None:
    """An unknown key has no value."""
    assert RecentValues[str, int](2).among("a") == {}
