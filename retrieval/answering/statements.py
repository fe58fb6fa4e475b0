"""A model's text, as it streams in, to whole statements: the unit that is checked before it is shown."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*(?:\s*\[\d+\])*\s+(?=[^\s\[])|\n+")
_CITATION = re.compile(r"\s{0,20}\[(\d{1,6}(?:\s{0,4},\s{0,4}\d{1,6}){0,50})\]")
_LEAD = re.compile(r"^(?:(?:answer|statement|passage|step)\s*\d*\s*:|\*+|[-•>]|\d{1,2}[.)](?=\s))\s*", re.IGNORECASE)
_STEP = re.compile(r"^(?:step\s+)?\d{1,2}[.):]\s", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|approx|no|fig|max|min|ca)|\b[A-Za-z]|(?:^|\n)[ \t]{0,20}\d{1,2})\.$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a model says in one breath; `is_step`: it is numbered as a step of a procedure."""

    text: str
    is_step: bool = False


def statements(pieces: Iterable[str]) -> Iterator[str]:
    """Yield each statement as soon as it is complete; the rest at the end. Bullets and labels in front are left out."""
    return (statement.text for statement in numbered_statements(pieces))


def numbered_statements(pieces: Iterable[str]) -> Iterator[Statement]:
    """The same, each with whether it was numbered: people ask for steps, and get them as steps."""
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


def _cleaned(text: str) -> Iterator[Statement]:
    text = text.strip()
    is_step = bool(_STEP.match(text))
    while (shorter := _LEAD.sub("", text)) != text:
        text = shorter
    if re.search(r"\w", text):
        yield Statement(text, is_step)
