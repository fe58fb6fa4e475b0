"""Values that a text states: amounts with their units, dates, times of day. What two texts say can then be compared.

An amount is kept in the base unit of what it measures (seconds, metres, …), as a range of which both ends are the same
where it is none. Units and numerals are those of English, German and Hebrew. Arithmetic on words, no model. The check
of statements compares words by their forms and needs no amounts (retrieval.answering.groundedness.forms).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from retrieval.text.words import COMMON

ROUNDED = 0.011
"""Relative difference up to which one amount is the other one, rounded."""
CALENDAR = 0.04
"""The same relative difference where months and years are compared with days or weeks."""

_DAY = 86_400.0
_UNITS: dict[str, dict[str, float]] = {
    "time": {
        "ms millisecond milliseconds millisekunde millisekunden": 0.001,
        "s sec secs second seconds sek sekunde sekunden שנייה שניה שניות": 1,
        "min mins minute minutes minuten דקה דקות": 60,
        "h hr hrs hour hours std stunde stunden betriebsstunden שעה שעות": 3600,
        "day days tag tage tagen יום ימים": _DAY,
        "week weeks woche wochen שבוע שבועות": 7 * _DAY,
        "month months monat monate monaten חודש חודשים": 365.25 / 12 * _DAY,
        "year years yr yrs jahr jahre jahren שנה שנים": 365.25 * _DAY,
    },
    "length": {
        "µm um micron microns mikrometer": 1e-6,
        "mm millimetre millimetres millimeter millimeters millimetern מילימטר ממ": 0.001,
        'cm centimetre centimetres centimeter centimeters zentimeter zentimetern סנטימטר סנטימטרים סמ ס"מ': 0.01,
        "m metre metres meter meters metern מטר מטרים": 1,
        "km kilometre kilometres kilometer kilometers kilometern": 1000,
        "inch inches": 0.0254,
        "ft foot feet": 0.3048,
    },
    "mass": {
        "mg": 1e-6,
        "g gram grams gramm גרם": 0.001,
        'kg kilo kilos kilogram kilograms kilogramm קילו קילוגרם ק"ג': 1,
        "t ton tons tonne tonnes tonnen טון": 1000,
        "lb lbs pound pounds": 0.45359237,
    },
    "volume": {
        "ml millilitre millilitres milliliter milliliters": 0.001,
        "cl": 0.01,
        "l litre litres liter liters litern ליטר ליטרים": 1,
        "m³ m3": 1000,
    },
    "pressure": {
        "pa": 1,
        "mbar hpa": 100,
        "kpa": 1000,
        "bar בר": 100_000,
        "mpa": 1e6,
        "psi": 6894.757,
    },
    "temperature": {"°c celsius degrees degree grad מעלות": 1, "°f fahrenheit": 1, "k kelvin": 1},
    "torque": {"nm newtonmeter": 1},
    "force": {"n newton": 1, "kn": 1000},
    "power": {"w watt watts": 1, "kw": 1000, "mw": 1e6, "hp ps": 735.5},
    "energy": {"wh": 1, "kwh": 1000, "mwh": 1e6},
    "voltage": {"mv": 0.001, "v volt volts וולט": 1, "kv": 1000},
    "current": {"ma": 0.001, "a amp amps ampere אמפר": 1},
    "frequency": {"hz": 1, "khz": 1000, "mhz": 1e6},
    "rotation": {'rpm u/min umin 1/min סל"ד': 1},
    "speed": {"m/s": 1, "m/min": 1 / 60, "km/h kmh": 1 / 3.6, "mph": 0.44704, "mm/s": 0.001, "mm/min": 0.001 / 60},
    "flow": {"l/min": 1, "l/h": 1 / 60},
    "noise": {"db": 1},
    "data": {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    "share": {"% percent prozent אחוז אחוזים": 1},
    "euros": {"€ euro euros eur יורו": 1},
    "dollars": {"$ dollar dollars usd דולר דולרים": 1},
    "pounds sterling": {"£ gbp": 1},
    "shekels": {"₪ shekel shekels nis ils שקל שקלים": 1},
}
_KINDS = {
    unit: (kind, factor) for kind, units in _UNITS.items() for names, factor in units.items() for unit in names.split()
}
_CASED = {"MPa": ("pressure", 1e6), "mPa": ("pressure", 0.001), "MW": ("power", 1e6), "mW": ("power", 0.001)}
_PERIODS = {
    "hourly stündlich": 3600,
    "daily täglich": _DAY,
    "weekly wöchentlich": 7 * _DAY,
    "fortnightly biweekly": 14 * _DAY,
    "monthly monatlich": 365.25 / 12 * _DAY,
    "quarterly vierteljährlich quartalsweise": 365.25 / 4 * _DAY,
    "halbjährlich semiannually": 365.25 / 2 * _DAY,
    "yearly annually annual jährlich": 365.25 * _DAY,
    "שעתיים": 2 * 3600,
    "יומיים": 2 * _DAY,
    "שבועיים": 14 * _DAY,
    "חודשיים": 365.25 / 6 * _DAY,
    "שנתיים": 2 * 365.25 * _DAY,
}
_PERIOD = {word: float(seconds) for words, seconds in _PERIODS.items() for word in words.split()}
_NUMERALS = {
    word: float(number)
    for number, words in {
        0.5: "half",
        1: "one ein eine einmal once אחת אחד",
        2: "two zwei zweimal twice שתי שני שתיים שניים",
        3: "three drei dreimal שלוש שלושה",
        4: "four vier ארבע ארבעה",
        5: "five fünf חמש חמישה",
        6: "six sechs שש שישה",
        7: "seven sieben שבע שבעה",
        8: "eight acht שמונה",
        9: "nine neun תשע תשעה",
        10: "ten zehn עשר עשרה",
        11: "eleven elf",
        12: "twelve zwölf",
        14: "fourteen vierzehn",
        15: "fifteen fünfzehn",
        20: "twenty zwanzig עשרים",
        24: "twenty-four vierundzwanzig",
        30: "thirty dreißig שלושים",
        40: "forty vierzig ארבעים",
        45: "forty-five",
        50: "fifty fünfzig חמישים",
        60: "sixty sechzig שישים",
        90: "ninety neunzig תשעים",
        100: "hundred hundert מאה",
        1000: "thousand tausend אלף",
    }.items()
    for word in words.split()
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar ינואר",
            "february feb februar פברואר",
            "march mar märz מרץ",
            "april apr אפריל",
            "may mai מאי",
            "june jun juni יוני",
            "july jul juli יולי",
            "august aug אוגוסט",
            "september sep sept ספטמבר",
            "october oct oktober okt אוקטובר",
            "november nov נובמבר",
            "december dec dezember dez דצמבר",
        ),
        1,
    )
    for name in names.split()
}

_FIGURES = r"(?:\d{1,3}(?:[ ,.'\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?![\d])"
_SIGN = r"(?:(?<![\w)])[-−+])?"
_TO = r"\s*(?:-|–|—|\bto\b|\band\b|\bbis\b|\bund\b|\bעד\b)\s*"
_KNOWN = "|".join(sorted(map(re.escape, _KINDS), key=len, reverse=True))
_UNIT = rf"(?:[°º]\s?[cf]|{_KNOWN}|°)(?![^\W_])"
_AMOUNT = re.compile(
    rf"(?P<before>[€$£₪]\s?)?(?<![\w.,/:$#])(?<!\w-)(?P<low>{_SIGN}{_FIGURES})(?:[\s-]?(?P<lowunit>{_UNIT}))?"
    rf"(?:{_TO}(?P<high>{_FIGURES})(?:[\s-]?(?P<unit>{_UNIT}))?)?",
    re.IGNORECASE,
)
_NOUN = re.compile(r"[\s-](?P<noun>[^\W\d_]{2,})")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_AFTER_NUMERAL = re.compile(r"[\s-]+(?P<unit>[^\W\d_]+)")
_OFTEN = re.compile(
    r"\b(?P<number>[^\W_]+)(?:[ -](?:times|mal))?[ ](?:an?|per|each|every|pro|im|in der|je|ב)[ ]?(?P<unit>[^\W\d_]+)",
    re.IGNORECASE,
)
_HARDLY_NUMERALS = frozenset("one once half einmal אחת אחד".split())
"""Numerals that more often than not count nothing."""
_DATES = (
    re.compile(r"\b(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)\b"),
    re.compile(r"\b(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>(?:19|20)\d\d)\b"),
    re.compile(
        r"\b(?P<d>\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+|ב)?(?P<name>[^\W\d_]{3,9})\.?,?\s+(?P<y>(?:19|20)\d\d)\b"
    ),
    re.compile(r"\b(?P<name>[^\W\d_]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)\b"),
    re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+|ב)?(?P<name>[^\W\d_]{3,9})\b"),
    re.compile(r"\b(?P<name>[^\W\d_]{3,9})\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?\b(?![.,:]?\d)"),
)
_CLOCK = re.compile(
    r"\b(?P<h>[01]?\d|2[0-4])(?:[:.](?P<m>[0-5]\d))?\s?(?P<mark>a\.?m\.?|p\.?m\.?|o'clock|uhr\b)"
    r"|\b(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d)\b(?!:)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value as a text states it, `text`, from `start` to `end` in it. `kind` is what it measures, or "count", "date",
    "time of day"; `low` and `high` are in its base unit, the same but for ranges. `unit` is as it is written.
    """

    kind: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    unit: str
    text: str
    start: int
    end: int


def values(text: str) -> list[Value]:
    """All values of a text, in order; none overlaps another."""
    chosen_values: list[Value] = []
    for candidate in (*_dates(text), *_times(text), *_amounts(text), *_in_words(text)):
        if not any(candidate.start < other.end and other.start < candidate.end for other in chosen_values):
            chosen_values.append(candidate)
    return sorted(chosen_values, key=lambda value: value.start)


def agree(one: Value, other: Value) -> bool:
    """Whether both say the same: the same amount, as far as one of them is rounded, or a range around the other's."""
    if one.kind != other.kind:
        return False
    slack = 0.0 if one.kind in ("date", "time of day") else _slack(one, other)
    return any(
        low <= high_other * (1 + slack if high_other > 0 else 1 - slack) + 1e-9
        and low_other <= high * (1 + slack if high > 0 else 1 - slack) + 1e-9
        for low, high in zip(one.low, one.high, strict=True)
        for low_other, high_other in zip(other.low, other.high, strict=True)
    )


def _slack(one: Value, other: Value) -> float:
    if one.kind == "time" and (one.unit != other.unit) and max(one.low[0], other.low[0]) >= 6 * _DAY:
        return CALENDAR
    return ROUNDED if one.unit != other.unit else 1e-6


def _dates(text: str) -> Iterator[Value]:
    for place, pattern in enumerate(_DATES):
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = _MONTHS.get(parts["name"].lower(), 0) if parts.get("name") else int(parts["m"])
            year = int(parts["y"]) if parts.get("y") else 0
            day = int(parts["d"])
            if month and _is_day(year or 2024, month, day):
                # Without a year, only day and month are compared: as if in year 0.
                number = float((year * 12 + month) * 31 + day) if place < 4 else float(month * 31 + day)
                kind = "date" if year else "day of the year"
                yield Value(kind, (number,), (number,), "", match[0], match.start(), match.end())


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _times(text: str) -> Iterator[Value]:
    for match in _CLOCK.finditer(text):
        hour, minute = int(match["h"] or match["h2"]), int(match["m"] or match["m2"] or 0)
        mark = (match["mark"] or "").lower()
        if mark.startswith("p") and hour < 12:
            hour += 12
        number = float(hour * 60 + minute)
        yield Value("time of day", (number,), (number,), "", match[0], match.start(), match.end())


def _amounts(text: str) -> Iterator[Value]:
    for match in _AMOUNT.finditer(text):
        if text[match.end() : match.end() + 1].isalnum() and not match["lowunit"]:
            continue  # 3D, 6ES7: no amount
        unit, kind, factor = _measured(match)
        if kind == "count" and (noun := _NOUN.match(text, match.end())):
            unit = noun["noun"].lower()
        low = _readings(match["low"])
        high = _readings(match["high"]) if match["high"] else low
        if len(low) != len(high):
            low, high = low[:1], high[:1]
        ends = [tuple(_scaled(number, unit, factor) for number in side) for side in (low, high)]
        ends.sort()
        yield Value(kind, ends[0], ends[1], unit, match[0].strip(), match.start(), match.end())


def _measured(match: re.Match[str]) -> tuple[str, str, float]:
    """The unit as it is written, what it measures, and its factor."""
    for form in ((match["before"] or "").strip(), match["unit"] or "", match["lowunit"] or ""):
        if form in _CASED:
            return (form, *_CASED[form])
        unit = form.lower().replace("º", "°").replace(" ", "")
        unit = "°c" if unit == "°" else unit
        if unit in _KINDS:
            return (unit, *_KINDS[unit])
    return "", "count", 1.0


def _readings(text: str) -> tuple[float, ...]:
    """A number with its thousands apart; `1.500` is both a thousand and a half and one and a half."""
    digits = text.replace(" ", "").replace("\u202f", "").replace("'", "").replace("−", "-")
    marks = [mark for mark in digits if mark in ",."]
    if not marks:
        return (float(digits),)
    if len(set(marks)) == 2:  # the last of the two parts the decimals
        thousands = "," if digits.rfind(".") > digits.rfind(",") else "."
        return (float(digits.replace(thousands, "").replace(",", ".")),)
    whole, _, rest = digits.rpartition(marks[0])
    if len(marks) > 1:
        return (float(digits.replace(marks[0], "")),)
    plain = float(f"{whole}.{rest}")
    if len(rest) != 3 or whole.lstrip("-+") == "0":
        return (plain,)
    return (float(whole + rest), plain) if marks[0] == "." else (float(whole + rest),)


def _scaled(number: float, unit: str, factor: float) -> float:
    if unit in ("°f", "fahrenheit"):
        return (number - 32) / 1.8
    if unit in ("k", "kelvin"):
        return number - 273.15
    return number * factor


def _in_words(text: str) -> Iterator[Value]:
    """`three weeks`, `weekly`, and `twice a week`, which is every three and a half days."""
    for match in _OFTEN.finditer(text):
        number = _NUMERALS.get(match["number"].lower()) or (float(match["number"]) if match["number"].isdigit() else 0)
        kind, factor = _KINDS.get(match["unit"].lower(), ("", 0.0))
        if number and kind == "time":
            yield _value("time", factor / number, match["unit"].lower(), match[0], match.start())
    for match in _WORD.finditer(text):
        word = match[0].lower()
        if word in _PERIOD:
            yield _value("time", _PERIOD[word], word, match[0], match.start())
        elif word in _NUMERALS and (after := _AFTER_NUMERAL.match(text, match.end())):
            unit = after["unit"].lower()
            phrase = text[match.start() : after.end()]
            if unit in _KINDS and len(unit) > 1:
                kind, factor = _KINDS[unit]
                yield _value(kind, _NUMERALS[word] * factor, unit, phrase, match.start())
            elif unit not in COMMON and word not in _HARDLY_NUMERALS:
                yield _value("count", _NUMERALS[word], unit, match[0], match.start())


def _value(kind: str, number: float, unit: str, text: str, start: int) -> Value:
    return Value(kind, (number,), (number,), unit, text, start, start + len(text))


def is_unit(word: str) -> bool:
    """Whether a word is a unit as the values have them."""
    return word in _CASED or word.lower() in _KINDS
