"""A model's text to whole statements, as it streams in or at once: the unit that is judged before it is shown."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*(?:\s*\[\d+\])*\s+(?=[^\s\[])|\n+")
_CITATION = re.compile(r"\s{0,20}\[(\d{1,6}(?:\s{0,4},\s{0,4}\d{1,6}){0,50})\]")
_LEAD = re.compile(r"^(?:(?:answer|statement|passage|step)\s*\d*\s*:|\*+|[-•>]|\d{1,2}[.)](?=\s))\s*", re.IGNORECASE)
_STEP = re.compile(r"^(?:step\s+)?\d{1,2}[.):]\s", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|approx|no|fig|max|min|ca)|\b[A-Za-z]|(?:^|\n)[ \t]{0,20}\d{1,2})\.$", re.IGNORECASE
)
_EMPHASIS = re.compile(r"\*\*|__(?=\w)|(?<=\w)__|^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_NUMBERED = re.compile(r"(?:^|(?<=\s))(\d{1,2})[.)]\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a model says in one breath; `is_step`: it is numbered as a step of a procedure."""

    text: str
    is_step: bool = False


def statements(pieces: Iterable[str]) -> Iterator[str]:
    """Yield each statement as soon as it is complete; the rest at the end. Bullets and labels in front are left out."""
    return (statement.text for statement in numbered_statements(pieces))


def numbered_statements(pieces: Iterable[str]) -> Iterator[Statement]:
    """Yields each statement as soon as it is complete, with whether it was numbered: people ask for steps, and get them
    as steps.
    """
    text = ""
    for piece in pieces:
        text += piece
        while (cut := _cut(text)) is not None:
            yield from _cleaned(text[:cut])
            text = text[cut:]
    yield from _cleaned(text)


def without_citations(statement: str) -> tuple[str, list[int]]:
    """The statement without its [n], and those numbers in order."""
    numbers = [int(n) for citation in _CITATION.finditer(statement) for n in citation[1].split(",")]
    return _CITATION.sub("", statement).strip(), numbers


def without_emphasis(text: str) -> str:
    """The text without the marks of bold type and of headings, as Markdown has them."""
    return _EMPHASIS.sub("", text)


def statements_of(answer: str) -> list[str]:
    """The statements of a whole text, without citations, bullets and marks of emphasis and headings."""
    texts = (without_citations(text)[0].strip() for text in statements([_enumerated(without_emphasis(answer))]))
    return [text for text in texts if text]


def _enumerated(text: str) -> str:
    """A list that was written in one line (first: 1. Stop it. 2. Wait.), with an item a line."""
    expected, cuts = 1, []
    for number in _NUMBERED.finditer(text):
        if int(number[1]) in (expected, 1):  # the next one, or another list
            expected = int(number[1]) + 1
            cuts.append(number.start(1))
    if len(cuts) < 2:
        return text
    return "".join(text[start:end] + "\n" for start, end in pairwise([0, *cuts, len(text)])).strip()


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
