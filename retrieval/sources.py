"""Sources: the folders and files that people asked us to index, and that are looked through again on
schedule.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

_COLUMNS = "id, collection, uri, created_at, scanned_at"
_ADD_COLLECTION = "INSERT INTO collection (name) VALUES (%(collection)s) ON CONFLICT DO NOTHING"
_ADD_SOURCE = f"""
INSERT INTO source (collection, uri) VALUES (%(collection)s, %(uri)s)
ON CONFLICT (collection, uri) DO UPDATE SET uri = excluded.uri
RETURNING {_COLUMNS}
"""  # noqa: S608
_LIST_SOURCES = f"SELECT {_COLUMNS} FROM source WHERE uri <> %(verified)s ORDER BY collection, uri"  # noqa: S608
_REMOVE_SOURCE = "DELETE FROM source WHERE collection = %(collection)s AND uri = %(uri)s"

VERIFIED = "journeyman:verified"
"""The address of the source that holds a collection's verified answers: no path, and never scanned."""


class MissingPath(Exception):
    """A path that was to be indexed does not exist."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A registered source. `uri` is an absolute path; `scanned_at` is None until it was first indexed."""

    id: int
    collection: str
    uri: str
    created_at: datetime
    scanned_at: datetime | None


def register_sources(
    conn: Connection[Any], paths: Iterable[str | Path], collection: str = "default"
) -> list[SourceRow]:
    """Registers folders and files in a collection, all or none; what is registered already stays as it is.

    Raises MissingPath, with a sentence for people, if one of them does not exist.
    """
    roots = [Path(os.path.abspath(Path(path).expanduser())) for path in paths]
    missing = [str(root) for root in roots if not root.exists()]
    if missing:
        raise MissingPath(f"There is no file or folder at {', '.join(missing)}. Check the path and try again.")
    uris = list(dict.fromkeys(map(str, roots)))
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        cursor.execute(_ADD_COLLECTION, {"collection": collection})
        rows = []
        for uri in uris:
            cursor.execute(_ADD_SOURCE, {"collection": collection, "uri": uri})
            rows += cursor.fetchall()
    return rows


def list_sources(conn: Connection[Any]) -> list[SourceRow]:
    """All registered sources of files, by collection and path."""
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        return cursor.execute(_LIST_SOURCES, {"verified": VERIFIED}).fetchall()


def verified_source(conn: Connection[Any], collection: str) -> int:
    """The id of the source that holds the collection's verified answers; made if there is none yet."""
    values = {"collection": collection, "uri": VERIFIED}
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        cursor.execute(_ADD_COLLECTION, values)
        (row,) = cursor.execute(_ADD_SOURCE, values).fetchall()
    return row.id


def remove_source(conn: Connection[Any], uri: str | Path, collection: str = "default") -> bool:
    """Forgets a source with all of its documents and chunks; whether there was one."""
    found = {"collection": collection, "uri": str(uri)}
    with conn.transaction():
        return conn.execute(_REMOVE_SOURCE, found).rowcount > 0
