"""Glyphs to rows of words, and those to lines as they are read."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from statistics import median

from retrieval.loading.pdf.bidi import as_read
from retrieval.loading.pdf.geometry import Glyph, Line, PageWord, Row
from retrieval.loading.scripts import lowered, raised

SAME_LINE = 0.25
"""Baselines that differ by less than this share of the type's size are one line's."""
GAP = 0.15
"""A gap wider than this share of the type's size ends a word."""
SMALL = 0.8
"""Type below this share of the line's size that stands higher or lower is an index or an exponent."""
SHIFT = 0.6
"""How far an exponent may stand above its line, as a share of the line's size."""

_DOTS = re.compile(r"(?:\s?[.·_…]){5,}")


def rows_of(glyphs: Iterable[Glyph]) -> list[Row]:
    """The words of a page, row by row from top to bottom."""
    lines = _clusters(glyphs)
    _take_in_small(lines)
    rows = [_words(sorted(line, key=attrgetter("x0"))) for line in lines]
    return [row for row in rows if row]


def line_of(row: Row) -> Line:
    """A row as it is read: small raised figures as such, right-to-left writing turned, leaders of dots shortened."""
    size, base = _main_type(row)
    parts: list[str] = []
    for number, word in enumerate(row):
        before = row[number - 1] if number else None
        joined = before is not None and word.x0 - before.x1 < GAP * size
        parts += ([] if joined or before is None else [" "]) + [_in_script(word, size, base)]
    text = _DOTS.sub(" …", as_read("".join(parts)))
    bold = sum(len(word.text) for word in row if word.bold) * 2 > sum(len(word.text) for word in row)
    gap = max((other.x0 - one.x1 for one, other in pairwise(row)), default=0.0) / size
    return Line(text, row[0].x0, max(word.x1 for word in row), base, size, bold, gap)


def _main_type(row: Row) -> tuple[float, float]:
    """The size and the baseline of most of a row's characters."""
    sizes: Counter[tuple[float, float]] = Counter()
    for word in row:
        sizes[word.size, word.y] += len(word.text)
    return max(sizes, key=lambda key: (sizes[key], key))


def _in_script(word: PageWord, size: float, base: float) -> str:
    if word.size < SMALL * size and abs(word.y - base) > 0.1 * size:
        return raised(word.text) if word.y > base else lowered(word.text)
    return word.text


def _clusters(glyphs: Iterable[Glyph]) -> list[list[Glyph]]:
    """Glyphs by their baselines, from top to bottom."""
    lines: list[list[Glyph]] = []
    base = 0.0
    for glyph in sorted(glyphs, key=attrgetter("y"), reverse=True):
        if not lines or base - glyph.y > SAME_LINE * glyph.size:
            lines.append([])
            base = glyph.y
        lines[-1].append(glyph)
    return lines


def _take_in_small(lines: list[list[Glyph]]) -> None:
    """Moves exponents and indices, which have a baseline of their own, to the line that they stand in."""
    sizes = [median(glyph.size for glyph in line) for line in lines]
    for at, line in enumerate(lines):
        for near in (at + 1, at - 1):
            if 0 <= near < len(lines) and sizes[at] < SMALL * sizes[near]:
                for glyph in [glyph for glyph in line if _hangs_on(glyph, lines[near], sizes[near])]:
                    line.remove(glyph)
                    lines[near].append(glyph)
    lines[:] = [line for line in lines if line]


def _hangs_on(glyph: Glyph, line: Sequence[Glyph], size: float) -> bool:
    """Whether a small glyph follows close behind one of a line."""
    return any(
        abs(glyph.y - other.y) < SHIFT * size and -0.1 * size < glyph.x0 - other.x1 < 0.3 * size for other in line
    )


def _words(glyphs: Sequence[Glyph]) -> Row:
    row: Row = []
    word: list[Glyph] = []
    right = 0.0
    for glyph in glyphs:
        is_space = glyph.text.isspace()
        if word and (is_space or _is_apart(word[-1], right, glyph)):
            row.append(_word(word))
            word = []
        if not is_space and not (word and _is_shadow(word[-1], glyph)):
            right = max(right, glyph.x1) if word else glyph.x1
            word.append(glyph)
    if word:
        row.append(_word(word))
    return row


def _is_apart(last: Glyph, right: float, glyph: Glyph) -> bool:
    """Whether a character does not belong to the word that ends at `right`, by the gap or as an index or exponent."""
    if last.size == glyph.size:
        return glyph.x0 - right > GAP * last.size
    small, size = sorted((last.size, glyph.size))
    return glyph.x0 - right > GAP * size or (small < SMALL * size and abs(glyph.y - last.y) > 0.1 * size)


def _is_shadow(last: Glyph, glyph: Glyph) -> bool:
    """Whether a character is drawn a second time over itself, as some programs do for bold type."""
    return last.text == glyph.text and glyph.x0 - last.x0 < 0.25 * (last.x1 - last.x0) and last.x1 > last.x0


def _word(glyphs: Sequence[Glyph]) -> PageWord:
    text = "".join([glyph.text for glyph in glyphs])
    first = glyphs[0]
    size = first.size
    if any(glyph.size != size for glyph in glyphs):
        sizes = Counter(glyph.size for glyph in glyphs)
        size = max(sizes, key=lambda size: (sizes[size], size))
    bold = sum(glyph.bold for glyph in glyphs) * 2 > len(glyphs)
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return PageWord(text, first.x0, max([glyph.x1 for glyph in glyphs]), first.y, size, bold)
