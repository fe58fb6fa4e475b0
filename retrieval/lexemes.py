"""Identifiers: the words of a trade that a language's dictionary would tear apart or drop (`$110`, `HP-200`, `3/8`).

The index keeps them verbatim beside the stemmed words, and a query looks for them in the same way.
"""

import re

MAX_LENGTH = 64
MAX_POSITION, MAX_PLACES = 16_383, 255
"""Limits of a tsvector: https://www.postgresql.org/docs/current/textsearch-limitations.html"""

# Letters, digits and the signs that hold a name together. A sign counts between two others of these, and some count in front.
_TOKEN = re.compile(r"[$#]?[^\W_]+(?:[-_./:+*=][^\W_]+)*%?|[$#]{2}|\$[^\W_]?")
_JOINTS = re.compile(r"[-_./:+*=]")
_ADDRESS = re.compile(r"(?:https?|www)[.:]", re.IGNORECASE)


def identifiers(text: str) -> list[str]:
    """The identifiers of a text in order, with repetitions, lower-cased.

    A token is one if it holds a digit, or begins with `$` or `#`, or names something with a sign in it (`error:9` but
    not `and/or`). Of a compound with a digit the parts are identifiers too, if they hold a digit (`$110=500` is `$110=500`
    and `$110`).
    """
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        if len(token) > MAX_LENGTH or _ADDRESS.match(token):
            continue
        if any(map(str.isdigit, token)) or token[0] in "$#":
            found.append(token)
            found += [part for part in token.split("=")[:1] if part != token]
    return found


def tsvector(words: list[str]) -> str:
    """The words with their positions from 1, as a tsvector literal. Identifiers hold no character to be escaped."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(min(place, MAX_POSITION))
    return " ".join(f"'{word}':{','.join(map(str, at[:MAX_PLACES]))}" for word, at in places.items())
