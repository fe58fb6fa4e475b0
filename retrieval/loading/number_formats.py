"""Values as a sheet shows them: number formats of spreadsheets (ECMA-376, part 1, 18.8.30 and 18.8.31).

A number in the format General is written out in full, other than by spreadsheets, which shorten what is wider than
its column. Dates whose order of day and month is left to the reader's country are written as 2026-03-02.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from itertools import takewhile

BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00",
    40: "#,##0.00;-#,##0.00", 41: "#,##0", 42: "#,##0", 43: "#,##0.00", 44: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
"""Formats that have a number and no code. Empty: as General, or a date as 2026-03-02."""
MAX_CODE = 255
MAX_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]|\[(?P<elapsed>h+|m+|s+)\]'
    r"|\[[^\]]*\]|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<power>E[+-]0+)|(?P<digit>[0#?])|(?P<part>y+|m+|d+|h+|s+)"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

Token = tuple[str, str]
"""A token's kind and its text."""
Value = str | int | float | bool | date | time | datetime | timedelta


def shown(value: Value, code: str = "") -> str:
    """The value as a cell with this format shows it; an empty code is the format General."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.strip()
    sections = _sections(code)
    if isinstance(value, timedelta):
        return _duration(value, sections[0])
    if isinstance(value, datetime | date | time):
        return _moment(value, sections[0])
    return _number(value, sections)


def general(value: float) -> str:
    """A number in full, with at most the digits that a spreadsheet keeps."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 10**MAX_DIGITS):
        return str(int(value))
    digits = Decimal(f"{value:.{MAX_DIGITS}g}")
    return f"{digits.normalize():f}" if 1e-9 < abs(value) < 1e21 else f"{digits.normalize()}"


@lru_cache(maxsize=1000)
def _sections(code: str) -> tuple[tuple[Token, ...], ...]:
    """The sections of a code, for positive numbers, negative ones, zero and text, as tokens."""
    sections: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(code[:MAX_CODE]):
        kind = match.lastgroup or ""
        if kind == "other" and match[0] == ";":
            sections.append([])
        elif kind:
            sections[-1].append(("literal", match[kind]) if kind in _LITERALS else (kind, match[0]))
    return tuple(tuple(section) for section in sections)


_LITERALS = ("quoted", "escaped", "currency")


def _number(value: float, sections: Sequence[Sequence[Token]]) -> str:
    """A number by the section for its sign; one of its own shows no sign but what it says itself."""
    numeric = [section for section in sections[:3] if ("other", "@") not in section]
    place = 1 if value < 0 and len(numeric) > 1 else 2 if value == 0 and len(numeric) > 2 else 0
    section = numeric[place] if numeric else ()
    if not section and place == 0:
        return general(value)
    amount = abs(value)
    sign = "-" if value < 0 and place == 0 else ""
    if any(kind == "general" for kind, _ in section):
        return sign + "".join(general(amount) if kind == "general" else _literal(kind, text) for kind, text in section)
    if not any(kind == "digit" for kind, _ in section):
        return "".join(_literal(kind, text) for kind, text in section).strip() if place else general(value)
    if ("other", "/") in section:
        return general(value)
    try:
        return (sign + _laid_out(Decimal(repr(amount)), section)).strip()
    except InvalidOperation:
        return general(value)


def _literal(kind: str, text: str) -> str:
    return text if kind in ("literal", "other") else ""


def _laid_out(amount: Decimal, section: Sequence[Token]) -> str:
    """A number's digits in the places that a section has for them."""
    digits = [place for place, (kind, _) in enumerate(section) if kind == "digit"]
    first, last = digits[0], digits[-1]
    point = next((at for at in range(first, last + 2) if section[at : at + 1] == (("other", "."),)), None)
    point = next((at for at, token in enumerate(section) if token == ("other", ".") and at <= last + 1), point)
    whole = [at for at in digits if point is None or at < point]
    decimals = [at for at in digits if point is not None and at > point]
    power = next((text for kind, text in section if kind == "power"), "")
    amount *= Decimal(100) ** sum(token == ("other", "%") for token in section)
    if power:
        return _scientific(amount, section, whole, decimals, power)
    thousands = len(list(takewhile(lambda token: token == ("other", ","), section[last + 1 :])))
    rounded = (amount / Decimal(1000) ** thousands).quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    before, _, after = f"{rounded:f}".partition(".")
    grouped = bool(whole) and ("other", ",") in section[first : whole[-1]]
    return _placed(section, whole, decimals, before, after, grouped=grouped)


def _placed(
    section: Sequence[Token], whole: Sequence[int], decimals: Sequence[int], before: str, after: str, *, grouped: bool
) -> str:
    """The digits in their places; those for which there is no place stand in the first one."""
    at_place = _whole_digits(section, whole, before, grouped=grouped)
    count = len(decimals)
    while count and section[decimals[count - 1]][1] != "0" and after[count - 1] == "0":
        count -= 1
    at_place |= {place: after[number] for number, place in enumerate(decimals[:count])}
    spent = set(decimals[count:])
    parts: list[str] = []
    for place, (kind, text) in enumerate(section):
        if kind == "digit":
            parts.append("" if place in spent else at_place.get(place, ""))
        elif (kind, text) == ("other", ","):
            pass  # it groups digits, or divides by a thousand
        elif (kind, text) == ("other", "."):
            parts.append("." if count else "")
        else:
            parts.append(_literal(kind, text))
    return "".join(parts)


def _whole_digits(section: Sequence[Token], whole: Sequence[int], digits: str, *, grouped: bool) -> dict[int, str]:
    """The digits before the point by their places, from the last to the first."""
    least = sum(section[place][1] == "0" for place in whole)
    digits = ("" if digits == "0" else digits).rjust(least, "0")
    if grouped:
        digits = f"{int(digits or 0):,}".rjust(least, "0") if digits else ""
        return {whole[0]: digits} if whole else {}
    at_place = {}
    for number, place in enumerate(reversed(whole)):
        cut = len(digits) - number
        at_place[place] = digits[max(cut - 1, 0) : cut] if cut > 0 else ""
    if whole and len(digits) > len(whole):
        at_place[whole[0]] = digits[: len(digits) - len(whole) + 1]
    return at_place


def _scientific(
    amount: Decimal, section: Sequence[Token], whole: Sequence[int], decimals: Sequence[int], power: str
) -> str:
    exponent = amount.adjusted() if amount else 0
    exponent -= exponent % max(len(whole), 1)
    mantissa = amount.scaleb(-exponent).quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    sign = "-" if exponent < 0 else "+" if "+" in power else ""
    return f"{mantissa:f}E{sign}{abs(exponent):0{power.count('0')}d}"


def _duration(value: timedelta, section: Sequence[Token]) -> str:
    """Hours, minutes or seconds in all, where the format counts them so; else hours and minutes."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    units = {"h": 3600, "m": 60, "s": 1}
    if not any(kind == "elapsed" for kind, _ in section):
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    parts: list[str] = []
    rest = seconds
    for kind, text in section:
        letter = text.strip("[]")[:1].lower()
        if kind in ("elapsed", "part") and letter in units:
            count, rest = divmod(rest, units[letter])
            parts.append(f"{count:0{len(text.strip('[]'))}d}")
        else:
            parts.append(_literal(kind, text))
    return sign + "".join(parts).strip()


def _moment(value: datetime | date | time, section: Sequence[Token]) -> str:
    """A date or a time by its format, 2026-03-02 14:30 without one. A time that the format of a date leaves out is
    written behind it.
    """
    if not any(kind == "part" for kind, _ in section):
        return _plain_moment(value)
    at = value if isinstance(value, datetime) else datetime.combine(*_date_and_time(value))
    has_half = any(kind == "half" for kind, _ in section)
    parts = [
        _moment_part(at, text.lower(), is_minute=_is_minute(section, place), has_half=has_half)
        if kind == "part"
        else ("AM" if at.hour < 12 else "PM")
        if kind == "half"
        else _literal(kind, text)
        for place, (kind, text) in enumerate(section)
    ]
    text = "".join(parts).strip()
    tells_time = any(kind == "half" or (kind == "part" and part[0].lower() in "hs") for kind, part in section)
    return text if tells_time or at.time() == time() else f"{text} {at:%H:%M}"


def _date_and_time(value: date | time) -> tuple[date, time]:
    return (date(1899, 12, 31), value) if isinstance(value, time) else (value, time())


def _plain_moment(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def _is_minute(section: Sequence[Token], place: int) -> bool:
    """Whether m means minutes: it stands behind hours or before seconds."""
    parts = [(at, text.lower()[0]) for at, (kind, text) in enumerate(section) if kind in ("part", "elapsed")]
    parts = [(at, "h" if letter == "[" else letter) for at, letter in parts]
    number = next(number for number, (at, _) in enumerate(parts) if at == place)
    before = parts[number - 1][1] if number else ""
    after = parts[number + 1][1] if number + 1 < len(parts) else ""
    return parts[number][1] == "m" and (before == "h" or after == "s")


def _moment_part(at: datetime, text: str, *, is_minute: bool, has_half: bool) -> str:
    letter, size = text[0], len(text)
    if letter == "y":
        return f"{at.year:04}" if size > 2 else f"{at.year % 100:02}"
    if letter == "m" and not is_minute:
        name = _MONTHS[at.month - 1]
        return {1: str(at.month), 2: f"{at.month:02}", 3: name[:3], 5: name[:1]}.get(size, name)
    if letter == "d":
        name = _DAYS[at.weekday()]
        return {1: str(at.day), 2: f"{at.day:02}", 3: name[:3]}.get(size, name)
    hour = (at.hour % 12 or 12) if has_half else at.hour
    count = {"h": hour, "m": at.minute, "s": at.second}[letter]
    return f"{count:0{min(size, 2)}d}"
