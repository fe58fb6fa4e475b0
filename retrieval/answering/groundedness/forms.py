"""Words as the check of statements compares them: their forms, numbers with units, and codes. In any language.

Two words are alike by the letters that they share, so that inflected and joined words meet without a dictionary. Every
word counts here, whatever it means; what amounts and dates mean, which disagreeing documents are compared by, is in
retrieval.text.values.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.text.words import codes

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’״׳][^\W\d_]+)*|[%°€£$#](?!\w)|(?<=\d)\s?[%°]")
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_ZEROS = re.compile(r"\.0+$")
_WITH_PART = re.compile(r"(\d{1,3}(?:(?:,\d{3})+(?=\.)|(?:\.\d{3})+(?=,)))[.,](\d+)")
_SPACE = re.compile(r"\s+")
_TYPED = re.compile(r"[^\s`]+")
_AROUND = "\"'“”‘’„()[]{}<>.,;:!?|*_…"
_CAMEL = re.compile(r"[a-z][A-Z]")
_INNER = re.compile(r"\w[_@#=\\]\w|^[$#/@\\-]{1,2}\w|[a-z]\d|\d[a-z]|\w=|::|\w/\w+/\w", re.IGNORECASE)
_UNIT = re.compile(r"\d+(?:[.,]\d+)*[^\W\d_]{1,3}$|\d+(?:st|nd|rd|th)$")
_ENDS_PART = re.compile(r"[:\n!?]|\.\s")
_AMOUNT = re.compile(r"[$€£]\d+(?:[.,]\d+)*")
_PLURAL = re.compile(r"['’]s?$")

LEAST_LETTERS = 4
"""Shorter words are alike only when they are the same."""
LEAST_LIKENESS = 0.5
"""The share of two words' letters in threes that they must have in common (Dice)."""

MOST_CAPITALS = 0.85
"""Share of a text's longer words that begin with a capital, from which it is a heading."""

COUNTS = {
    **dict(zip("two three four five six seven eight nine ten eleven twelve".split(), range(2, 13), strict=True)),
    **dict(zip("zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(), range(2, 13), strict=True)),
    **dict(zip("שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר".split(), range(2, 11), strict=True)),
    **dict(zip("שני שלושה ארבעה חמישה שישה שבעה שמונה תשעה עשרה".split(), range(2, 11), strict=True)),
    **dict(zip("deux trois quatre cinq six sept huit neuf dix".split(), range(2, 11), strict=True)),
    **dict(zip("dos tres cuatro cinco seis siete ocho nueve diez".split(), range(2, 11), strict=True)),
    "thirty": 30,
    "twenty": 20,
    "fifty": 50,
    "hundred": 100,
    "dreißig": 30,
    "zwanzig": 20,
    "שתי": 2,
}
"""Numerals in letters that say how many. "One" and "a" rarely do."""


_UNITS = """
s sec secs second seconds sekunde sekunden שנייה שניות|ms millisecond milliseconds msec millisekunde millisekunden
min mins minute minutes minuten דקה דקות|h hr hrs hour hours stunde stunden betriebsstunden שעה שעות
day days tag tage tagen werktage werktagen יום ימים ימי|week weeks woche wochen שבוע שבועות
month months monat monate monaten monthly חודש חודשים|year years yr yrs jahr jahre jahren yearly שנה שנים
mm millimeter millimeters millimetre millimetres|cm centimeter centimeters centimetre centimetres zentimeter
m meter meters metre metres מטר מטרים|km kilometer kilometers kilometre kilometres ק"מ|inch inches zoll|ft foot feet
mile miles mi|kb kilobyte kilobytes|mb megabyte megabytes|gb gigabyte gigabytes gib|tb terabyte terabytes tib|mib|kib
bar בר|psi|kpa|mpa|hpa|kg kilogram kilograms kilogramm kilo ק"ג|g gram grams gramm|lb lbs pound pounds|ton tons tonne
tonnes t|v volt volts|kv|a amp amps ampere|ma|w watt watts|kw kilowatt kilowatts|kwh|hz hertz|khz|mhz|ghz
percent prozent אחוז אחוזים %|degree degrees grad|thousand tausend אלף|million millions millionen mio מיליון
billion billions milliarde milliarden mrd מיליארד|l liter liters litre litres ליטר|gallon gallons|ml
sek kr kronor|eur euro euros €|usd dollar dollars $|gbp £|שקל שקלים
"""
UNITS = {form: line.split()[0] for line in _UNITS.replace("\n", "|").split("|") for form in line.split()}
"""Units of measure and what multiplies, each form with the first of its kind."""


@dataclass(frozen=True, slots=True)
class WordForm:
    """A run of letters or a number: its form to compare by, where it stands in its text, and how it was written."""

    form: str
    start: int
    end: int
    written: str

    @property
    def is_number(self) -> bool:
        """Whether it is a number, in digits."""
        return self.form[0].isdigit()


def words(text: str) -> list[WordForm]:
    """The words and numbers of a text in order; "v4" is two of them, "400-hour" too."""
    return [WordForm(_form(match[0].strip()), match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]


def _form(text: str) -> str:
    if text[0].isdigit():
        return number(text)
    return _PLURAL.sub("", text.casefold().replace("’", "'"))


def number(text: str) -> str:
    """One way of writing a number: 1,000 and 1.000 as 1000, 0,5 as 0.5, 40.00 as 40; 2.50 and 6.15.0 as they stand."""
    if _GROUPED.fullmatch(text) and not text.startswith("0"):
        return re.sub(r"[.,]", "", text)
    parts = _WITH_PART.fullmatch(text)
    plain = re.sub(r"[.,]", "", parts[1]) + "." + parts[2] if parts else text.replace(",", ".")
    return _ZEROS.sub("", plain) if plain.count(".") == 1 else plain


@lru_cache(maxsize=65536)
def letters_in_threes(form: str) -> frozenset[str]:
    """The form's runs of three letters, its borders counted as letters."""
    framed = f"^{form}$"
    return frozenset(framed[i : i + 3] for i in range(len(framed) - 2))


class FormIndex:
    """The different forms of some text, to find those that are like another word."""

    def __init__(self, forms: Iterable[str]) -> None:
        self.order = list(dict.fromkeys(forms))
        self.place = {form: i for i, form in enumerate(self.order)}
        self._holding: dict[str, list[int]] = {}
        for i, form in enumerate(self.order):
            if len(form) >= LEAST_LETTERS and not form[0].isdigit():
                for three in letters_in_threes(form):
                    self._holding.setdefault(three, []).append(i)

    def like(self, form: str) -> dict[int, float]:
        """The places of the forms that are like this one, each with its likeness from LEAST_LIKENESS to 1."""
        likeness_of: dict[int, float] = {}
        if (same := self.place.get(form)) is not None:
            likeness_of[same] = 1.0
        if form in COUNTS and (digit := self.place.get(str(COUNTS[form]))) is not None:
            likeness_of[digit] = 1.0
        if form[0].isdigit():
            return likeness_of | {self.place[name]: 1.0 for name in _counts(form) if name in self.place}
        if len(form) < LEAST_LETTERS:
            return likeness_of
        mine = letters_in_threes(form)
        shared = Counter(i for three in mine for i in self._holding.get(three, ()))
        for i, count in shared.items():
            likeness = _likeness(form, self.order[i], count)
            if likeness >= LEAST_LIKENESS:
                likeness_of.setdefault(i, likeness)
        return likeness_of


def _likeness(one: str, other: str, shared: int) -> float:
    """Dice of their threes; a word that begins with or, in a compound, ends with the whole other is nearly the same."""
    short, long = sorted((one, other), key=len)
    if long.startswith(short) and len(long) - len(short) <= 3:
        return 0.95
    if len(short) >= 5 and (long.startswith(short) or long.endswith(short)):
        return 0.8
    return 2 * shared / (len(letters_in_threes(one)) + len(letters_in_threes(other)))


@lru_cache(maxsize=1024)
def _counts(form: str) -> tuple[str, ...]:
    return tuple(name for name, value in COUNTS.items() if str(value) == form)


def typed(text: str) -> set[str]:
    """What must stand sign by sign, in lower case: codes, commands, paths, options, identifiers."""
    codes_in = signed(text)
    for raw in _TYPED.findall(text):
        bare = raw.strip(_AROUND)
        if "](" in bare or len(bare) < 2 or _AMOUNT.fullmatch(bare):
            continue
        if (_CAMEL.search(bare) or _INNER.search(bare)) and not _UNIT.match(bare.lower()):
            codes_in.add(bare.lower())
    return codes_in


def signed(text: str) -> set[str]:
    """Codes that a sign alone may tell apart ($RST=#, $$, C#), in lower case; amounts are none."""
    return {code for code in codes(text) if not _AMOUNT.fullmatch(code)}


def squeezed(text: str) -> str:
    """The text in lower case with single spaces, to look codes up in."""
    return _SPACE.sub(" ", text.lower())


def holds(text: str, code: str) -> bool:
    """Whether a squeezed text holds a code that does not go on before or after it."""
    at = text.find(code)
    while at >= 0:
        after = text[at + len(code) : at + len(code) + 1]
        before = text[at - 1 : at] if at else ""
        if not (after.isalnum() and code[-1].isalnum()) and not (before.isalnum() and code[0].isalnum()):
            return True
        at = text.find(code, at + 1)
    return False


def names(text: str, words_of_text: Sequence[WordForm]) -> set[int]:
    """The places of the words with a capital that does not come from standing first in a sentence or a line.

    Where nearly all words up to a colon or the end have one, as in headings, it says nothing.
    """
    places: set[int] = set()
    for part in _parts(text, words_of_text):
        long = [i for i in part if len(words_of_text[i].form) >= LEAST_LETTERS and not words_of_text[i].is_number]
        capitals = sum(words_of_text[i].written[0].isupper() for i in long)
        if len(long) >= 2 and len(part) >= 3 and capitals >= MOST_CAPITALS * len(long):
            continue
        places |= {
            i
            for i in part
            if words_of_text[i].written[0].isupper()
            and i
            and not _begins(text[words_of_text[i - 1].end : words_of_text[i].start])
        }
    return places | {i for i, word in enumerate(words_of_text) if len(word.written) > 1 and word.written.isupper()}


def _parts(text: str, words_of_text: Sequence[WordForm]) -> list[list[int]]:
    """The places of the words between colons and ends of lines and sentences."""
    parts: list[list[int]] = [[]]
    for i, word in enumerate(words_of_text):
        if i and _ENDS_PART.search(text[words_of_text[i - 1].end : word.start]):
            parts.append([])
        parts[-1].append(i)
    return parts


def _begins(between: str) -> bool:
    """Whether what stands before a word ends a sentence or opens one."""
    return any(mark in between for mark in '.!?:\n*"“„')
