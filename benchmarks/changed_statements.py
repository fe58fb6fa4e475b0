"""True statements made false by one change: a number, unit, code or name, a denial, an opposite, what is said of it.

What benchmarks/groundedness.py fits and measures with; each function gives None where there is nothing to change.
"""

import random
import re
from collections.abc import Sequence

from retrieval.answering.groundedness.forms import names, typed, words
from retrieval.answering.groundedness.negation import OPPOSITES
from retrieval.text.words import COMMON

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])|(?<=[\s$(])\d+(?:[.,]\d+)*")
COUNT = re.compile(r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.IGNORECASE)
COUNTS = "two three four five six seven eight nine ten eleven twelve".split()
KINDS = (
    "seconds minutes hours days weeks months years",
    "second minute hour day week month year",
    "KB MB GB TB",
    "ms s min h",
    "mm cm m km inches feet miles",
    "°C °F",
    "bar psi kPa",
    "kg g lb",
    "V A W kW Hz",
    "percent degrees",
    "million billion thousand",
    "liters gallons",
    "SEK EUR USD",
    "kronor euros dollars",
)
OTHER_UNITS = {unit: [u for u in kind.split() if u != unit] for kind in KINDS for unit in kind.split()}
UNIT = re.compile(
    r"(\d(?:[.,]?\d)*\)?[\s-]?)(" + "|".join(sorted(map(re.escape, OTHER_UNITS), key=len, reverse=True)) + r")(?!\w)"
)
_BE = "is|are|was|were|can|could|will|would|should|must|may|might"
_HAVE = "does|do|did|has|have|had"
_PLACES = frozenset(
    "on off in out first last with over under before after more hard soft left right long short".split()
)
TAKEN_BACK = (
    (re.compile(rf"\b({_BE}|{_HAVE}) not\b"), r"\1"),
    (re.compile(r"\b(can)(?:not|['’]t)\b"), r"\1"),
    (re.compile(rf"\b({_BE}|{_HAVE})n['’]t\b"), r"\1"),
)
PUT_IN = (
    (re.compile(rf"\b({_BE})\b(?! not|n)"), r"\1 not"),
    (re.compile(r"\b([Yy]ou|[Tt]hey|users|we)\s+(?=[a-z]{3,})"), r"\1 do not "),
    (re.compile(r"\b(has|have|had)\s+(?=[a-z]+(?:ed|en)\b)"), r"\1 not "),
)
_ORDER = re.compile(r"^([A-Z][a-z]+)\s+(?=(?:the|your|a|an|to)\b)")


def number(text: str, chance: random.Random, others: Sequence[str]) -> str | None:
    """One digit of it by another, ten times as much, or another count in letters; none that `others` has."""
    found = [*NUMBER.finditer(text), *COUNT.finditer(text)]
    if not found:
        return None
    place = chance.choice(found)
    old = place[0]
    if not old[0].isdigit():
        new = chance.choice([count for count in COUNTS if count != old.lower()])
        new = new.capitalize() if old[0].isupper() else new
    else:
        new = chance.choice([_one_digit(old, chance), f"{old}0" if old.isdigit() else _one_digit(old, chance)])
    return None if new in others else text[: place.start()] + new + text[place.end() :]


def swapped(text: str, chance: random.Random, others: Sequence[str]) -> str | None:
    """A number by another one of the same passages."""
    found = list(NUMBER.finditer(text))
    if not found:
        return None
    place = chance.choice(found)
    near = [other for other in others if other not in text and len(other) <= len(place[0]) + 2]
    return text[: place.start()] + chance.choice(near) + text[place.end() :] if near else None


def _one_digit(old: str, chance: random.Random) -> str:
    place = chance.choice([i for i, sign in enumerate(old) if sign.isdigit()])
    return old[:place] + chance.choice([d for d in "123456789" if d != old[place]]) + old[place + 1 :]


def unit(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """Another unit of the same kind."""
    found = list(UNIT.finditer(text))
    if not found:
        return None
    place = chance.choice(found)
    return text[: place.start(2)] + chance.choice(OTHER_UNITS[place[2]]) + text[place.end() :]


def code(text: str, chance: random.Random, others: Sequence[str]) -> str | None:
    """One sign of it by another."""
    found = sorted((m.start(), m.end()) for c in typed(text) for m in re.finditer(re.escape(c), text, re.IGNORECASE))
    if not found:
        return None
    start, end = chance.choice(found)
    new = _one_sign(text[start:end], chance)
    return None if new.lower() in others else text[:start] + new + text[end:]


def _one_sign(old: str, chance: random.Random) -> str:
    place = chance.choice([i for i, sign in enumerate(old) if sign.isalnum()])
    signs = "0123456789" if old[place].isdigit() else "abcdefghijklmnopqrstuvwxyz"
    new = chance.choice([sign for sign in signs if sign != old[place].lower()])
    return old[:place] + (new.upper() if old[place].isupper() else new) + old[place + 1 :]


def name(text: str, chance: random.Random, others: Sequence[str]) -> str | None:
    """One word of a name by one of another name, written in the same case."""
    found = words(text)
    named = [
        found[i]
        for i in sorted(names(text, found))
        if not found[i].is_number and found[i].form not in COMMON and len(found[i].written) > 1
    ]
    if not named:
        return None
    old = chance.choice(named)
    new = [o for o in others if o.lower() not in text.lower() and o.isupper() == old.written.isupper()]
    return text[: old.start] + chance.choice(new) + text[old.end :] if new else None


def names_of(text: str) -> list[str]:
    """The words of a text's names."""
    found = words(text)
    named = (found[i] for i in sorted(names(text, found)))
    return [w.written for w in named if not w.is_number and w.form not in COMMON and len(w.written) > 1]


def negated(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """A denial taken back, or else one put in."""
    options = [found for pattern, new in TAKEN_BACK if (found := pattern.sub(new, text, count=1)) != text]
    if options:
        return chance.choice(options)
    for pattern, new in PUT_IN:
        if (found := pattern.sub(new, text, count=1)) != text:
            return found
    return f"Do not {text[0].lower()}{text[1:]}" if _ORDER.match(text) else None


def opposite(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """A word by its opposite (required, optional)."""
    found = [m for m in re.finditer(r"[A-Za-z]+", text) if m[0].lower() in OPPOSITES and m[0].lower() not in _PLACES]
    if not found:
        return None
    place = chance.choice(found)
    return text[: place.start()] + chance.choice(sorted(OPPOSITES[place[0].lower()])) + text[place.end() :]


def spliced(text: str, chance: random.Random, others: Sequence[str]) -> str | None:
    """Its first half, and the second half of a statement about other things: what a small model makes up."""
    begins, ends = text.split(), chance.choice(others).split() if others else []
    if len(begins) < 4 or len(ends) < 4:
        return None
    return " ".join([*begins[: len(begins) // 2], *ends[len(ends) // 2 :]])
