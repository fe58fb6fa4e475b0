"""Tables to row blocks: JSON and SQLite. A row is a passage that names its columns."""

import json
import math
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, row_text
from retrieval.loading.encodings import decode

MAX_DEPTH = 40
"""JSON nested deeper than this is refused: no document for people looks like that."""

MOST_BROKEN = 5
"""Broken lines that are named one by one."""
_LINE_SIGNS = re.compile("[\x85\u2028\u2029]")
"""They end no line within a string."""
_BLANK = " \t\r\n\ufeff"

_SQLITE_MAGIC = b"SQLite format 3\x00"
_TABLES = """
SELECT name, type = 'view' FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'
ORDER BY type, name
"""
STEP, MAX_VIEW_STEPS = 100_000, 500
"""Instructions of SQLite's machine that a view may take: so many times so many, some seconds."""
MAX_VIEW_ROWS = 50_000
MIN_LETTERS, MAX_TEXT_BYTES = 4, 10_000
"""Letters that a value of bytes must hold to be a text, and bytes that it may."""


def parse_json(data: bytes) -> ParsedDocument:
    """JSON: a list of objects is a table; of an object the keys are headings, plain values `key: value` lines. Numbers
    stand as they are written. A file of an object for each line is JSON Lines, whatever its name.
    """
    outline = Outline()
    decoded = decode(data)
    outline.note(decoded.note)
    try:
        value = _parsed(decoded.text)
    except json.JSONDecodeError as error:
        if not _is_lines(decoded.text):
            raise LoadError(f"it is not valid JSON (line {error.lineno}: {error.msg})") from error
        _add_lines(outline, decoded.text)
    else:
        _add_value(outline, value, level=1)
    return outline.document()


def parse_json_lines(data: bytes) -> ParsedDocument:
    """JSON Lines: an object for each line is a table's row. A line that is broken costs itself, and is reported."""
    outline = Outline()
    decoded = decode(data)
    outline.note(decoded.note)
    _add_lines(outline, decoded.text)
    return outline.document()


def _add_lines(outline: Outline, text: str) -> None:
    """Raises LoadError if there are lines and all of them are broken."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(_BLANK)]
    broken: list[str] = []
    for number, line in lines:
        try:
            value = _parsed(line)
        except json.JSONDecodeError as error:
            broken.append(f"line {number}: {error.msg}")
            continue
        _add_value(outline, value if isinstance(value, list) else [value], level=1)
    if broken and len(broken) == len(lines):
        raise LoadError(f"it is not valid JSON ({broken[0]})")
    if broken:
        more = f" and {len(broken) - MOST_BROKEN} more" if len(broken) > MOST_BROKEN else ""
        outline.note(f"left out is what is not valid JSON: {'; '.join(broken[:MOST_BROKEN])}{more}")


def _is_lines(text: str) -> bool:
    """Whether the first line that is not blank is a whole object, and not all that there is."""
    first, _, rest = text.strip(_BLANK).partition("\n")
    try:
        return bool(rest.strip()) and isinstance(_parsed(first), dict)
    except json.JSONDecodeError:
        return False


def _parsed(text: str) -> Any:
    """The value of a JSON text. What stands twice in an object is kept twice, for the last one is not truer."""
    numbers: Any = {"parse_int": _Written, "parse_float": _Written, "parse_constant": _Written}
    return json.loads(text.strip(_BLANK), object_pairs_hook=_object, **numbers)


class _Written(str):
    """A number as it stands in the file: 1.50 is a price, and 12345678901234567890 a serial number."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values and values[key] != value:
            earlier = values[key]
            values[key] = [*earlier, value] if isinstance(earlier, _Repeated) else [earlier, value]
            values[key] = _Repeated(values[key])
        else:
            values[key] = value
    return values


class _Repeated(list[Any]):
    """The values of a key that stands several times in one object."""

    __slots__ = ()


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
                fields = part if isinstance(part, dict) else {"": part}
                yield from _flat(fields, f"{prefix}{key} {number}.", depth + 1)
        else:
            yield prefix + key, _spoken(entry)


def _spoken(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_spoken, value)))
    return _LINE_SIGNS.sub(" ", str(value))


def parse_sqlite(data: bytes) -> ParsedDocument:
    """A SQLite database: each table and view is a heading, each of its rows a passage. Works on a copy, so nothing is
    locked. What a view repeats of the tables is left out; a view that takes too long is reported.
    """
    if not data.startswith(_SQLITE_MAGIC):
        raise LoadError("it is not a SQLite database")
    outline = Outline()
    texts: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="journeyman-") as folder:
        copy = Path(folder, "copy.db")
        copy.write_bytes(data)
        try:
            with closing(sqlite3.connect(copy)) as database:
                database.text_factory = _text
                for table, is_view in database.execute(_TABLES).fetchall():
                    if is_view:
                        _add_view(outline, database, table, texts)
                    else:
                        _add_table(outline, database, table, texts)
        except sqlite3.DatabaseError as error:
            raise LoadError(f"this SQLite database is broken ({error})") from error
    return outline.document()


def _add_view(outline: Outline, database: sqlite3.Connection, view: str, texts: set[str]) -> None:
    steps = iter(range(MAX_VIEW_STEPS))
    database.set_progress_handler(lambda: next(steps, None) is None, STEP)
    try:
        _add_table(outline, database, view, texts, most=MAX_VIEW_ROWS)
    except sqlite3.DatabaseError as error:
        reason = "it takes too long" if "interrupted" in str(error) else str(error)
        outline.note(f"the view {view} is not read to its end: {reason}")
    finally:
        database.set_progress_handler(None, 0)


def _add_table(
    outline: Outline, database: sqlite3.Connection, table: str, texts: set[str], most: int | None = None
) -> None:
    """Adds the rows that no table before held; `most` of them, with a note if there are more."""
    quoted = table.replace('"', '""')
    rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name that the database itself lists
    columns = [name for name, *_ in rows.description]
    outline.heading(2, table, is_label=True)
    for number, row in enumerate(rows):
        if number == most:
            outline.note(f"of the view {table} the first {most} rows are read")
            break
        text = row_text(columns, [_cell(value) for value in row])
        if most is None or text not in texts:
            outline.add("row", text)
        texts.add(text)


def _text(raw: bytes) -> str:
    """A text of a database, which is UTF-8 unless somebody wrote it in another encoding all the same."""
    try:
        return decode(raw).text
    except LoadError:
        return raw.decode("utf-8", errors="replace")


def _cell(value: str | int | float | bytes | None) -> str:
    """A cell as people write it; pictures and other binary data have no words, a text that is kept as bytes has."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        text = "" if len(value) > MAX_TEXT_BYTES else _text(value)
        letters = sum(map(str.isalpha, text))
        return text if letters >= MIN_LETTERS and 2 * letters >= len(text) and text.isprintable() else ""
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return str(value)
