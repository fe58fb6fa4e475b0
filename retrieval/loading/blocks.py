"""What every parser produces: a document's title and its blocks of text, each under the headings that lead to
it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["text", "item", "table", "row", "code"]

MAX_HEADING = 160
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff\ud800-\udfff]")
_SPACES = re.compile("[ \t\u00a0\u2000-\u200a\u202f]+")


class LoadError(Exception):
    """This file cannot be indexed. The message is a sentence for people and says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, list item, table, table row or code block, as people read it.

    `heading` is the path of headings above it, outermost first, without the document's title. A table's text
    is one line per row, `| cell | cell |`, the header first; a row's is one `column: value` per line; code
    keeps its fences.
    """

    heading: tuple[str, ...]
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as a parser read it. An empty `title` means that the document does not name itself; `notes` say what
    of it could not be read.
    """

    title: str
    blocks: tuple[Block, ...]
    url: str | None = None
    notes: tuple[str, ...] = ()


class Outline:
    """Collects blocks in reading order and keeps the path of the headings that they stand under."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._blocks: list[Block] = []
        self._tops: list[str] = []
        self._first_level = 0

    def heading(self, level: int, text: str) -> None:
        """Opens a section; `level` counts from 1. It closes all sections of its own level or deeper."""
        text = shorten(one_line(text.replace("`", "")))
        if not text:
            return
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, text))
        if level == 1:
            self._tops.append(text)
        self._first_level = self._first_level or level

    def add(self, kind: Kind, text: str) -> None:
        """Adds a block under the present heading; blank text is left out."""
        text = clean(text)
        if text.strip():
            self._blocks.append(Block(tuple(text for _, text in self._path), kind, text))

    def document(self, title: str = "", *, fallback: str = "", url: str | None = None) -> ParsedDocument:
        """The document, under the title that it declares, else its first heading if that is the only one of
        level 1.

        A heading that became the title is left out of the heading paths; `fallback` serves where there is
        none.
        """
        top = self._tops[0] if len(self._tops) == 1 and self._first_level == 1 else ""
        title = shorten(one_line(title or top or fallback))
        blocks = [_under(block, top) for block in self._blocks] if title == top else self._blocks
        return ParsedDocument(title, tuple(blocks), url)


def _under(block: Block, top: str) -> Block:
    return replace(block, heading=block.heading[1:]) if block.heading[:1] == (top,) else block


def clean(text: str) -> str:
    """Text without characters that nobody sees (controls, soft hyphens, zero width) and without trailing
    blanks.
    """
    text = _UNREADABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def one_line(text: str) -> str:
    """The text on one line with single blanks."""
    return _SPACES.sub(" ", clean(text).replace("\n", " ")).strip()


def shorten(text: str, limit: int = MAX_HEADING) -> str:
    """A heading of at most `limit` characters, cut at a word."""
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """A table as lines `| cell | cell |`, the first row being the header; rows without any text are left out."""
    cells = ([one_line(cell) for cell in row] for row in rows)
    return "\n".join("| " + " | ".join(row) + " |" for row in cells if any(row))


def row_text(columns: Sequence[str], values: Sequence[str]) -> str:
    """A table's row as lines `column: value`; columns without a value are left out, surplus values stay
    unnamed.
    """
    names = [*columns, *[""] * (len(values) - len(columns))]
    pairs = ((one_line(name), clean(value).strip()) for name, value in zip(names, values, strict=False))
    return "\n".join(f"{name}: {value}" if name else value for name, value in pairs if value)


def fenced(code: str, language: str = "") -> str:
    """A code block between fences, or nothing where there is no code."""
    code = clean(code)
    return f"```{language}\n{code}\n```" if code.strip() else ""
