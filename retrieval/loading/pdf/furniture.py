"""Running headers, footers and page numbers: what is printed on page after page and says nothing there.

A running header repeats its text, or its text but for a page number that counts the pages. Lines that are alike but for
other figures are data: "Alarm 201" on one page and "Alarm 202" on the next, or the same entry of two data sheets. What
is dropped also has to stand apart from the text, or to be set in other type.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from retrieval.loading.pdf.geometry import Line, Page

SHARE = 0.5
"""A line at the top or the bottom of this share of the pages is a running one."""
MIN_PAGES = 3
MAX_WORDS = 14
EDGE = 2
"""Lines at the top and at the bottom of a page that are looked at."""
APART = 1.5
"""How much further than usual a header stands from the text, in distances between lines."""

_PAGE_WORD = r"(?:page|pages|pg\.?|p\.|seite|s\.|página|pág\.?|pagina|sida|side|strana|stránka|עמוד|صفحة|页|ページ)"
_NUMBER = r"(?P<number>\d{1,4})(?:\s{0,3}(?:/|of|von|de|sur|di|van|av|af|z|מתוך)\s{0,3}\d{1,4})?"
_ALONE = re.compile(rf"[\W_]{{0,4}}(?:{_PAGE_WORD}\s{{0,3}})?{_NUMBER}[\W_]{{0,4}}", re.IGNORECASE)
_BEHIND = re.compile(
    rf"(?P<text>.{{1,200}}?)(?:\s[|·•–—/-]\s{{0,3}}|[\s,|·•–—(]{{1,3}}{_PAGE_WORD}\s{{0,3}}){_NUMBER}\)?", re.IGNORECASE
)
_BEFORE = re.compile(
    rf"(?:{_PAGE_WORD}\s{{0,3}})?{_NUMBER}\s{{0,3}}[|·•–—]\s{{0,3}}(?P<text>.{{1,200}})", re.IGNORECASE
)
_VALUE = re.compile(r":\s*\S{0,8}\d")
"""A name with its value, which data sheets may have in common."""


def drop_furniture(pages: Sequence[Page]) -> None:
    """Takes off running headers, footers and page numbers."""
    if len(pages) < MIN_PAGES:
        return
    body = _body_size(pages)
    edges = [_edges(page, body) for page in pages]
    least = max(len(pages) * SHARE, 2)
    texts = Counter(text for lines in edges for text in {line.text for line, apart in lines if apart})
    repeated = {text for text, count in texts.items() if count >= least and not _VALUE.search(text)}
    numbered = _numbered(pages, edges, least)
    for page, lines in zip(pages, edges, strict=True):
        gone = {
            id(line)
            for line, apart in lines
            if (apart and line.text in repeated) or _offset(line.text, page.number) in numbered
        }
        page.items = [item for item in page.items if id(item) not in gone]


def _numbered(
    pages: Sequence[Page], edges: Sequence[Sequence[tuple[Line, bool]]], least: float
) -> set[tuple[str, int] | None]:
    """The texts with a page number that counts the pages, each with how far it is ahead of them."""
    offsets = Counter(
        key
        for page, lines in zip(pages, edges, strict=True)
        for key in {_offset(line.text, page.number) for line, _ in lines}
        if key is not None
    )
    return {key for key, count in offsets.items() if count >= least}


def _offset(text: str, page: int) -> tuple[str, int] | None:
    """A line's text without the page number in it, and how far that is ahead of the page's place in the file."""
    for pattern in (_ALONE, _BEHIND, _BEFORE):
        if match := pattern.fullmatch(text.strip()):
            return match.groupdict().get("text") or "", int(match["number"]) - page
    return None


def _edges(page: Page, body: float) -> list[tuple[Line, bool]]:
    """The short lines at a page's top and bottom, and whether they stand apart from the text or are set otherwise."""
    lines = sorted(page.lines, key=lambda line: -line.y)
    steps = [above.y - below.y for above, below in pairwise(lines)]
    usual = median([step for step in steps if step > 1] or [0.0])
    top = _outer(lines, [step > APART * usual for step in steps], body)
    bottom = _outer(lines[::-1], [step > APART * usual for step in steps[::-1]], body)
    return [*top, *(pair for pair in bottom if id(pair[0]) not in {id(line) for line, _ in top})]


def _outer(lines: Sequence[Line], apart: Sequence[bool], body: float) -> list[tuple[Line, bool]]:
    """The lines from an edge of the page on, each with whether a gap follows on it or on the next at the edge."""
    edge = []
    for place, line in enumerate(lines[:EDGE]):
        if len(line.text.split()) <= MAX_WORDS:
            set_apart = any(apart[place:EDGE]) and len(lines) > EDGE
            edge.append((line, set_apart or abs(line.size - body) > 0.5))
    return edge


def _body_size(pages: Iterable[Page]) -> float:
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0
