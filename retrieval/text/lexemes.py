"""Identifiers: the words of a trade that a language's dictionary would tear apart or drop (`$110`, `HP-200`,
`alarm 3`).

The index keeps them verbatim beside the stemmed words, and a query looks for them in the same way.
"""

import re
import unicodedata

from retrieval.text.words import COMMON

MAX_LENGTH = 64
MAX_POSITION, MAX_PLACES = 16_383, 255
"""Limits of a tsvector: https://www.postgresql.org/docs/current/textsearch-limitations.html"""

# Letters and digits with the signs that hold a name together between them, and those that begin one.
_TOKEN = re.compile(r"[$#]?[^\W_]+(?:[-_./:+*=][^\W_]+)*%?|\$[$#]?")
_JOINTS = re.compile(r"[-/:+*=]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# A word and the number that it bears, however they are joined: alarm 3, ALARM:3, alarm code 3, HP 200, HP-200.
_NUMBERED = re.compile(
    r"(?<![^\W_])([^\W\d_]{1,64})([-_/:#]|[ \t]{1,8}(?:(?:code|no|nr|number|#)\b\.?[ \t]{0,8})?)(\d[^\W_]{0,63})"
)
# Dashes that programs put for a hyphen, and digits that stand lower or higher: CO₂ is asked for as CO2.
_TYPED = str.maketrans("‐‑‒–—−﹣－₀₁₂₃₄₅₆₇₈₉", "--------0123456789")
_RAISED = re.compile(r"(?<=[^\W\d_])[²³¹⁰⁴-⁹]")
_COMPOUND_JOINTS = re.compile(r"[-_/.]")
# A table row's line whose value is a number alone: `Alarm code: 3`, `$-Code: 110`.
_CELL = re.compile(r"^([^:\n]{1,60}):[ \t]+(\d{1,8})$", re.MULTILINE)
_CELL_WORD = re.compile(r"[^\W\d_]+|[$#]")

_NUMBER = re.compile(r"[\d.]+%?")


def identifiers(text: str) -> list[str]:
    """The identifiers of a text, with repetitions, lower-cased.

    A token is one if it holds a digit or begins with `$` or `#`. So are the parts of a compound that hold a
    letter as well as a digit, or begin so: `$110=500` gives `$110=500` and `$110`; `G28/G30` gives `g28/g30`,
    `g28` and `g30`. A word and its number are one, too, written alike however the text joins them: `HP-200` and
    `HP 200` give `hp200`, `ALARM:3`, `alarm 3` and a row's `Alarm code: 3` give `alarm3`; so are all parts of a longer
    name, `SN-88-421/B` and `SN 88421B` give `sn88421b`.
    """
    text = _RAISED.sub(lambda names: unicodedata.normalize("NFKC", names[0]), _ADDRESS.sub(" ", text.translate(_TYPED)))
    names: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        if len(token) > MAX_LENGTH or not _is_identifier(token):
            continue
        names.append(token)
        parts = _JOINTS.split(token)
        names += [part for part in parts if len(parts) > 1 and _is_identifier(part) and not part.isdecimal()]
        names += _joined(token)
    return names + [name for name in _numbered(text) if len(name) <= MAX_LENGTH]


def codes(words: list[str]) -> list[str]:
    """The identifiers that are more than a number, each once: names that somebody gave to one thing."""
    return [word for word in dict.fromkeys(words) if not _NUMBER.fullmatch(word) and any(map(str.isdigit, word))]


def _joined(token: str) -> list[str]:
    """A name of three parts or more without what joins them. Names of two parts are those of `_numbered`; dates and
    sums are no names.
    """
    parts = _COMPOUND_JOINTS.split(token)
    if len(parts) < 2 or not any(map(str.isalpha, token)) or not all(map(str.isalnum, parts)):
        return []
    return ["".join(parts)]


def _numbered(text: str) -> list[str]:
    """Words with their numbers, in one: what people call alarm 3, whichever way it is written. A word that is no name
    (in 5, to 220) is one where a sign joins them or where it is in capitals: IT-5, TO 220.
    """
    pairs = [
        (match[1].lower(), match[3].lower())
        for match in _NUMBERED.finditer(text)
        if match[1].lower() not in COMMON or not match[2].isspace() or (match[1].isupper() and len(match[1]) > 1)
    ]
    for match in _CELL.finditer(text):
        words = (word.lower() for word in _CELL_WORD.findall(match[1]))
        pairs += [(word, match[2].lower()) for word in words if word not in COMMON]
    return [word + number for word, number in pairs]


def _is_identifier(token: str) -> bool:
    return any(map(str.isdigit, token)) or token.startswith(("$", "#"))


def tsvector(words: list[str]) -> str:
    """The words with their positions from 1, as a tsvector literal. Identifiers hold no character to be
    escaped.
    """
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(min(place, MAX_POSITION))
    return " ".join(f"'{word}':{','.join(map(str, at[:MAX_PLACES]))}" for word, at in places.items())
