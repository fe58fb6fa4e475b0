"""Values that a text states, and whether two say the same."""

import pytest

from retrieval.text.values import agree, values


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Change it every 400 hours or after 24 months.", ["400 hours", "24 months"]),
        ("between 400 and 500 hours", ["400 and 500 hours"]),
        ("from 20 °C to 30 °C", ["20 °C to 30 °C"]),
        ("€1,190 or 12 V", ["€1,190", "12 V"]),
        ("on 1 March 2026 at 11:00", ["1 March 2026", "11:00"]),
        ("three weeks, weekly, twice a week", ["three weeks", "weekly", "twice a week"]),
        ("WP-1007 and A101 in hall B2", []),
        ("כל 400 שעות או שלושה חודשים", ["400 שעות", "שלושה חודשים"]),
        ("alle 0,5 Liter, täglich", ["0,5 Liter", "täglich"]),
        ("4 bolts", ["4"]),
    ],
)
def test_values_of_a_text(text: str, found: list[str]) -> None:
    """As they are written, in order; what belongs to a name is none."""
    assert [value.text for value in values(text)] == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.5 l", "500 ml", True),
        ("0.21 s", "210 ms", True),
        ("6 bar", "600 kPa", True),
        ("12 months", "one year", True),
        ("28 days", "four weeks", True),
        ("six months", "180 days", True),
        ("1.190 Euro", "1,190 euros", True),
        ("0,5 Liter", "0.5 litres", True),
        ("5-7 %", "6 percent", True),
        ("2026-03-12", "12 March 2026", True),
        ("11:30", "11:30 am", True),
        ("twice a week", "3.5 days", True),
        ("100 °C", "212 °F", True),
        ("3 inches", "76 mm", True),
        ("400 hours", "500 hours", False),
        ("30 days", "four weeks", False),
        ("11:30", "11:30 pm", False),
        ("12 March 2026", "12 March 2025", False),
        ("5 mm", "5 kg", False),
    ],
)
def test_whether_two_say_the_same(one: str, other: str, same: bool) -> None:
    """In another unit, rounded by it, in other words, or within a range."""
    ((first,), (second,)) = values(one), values(other)
    assert agree(first, second) is agree(second, first) is same
