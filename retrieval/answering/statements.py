"""A model's text, as it streams in, to whole statements: the unit that is checked before it is shown."""

import re
from collections.abc import Iterable, Iterator

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*(?:\s*\[\d+\])*\s+(?=\S)|\n+")
_CITATION = re.compile(r"\s*\[(\d+(?:\s*,\s*\d+)*)\]")
_LEAD = re.compile(r"^(?:(?:answer|statement|passage)\s*\d*\s*:|\*+|[-•>]|\d{1,2}[.)](?=\s))\s*", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|approx|no|fig|max|min|ca)|\b[A-Za-z]|(?:^|\n)\s*\d{1,2})\.$", re.IGNORECASE
)


def statements(pieces: Iterable[str]) -> Iterator[str]:
    """Yield each statement as soon as it is complete; the rest at the end. Bullets and labels in front are left out."""
    held = ""
    for piece in pieces:
        held += piece
        while (cut := _cut(held)) is not None:
            yield from _cleaned(held[:cut])
            held = held[cut:]
    yield from _cleaned(held)


def without_citations(statement: str) -> tuple[str, list[int]]:
    """The statement without its [n], and those numbers in order."""
    numbers = [int(n) for found in _CITATION.finditer(statement) for n in found[1].split(",")]
    return _CITATION.sub("", statement).strip(), numbers


def _cut(text: str) -> int | None:
    for end in _END.finditer(text):
        if "\n" in end[0] or not _ABBREVIATION.search(text[: end.start()]):
            return end.end()
    return None


def _cleaned(text: str) -> Iterator[str]:
    text = text.strip()
    while (shorter := _LEAD.sub("", text)) != text:
        text = shorter
    if re.search(r"\w", text):
        yield text
