"""What a process remembers without Postgres."""

from bot.questions.recent import RecentKeys


def test_recent_keys_are_bounded() -> None:
    """The memory of a process that cannot reach Postgres does not grow for ever."""
    recent = RecentKeys(size=2)
    assert [recent.add(("C1", str(n))) for n in (1, 1, 2, 3)] == [True, False, True, True]
    assert ("C1", "1") not in recent
    assert ("C1", "3") in recent
