"""Tables to row blocks: CSV, JSON and SQLite. A row is a passage that names its columns."""

import csv
import io
import itertools
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, one_line, row_text
from retrieval.loading.text import decode

DELIMITERS = ",;\t|"
SAMPLE_LINES = 50
MAX_DEPTH = 40
"""JSON nested deeper than this is refused: no document for people looks like that."""

_SQLITE_MAGIC = b"SQLite format 3\x00"
_TABLES = """
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name
"""


def parse_csv(data: bytes) -> ParsedDocument:
    """A delimited table with a header line; delimiter and encoding are found out."""
    text = decode(data).replace("\x00", "")
    csv.field_size_limit(max(len(text), 131_072))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if len(filled) < 2:
        raise LoadError("it holds no rows below a header line")
    outline = Outline()
    columns = _names(filled[0])
    for row in filled[1:]:
        outline.add("row", row_text(columns, row))
    return outline.document()


def _names(header: list[str]) -> list[str]:
    return [one_line(name) or f"column {number}" for number, name in enumerate(header, 1)]


def _delimiter(text: str) -> str:
    """The delimiter that splits most of the first lines into the same number of cells, more than one."""
    lines = list(itertools.islice(io.StringIO(text), SAMPLE_LINES))

    def agreement(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        width = widths[0] if widths else 0
        return (widths.count(width) if width > 1 else 0, width)

    return max(DELIMITERS, key=agreement)


def parse_json(data: bytes) -> ParsedDocument:
    """JSON: a list of objects is a table; of an object the keys are headings, plain values `key: value`
    lines.
    """
    outline = Outline()
    try:
        _add_value(outline, json.loads(decode(data)), level=1)
    except json.JSONDecodeError as error:
        raise LoadError(f"it is not valid JSON (line {error.lineno}: {error.msg})") from error
    return outline.document()


def parse_json_lines(data: bytes) -> ParsedDocument:
    """JSON Lines: an object per line is a table's row."""
    outline = Outline()
    for number, line in enumerate(decode(data).splitlines(), 1):
        try:
            _add_value(outline, [json.loads(line)] if line.strip() else [], level=1)
        except json.JSONDecodeError as error:
            raise LoadError(f"it is not valid JSON (line {number}: {error.msg})") from error
    return outline.document()


def _add_value(outline: Outline, value: Any, level: int) -> None:
    if level > MAX_DEPTH:
        raise LoadError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        for entry in value:
            if isinstance(entry, dict):
                pairs = dict(_flat(entry))
                outline.add("row", row_text(list(pairs), list(pairs.values())))
            else:
                outline.add("item", "- " + _spoken(entry) if _spoken(entry) else "")
    elif isinstance(value, dict):
        plain = {key: _spoken(entry) for key, entry in value.items() if not _is_section(entry)}
        outline.add("text", row_text(list(plain), list(plain.values())))
        for key, entry in value.items():
            if _is_section(entry):
                outline.heading(level + 1, key, is_label=True)
                _add_value(outline, entry, level + 1)
    else:
        outline.add("text", _spoken(value))


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(entry, dict) for entry in value))


def _flat(value: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """A nested object's plain values under dotted names."""
    if depth > MAX_DEPTH:
        raise LoadError(f"it is nested more than {MAX_DEPTH} levels deep")
    for key, entry in value.items():
        if isinstance(entry, dict):
            yield from _flat(entry, f"{prefix}{key}.", depth + 1)
        elif _is_section(entry):
            for number, part in enumerate(entry, 1):
                named = part if isinstance(part, dict) else {"": part}
                yield from _flat(named, f"{prefix}{key} {number}.", depth + 1)
        else:
            yield prefix + key, _spoken(entry)


def _spoken(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_spoken, value)))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parse_sqlite(data: bytes) -> ParsedDocument:
    """A SQLite database: each table is a heading, each of its rows a passage. Works on a copy, so nothing is
    locked.
    """
    if not data.startswith(_SQLITE_MAGIC):
        raise LoadError("it is not a SQLite database")
    outline = Outline()
    with tempfile.TemporaryDirectory(prefix="journeyman-") as folder:
        copy = Path(folder, "copy.db")
        copy.write_bytes(data)
        try:
            with closing(sqlite3.connect(copy)) as database:
                database.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
                for (table,) in database.execute(_TABLES).fetchall():
                    _add_table(outline, database, table)
        except sqlite3.DatabaseError as error:
            raise LoadError(f"this SQLite database is broken ({error})") from error
    return outline.document()


def _add_table(outline: Outline, database: sqlite3.Connection, table: str) -> None:
    quoted = table.replace('"', '""')
    rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name that the database itself lists
    columns = [name for name, *_ in rows.description]
    outline.heading(2, table, is_label=True)
    for row in rows:
        outline.add("row", row_text(columns, [_cell(value) for value in row]))


def _cell(value: str | int | float | bytes | None) -> str:
    """A cell as people write it; pictures and other binary data have no words."""
    if value is None or isinstance(value, bytes):
        return ""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
