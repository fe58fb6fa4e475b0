"""A chunk's sentences, list items, table rows and lines of code: what a question is matched with and an answer quotes.

Every one of them stands word for word in the chunk's text.
"""

import hashlib
import re

MAX_WORDS = 45
"""Longer ones are cut where they pause, for a quote has to be short."""

NEAR = 16
"""Characters before the end of a sentence in which an abbreviation stands."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[`$*]*[A-Z0-9À-Þ`$])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|no|nr|fig|dr|mr|mrs|ms|st|sec|ch|vol|max|min|ca|z\.b|d\.h)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+")
_PAUSE = re.compile(r"(?<=[;:,–—)])\s+|(?<!\s)\s+(?=[(–—])")
_FENCE = re.compile(r"^\s*```")
_WORD = re.compile(r"\w")


def split(text: str, kind: str) -> list[str]:
    """The quotable pieces of a chunk in order; a CSV or SQL row is one, unless it is too long."""
    if kind == "row" and len(text.split()) <= MAX_WORDS:
        return [text.strip()]
    pieces = []
    for paragraph in _paragraphs(text):
        for sentence in sentences(paragraph):
            pieces += _shortened(sentence)
    return [piece for piece in pieces if _WORD.search(piece)]


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph, in order, as they stand."""
    parts: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, max(start, end.start() - NEAR), end.start()):
            parts.append(text[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in [*parts, text[start:].strip()] if sentence]


def sentence_hash(text: str) -> bytes:
    """The key of a sentence's vector in the cache: the sha256 of its text, which is embedded alone."""
    return hashlib.sha256(text.encode()).digest()


def _paragraphs(text: str) -> list[str]:
    """Lines of wrapped prose joined as they stand; items, table rows and lines of code each for itself."""
    paragraphs: list[list[str]] = [[]]
    code = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            code = not code
            paragraphs.append([])
        elif not line.strip():
            paragraphs.append([])
        elif code or line.lstrip().startswith("|"):
            paragraphs += [[line.strip()], []]
        elif _ITEM.match(line):
            paragraphs.append([_ITEM.sub("", line).strip()])
        else:
            paragraphs[-1].append(line)
    return ["\n".join(lines).strip() for lines in paragraphs if lines]


def _shortened(sentence: str) -> list[str]:
    """A long sentence in parts of at most about MAX_WORDS, cut at its pauses."""
    if len(sentence.split()) <= MAX_WORDS:
        return [sentence]
    parts: list[str] = []
    start = last = 0
    for pause in [*_PAUSE.finditer(sentence), None]:
        end = pause.start() if pause else len(sentence)
        if len(sentence[start:end].split()) > MAX_WORDS and last > start:
            parts.append(sentence[start:last].strip())
            start = last
        last = end
    return [part for part in [*parts, sentence[start:].strip()] if part]
