"""Identifiers: the words of a trade that a language's dictionary would tear apart or drop (`$110`, `HP-200`,
`3/8`).

The index keeps them verbatim beside the stemmed words, and a query looks for them in the same way.
"""

import re

MAX_LENGTH = 64
MAX_POSITION, MAX_PLACES = 16_383, 255
"""Limits of a tsvector: https://www.postgresql.org/docs/current/textsearch-limitations.html"""

# Letters and digits with the signs that hold a name together between them, and those that begin one.
_TOKEN = re.compile(r"[$#]?[^\W_]+(?:[-_./:+*=][^\W_]+)*%?|\$[$#]?")
_JOINTS = re.compile(r"[-/:+*=]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)


def identifiers(text: str) -> list[str]:
    """The identifiers of a text in order, with repetitions, lower-cased.

    A token is one if it holds a digit or begins with `$` or `#`. So are the parts of a compound that hold a
    letter as well as a digit, or begin so: `$110=500` gives `$110=500` and `$110`; `G28/G30` gives `g28/g30`,
    `g28` and `g30`.
    """
    found: list[str] = []
    for match in _TOKEN.finditer(_ADDRESS.sub(" ", text)):
        token = match[0].lower()
        if len(token) > MAX_LENGTH or not _is_identifier(token):
            continue
        found.append(token)
        parts = _JOINTS.split(token)
        found += [part for part in parts if len(parts) > 1 and _is_identifier(part) and not part.isdecimal()]
    return found


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
