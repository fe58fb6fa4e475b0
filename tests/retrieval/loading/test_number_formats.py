"""Values as a sheet shows them."""

from datetime import date, datetime, time, timedelta

import pytest

from retrieval.loading.number_formats import Value, shown

MONEY = '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-'


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (4012345678901.0, "", "4012345678901"),
        (123456789012345.0, "", "123456789012345"),
        (0.1 + 0.2, "", "0.3"),
        (7654321.0625, "General", "7654321.0625"),
        (-12.0, "", "-12"),
        (1e-12, "", "1E-12"),
        (7, "00000", "00007"),
        (7.4, "0", "7"),
        (2.5, "0", "3"),
        (0.125, "0%", "13%"),
        (0.1255, "0.00%", "12.55%"),
        (-0.05, "0%", "-5%"),
        (15, "0.0 %", "1500.0 %"),
        (9876543.21, "#,##0", "9,876,543"),
        (999.995, "0.00", "1000.00"),
        (2.0, "0.##", "2"),
        (2.5, "0.##", "2.5"),
        (0, "#,##0", "0"),
        (1234.5, '#,##0.00\\ "€"', "1,234.50 €"),
        (1234.5, "[$CHF-807] #,##0.00", "CHF 1,234.50"),
        (1234.5, "$#,##0", "$1,235"),
        (-1234.5, MONEY, "-1,234.50 €"),
        (1234.5, MONEY, "1,234.50 €"),
        (-5, "0.00;[Red]-0.00", "-5.00"),
        (-5, "#,##0_);(#,##0)", "(5)"),
        (0, '0;-0;"none"', "none"),
        (3.5, '0.0" bar"', "3.5 bar"),
        (12, 'General" pcs"', "12 pcs"),
        (2500000, '0.0,,"M"', "2.5M"),
        (5125550123, "(000) 000-0000", "(512) 555-0123"),
        (41445551234, "00\\ 000\\ 000\\ 00\\ 00", "04 144 555 12 34"),
        (12345.678, "0.00E+00", "1.23E+04"),
        (0.5, "# ?/?", "0.5"),
        (12, "@", "12"),
        ("  as it is ", "0.00", "as it is"),
        (True, "", "yes"),
    ],
)
def test_numbers(value: Value, code: str, text: str) -> None:
    """With their signs, units, currencies, percents and leading zeros; in full where no format is set."""
    assert shown(value, code) == text


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (date(2026, 3, 2), "", "2026-03-02"),
        (date(2026, 3, 2), "dd.mm.yyyy", "02.03.2026"),
        (date(2026, 3, 2), "[$-409]dddd, mmmm d, yyyy", "Monday, March 2, 2026"),
        (datetime(2026, 3, 2), "mmm\\-yy", "Mar-26"),
        (datetime(2026, 3, 2, 14, 5, 9), "yyyy-mm-dd hh:mm:ss", "2026-03-02 14:05:09"),
        (datetime(2026, 3, 2, 14, 5), "d/m/yy h:mm AM/PM", "2/3/26 2:05 PM"),
        (datetime(2026, 3, 2, 14, 5), "yyyy-mm-dd", "2026-03-02 14:05"),
        (time(6, 5), "hh:mm", "06:05"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
        (timedelta(hours=1, minutes=5, seconds=7), "[mm]:ss", "65:07"),
        (timedelta(hours=30, minutes=5), "", "30:05:00"),
        (-timedelta(minutes=90), "[h]:mm", "-1:30"),
    ],
)
def test_dates_and_durations(value: Value, code: str, text: str) -> None:
    """m means minutes beside hours or seconds; a time that a date's format leaves out is not lost."""
    assert shown(value, code) == text


@pytest.mark.parametrize("code", ["[", '"', "\\", ";;;", "0;;", "[h", "[$", "0.0.0", "E+", ",,,", "0" * 400, "/", "%"])
def test_no_format_breaks(code: str) -> None:
    """Formats are what people type."""
    for value in (0, -1.5, 1e300, float(2**60), date(2026, 3, 2), timedelta(1), time(1)):
        assert isinstance(shown(value, code), str)
