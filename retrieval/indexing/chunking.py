"""A document's blocks to chunks: what is embedded, searched and quoted.

Chunks follow headings and carry their path. Where a section is too long, its borders depend on the text
around them and not on what came before, so that an edit changes the chunks near it and no others
(content-defined chunking as in LBFS, Muthitacharoen et al. 2001, on sentences and paragraphs in place of
bytes).
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Literal

from retrieval.loading.blocks import Block, ParsedDocument
from retrieval.text.sentences import sentences

# In word pieces, as estimated by `size`. MiniLM reads 256 with the title and the headings, so the text gets about
# 210: some 100 to 170 words of prose.
MAX_SIZE = 210
MIN_SIZE = 100
MAX_CODE_SIZE = 420
"""Code may be longer: what it is for stands in its lead-in, and cut in two it is of no use."""
TINY_WORDS = 12
"""Sections shorter than this are joined with such neighbours under the same heading."""
TINY_GROUP = 4

MAX_SIGNS = 8
"""Characters that count as one piece at the most, so that what holds no words has an end, too."""

_PIECE = re.compile(r"[^\W\d_]{1,7}|\d{1,3}|[^\w\s]|_")

ChunkKind = Literal["text", "table", "row", "code"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. `content_hash` is the sha256 of what is embedded."""

    kind: ChunkKind
    heading: tuple[str, ...]
    text: str
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a section that is kept in one. `joint` is what stands before it when it follows another
    unit.
    """

    kind: ChunkKind
    text: str
    joint: str


def embedding_text(title: str, heading: Sequence[str], text: str) -> str:
    """What the embedder reads of a chunk: its title and heading path on a line of their own, then its text."""
    path = " > ".join(part for part in (title, *heading) if part)
    return f"{path}\n{text}" if path else text


def chunk_document(document: ParsedDocument) -> list[Chunk]:
    """The chunks of a document in reading order."""
    chunks: list[Chunk] = []
    sections = [(heading, list(blocks)) for heading, blocks in groupby(document.blocks, key=lambda b: b.heading)]
    for group in _tiny_groups(sections):
        heading, blocks = _joined(group)
        for kind, text in _pieces(blocks):
            digest = hashlib.sha256(embedding_text(document.title, heading, text).encode()).digest()
            chunks.append(Chunk(kind, heading, text, digest))
    return chunks


def size(text: str) -> int:
    """About how many word pieces the embedder makes of a text; no tokenizer is needed to chunk. Blanks and line ends
    count, too, where there are more of them than words.
    """
    return max(len(_PIECE.findall(text)), len(text) // MAX_SIGNS)


Section = tuple[tuple[str, ...], list[Block]]


def _tiny_groups(sections: Iterable[Section]) -> list[list[Section]]:
    """Groups neighbouring tiny sections of one parent. A section's own text says whether it begins a new
    group.
    """
    groups: list[list[Section]] = []
    for section in sections:
        last = groups[-1] if groups else None
        if last and _is_tiny(section) and _is_tiny(last[-1]) and _siblings(last[-1], section) and _goes_on(section):
            last.append(section)
        else:
            groups.append([section])
    return groups


def _is_tiny(section: Section) -> bool:
    heading, blocks = section
    words = sum(len(block.text.split()) for block in blocks)
    return bool(heading) and words < TINY_WORDS and all(block.kind in ("text", "item") for block in blocks)


def _siblings(one: Section, other: Section) -> bool:
    return one[0][:-1] == other[0][:-1]


def _goes_on(section: Section) -> bool:
    return _hash(section[0][-1] + section[1][0].text) % TINY_GROUP != 0


def _joined(group: list[Section]) -> Section:
    """One section out of a group: under their parent's heading, each with its own heading as a line above its
    text.
    """
    if len(group) == 1:
        return group[0]
    parent = group[0][0][:-1]
    texts = (heading[-1] + "\n" + "\n".join(block.text for block in blocks) for heading, blocks in group)
    return parent, [Block(parent, "text", text) for text in texts]


def _pieces(blocks: Sequence[Block]) -> list[tuple[ChunkKind, str]]:
    """Cuts one section into pieces of kind and text; each row of a table is a piece of its own."""
    pieces: list[tuple[ChunkKind, str]] = []
    for is_row, run in groupby(blocks, key=lambda block: block.kind == "row"):
        if is_row:
            pieces += [("row", text) for block in run for text in _split_row(block.text)]
        else:
            pieces += [_piece(units) for units in _pack(_units(list(run)))]
    return pieces


def _piece(units: Sequence[Unit]) -> tuple[ChunkKind, str]:
    kinds = {unit.kind for unit in units}
    kind: ChunkKind = kinds.pop() if len(kinds) == 1 else "text"
    return kind, units[0].text + "".join(unit.joint + unit.text for unit in units[1:])


def _units(blocks: Sequence[Block]) -> list[Unit]:
    """What stays in one: paragraphs, list items, tables and code if they fit, else sentences, rows and lines
    of them.
    """
    units: list[Unit] = []
    previous = ""
    for block in blocks:
        joint = "\n" if block.kind == previous == "item" else "\n\n"
        previous = block.kind
        if block.kind == "code":
            units += _code_units(block.text, units)
        elif block.kind == "table":
            units += [Unit("table", text, "\n\n") for text in _split_table(block.text)]
        elif size(block.text) <= MAX_SIZE:
            units.append(Unit("text", block.text, joint))
        else:
            parts = _split_prose(block.text)
            units += [Unit("text", part, joint if i == 0 else " ") for i, part in enumerate(parts)]
    return units


def _code_units(code: str, before: list[Unit]) -> list[Unit]:
    """Code joins the paragraph that leads in to it, which is taken off `before`; long code is cut at its
    lines.
    """
    parts = _split_lines(code, MAX_CODE_SIZE, opening="```\n", closing="\n```")
    if before and before[-1].kind == "text" and size(before[-1].text) + size(parts[0]) <= MAX_CODE_SIZE:
        lead = before.pop()
        first = Unit("text", f"{lead.text}\n\n{parts[0]}", lead.joint)
    else:
        first = Unit("code", parts[0], "\n\n")
    return [first, *(Unit("code", part, "\n\n") for part in parts[1:])]


def _split_table(table: str) -> list[str]:
    """The table, or groups of its rows, each below the header."""
    if size(table) <= MAX_SIZE:
        return [table]
    header, *rows = table.split("\n")
    if size(header) > MIN_SIZE:
        return [_piece(group)[1] for group in _pack([Unit("table", part, "\n") for part in _lines(table)])]
    units = [Unit("table", row, "\n") for row in rows]
    room = max(MAX_SIZE - size(header), MIN_SIZE)
    return [f"{header}\n{_piece(group)[1]}" for group in _pack(units, room, room // 2)] or [header]


def _lines(text: str) -> list[str]:
    """Its lines, those that are too long in parts."""
    return [part for line in text.split("\n") for part in (_hard_split(line) if size(line) > MAX_SIZE else [line])]


def _split_row(row: str) -> list[str]:
    """The row, or where it is too long groups of its lines, each below the first, which says what row it is."""
    if size(row) <= MAX_CODE_SIZE:
        return [row]
    key, *lines = row.split("\n")
    units = [Unit("text", part, "\n") for line in lines for part in _split_prose(line)]
    if size(key) > MIN_SIZE or not units:
        return [_piece(group)[1] for group in _pack([Unit("text", part, " ") for part in _split_prose(row)])]
    return [f"{key}\n{_piece(group)[1]}" for group in _pack(units, MAX_SIZE - size(key))]


def _split_lines(code: str, limit: int, opening: str, closing: str) -> list[str]:
    if size(code) <= limit:
        return [code]
    body = code.removeprefix("```").partition("\n")[2].removesuffix("```").rstrip("\n")
    parts = [part for line in body.split("\n") for part in (_hard_split(line) if size(line) > limit else [line])]
    units = [Unit("code", part, "\n") for part in parts]
    return [opening + _piece(group)[1] + closing for group in _pack(units, limit, limit // 2)]


def _split_prose(text: str) -> list[str]:
    if size(text) <= MAX_SIZE:
        return [text]
    parts = (_hard_split(part) if size(part) > MAX_SIZE else [part] for part in sentences(text))
    return [part for group in parts for part in group]


def _hard_split(text: str) -> list[str]:
    """Cuts what has no sentence ends where it hurts least: at lines, at signs, at words, in the end anywhere."""
    # A second, for texts without sentences alone.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=["\n", "; ", ", ", " ", ""], chunk_size=MAX_SIZE, chunk_overlap=0, length_function=size
    )
    most = MAX_SIZE * MAX_SIGNS
    parts = (part[i : i + most].strip() for part in splitter.split_text(text) for i in range(0, len(part), most))
    return [part for part in parts if part]


def _pack(units: list[Unit], most: int = MAX_SIZE, least: int = MIN_SIZE) -> list[list[Unit]]:
    """Cuts a run of units into groups of `least` to `most` pieces; a unit larger than that is a group of its
    own.
    """
    ends = list(accumulate((max(size(unit.text), 1) for unit in units), initial=0))
    groups: list[list[Unit]] = []
    start = 0
    while start < len(units):
        rest = ends[-1] - ends[start]
        cut = len(units) if rest <= most else _border(units, ends, start, most, least)
        groups.append(units[start:cut])
        start = cut
    return groups


def _border(units: list[Unit], ends: list[int], start: int, most: int, least: int) -> int:
    """Finds where the group that begins at `start` ends: at the strongest border that leaves both sides large enough.

    Among borders of equal strength the one before the unit with the lowest hash is taken: the same one,
    wherever the group before it began. `ends[i]` is the size of all units before i.
    """
    last = max(bisect_right(ends, ends[start] + most) - 1, start + 1)
    first = bisect_left(ends, ends[start] + least, start + 1)
    enough = [cut for cut in range(first, last + 1) if ends[-1] - ends[cut] >= least // 2]
    return min(enough, key=lambda cut: (_weakness(units[cut - 1], units[cut]), _hash(units[cut].text)), default=last)


def _weakness(before: Unit, unit: Unit) -> int:
    """How little a border here suits. Best between paragraphs, then list items, nested ones, sentences; worst
    where the one above leads in to the one below, or asks what it answers.
    """
    if before.text.endswith((":", "?")):
        return 4
    if unit.joint == "\n" and unit.text.startswith(" "):
        return 2
    return {"\n\n": 0, "\n": 1, " ": 3}[unit.joint]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
