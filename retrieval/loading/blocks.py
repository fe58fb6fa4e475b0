"""What every parser produces: a document's title and its blocks of text, each under the headings that lead to
it.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["text", "item", "table", "row", "code"]

MAX_HEADING = 160
MAX_CHARACTERS = 20_000_000
MAX_BLOCKS = 300_000
"""Characters and blocks of one document: what holds more is a database, or made to stop others from being read."""
_BLANK_LINES = re.compile("\n{3,}")
# Controls, soft hyphens, what has no width, and the tags of Unicode, which no screen shows. Joiners (U+200C, U+200D)
# are a part of the words that are written with them.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[ \t\u00a0\u2000-\u200a\u202f]+")
# Letters in the form that a printer needs: ligatures, and Arabic letters as they stand within a word.
_PRINT_FORMS = re.compile("[\ufb00-\ufb06\ufb13-\ufb17\ufb4f-\ufbb1\ufbd3-\ufbff\ufe70-\ufefc]")


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
        self._notes: list[str] = []
        self._bare = ""
        self._characters = 0

    def heading(self, level: int, text: str, *, is_label: bool = False) -> None:
        """Opens a section; `level` counts from 1. It closes all sections of its own level or deeper.

        A heading with nothing below it is kept as a text of its own, for it may say all that there is; a label, which
        the parser gave ("Page 2", a table's name), is not.
        """
        full = one_line(text.replace("`", ""))
        if not full:
            return
        if self._path and self._path[-1][0] >= level:
            self._keep_bare_heading()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        text = shorten(full)
        self._path.append((level, text))
        self._bare = "" if is_label else full
        if level == 1:
            self._tops.append(text)
        self._first_level = self._first_level or level
        if text != full:
            self.add("text", full)

    def add(self, kind: Kind, text: str) -> None:
        """Adds a block under the present heading; blank text is left out.

        Raises LoadError for a document of too many blocks or characters.
        """
        text = clean(text)
        if text.strip():
            self._characters += len(text)
            if self._characters > MAX_CHARACTERS:
                raise LoadError(f"it has more text than {MAX_CHARACTERS:,} characters: split it, or index a part of it")
            if len(self._blocks) >= MAX_BLOCKS:
                raise LoadError(f"it has more than {MAX_BLOCKS:,} passages: read it as a database, by a query")
            self._blocks.append(Block(tuple(text for _, text in self._path), kind, text))
            self._bare = ""

    def note(self, text: str) -> None:
        """Keeps for the report what of the document could not be read, or how it was understood; each once."""
        if text and text not in self._notes:
            self._notes.append(text)

    def _keep_bare_heading(self) -> None:
        """Keeps the last heading as a text under those above it, if nothing has followed it."""
        if self._bare:
            self._blocks.append(Block(tuple(text for _, text in self._path[:-1]), "text", self._bare))
            self._bare = ""

    def document(self, title: str = "", *, fallback: str = "", url: str | None = None) -> ParsedDocument:
        """The document, under the title that it declares, else its first heading if that is the only one of
        level 1.

        A heading that became the title is left out of the heading paths; `fallback` serves where there is
        none.
        """
        self._keep_bare_heading()
        top = self._tops[0] if len(self._tops) == 1 and self._first_level == 1 else ""
        title = shorten(one_line(title or top or fallback))
        blocks = [_under(block, top) for block in self._blocks] if title == top else self._blocks
        return ParsedDocument(title, tuple(blocks), url, tuple(self._notes))


def _under(block: Block, top: str) -> Block:
    return replace(block, heading=block.heading[1:]) if block.heading[:1] == (top,) else block


def clean(text: str) -> str:
    """Text without characters that nobody sees (controls, soft hyphens, zero width) and without trailing blanks, its
    letters as people type them: composed (NFC), no ligatures. Form feeds and their like end a line.
    """
    text = _UNREADABLE.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", _PRINT_FORMS.sub(_typed, text))
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return _BLANK_LINES.sub("\n\n", text)


def _typed(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


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
