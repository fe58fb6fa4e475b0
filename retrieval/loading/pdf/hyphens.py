"""Words that a line's end cuts in two: which hyphens are the typesetter's, and which are the word's own.

The document says it itself where it holds the word elsewhere; else codes keep their hyphen, and so do words that begin
with one that stands for itself, like low- or oil-.
"""

import re
from collections.abc import Collection, Iterable, Sequence

_CUT = re.compile(r"(?:^|\s)[(\"'“‘]?([\w./]*\w)-$")
_WORD = re.compile(r"\w+(?:-\w+)*")
_TAIL = re.compile(r"\w+")
_JOINING = frozenset("and or und oder bzw et ou y o e of to als en och og".split())
_HEADS = frozenset(
    """air all back base bottom cold cost cross double dry eight end fast first five flow foot four front fuel full gas
    half hand hard heat heavy high hot inner ice key left light line load long low main man mid multi
    nine non oil old one outer part power pressure quick rear red right safety second self semi
    seven short side single six slow small soft spring steam ten test third three time tool top triple two user waste
    water well wet wide wire work year zero""".split()
)


def words_in(texts: Iterable[str]) -> set[str]:
    """The words of a document, small, that no line's end cuts in two."""
    return {word.lower() for text in texts for word in _WORD.findall(text.removesuffix("-"))}


def unbroken(lines: Sequence[str], vocabulary: Collection[str]) -> list[str]:
    """Lines with words put together that were cut in two at a line's end; the rest of such a word leaves its line."""
    joined: list[str] = []
    for line in lines:
        if joined and (cut := _CUT.search(joined[-1])) and _TAIL.match(line):
            head, _, rest = line.partition(" ")
            tail = _TAIL.match(head)
            joined[-1] = _together(joined[-1], cut[1], tail[0] if tail else "", head, vocabulary)
            line = rest
        if line:
            joined.append(line)
    return joined


def _together(before: str, start: str, end: str, head: str, vocabulary: Collection[str]) -> str:
    """The line with the rest of its last word, `head`, whose letters are `end`."""
    if end.lower() in _JOINING:
        return f"{before} {head}"
    return before + head if _keeps_hyphen(start, end, vocabulary) else before[:-1] + head


def _keeps_hyphen(start: str, end: str, vocabulary: Collection[str]) -> bool:
    first = re.split(r"[./]", start)[-1]
    if any(char.isupper() or not char.isalpha() for char in (end[0], first[-1])):
        return True  # a code, or a name: HP-200, X-ray
    one, other = first.lower(), end.lower()
    if one + other in vocabulary:
        return False
    if f"{one}-{other}" in vocabulary:
        return True
    return one in _HEADS or (len(one) > 2 and len(other) > 2 and one in vocabulary and other in vocabulary)
