"""Sources: the folders, sites, repositories and databases that people asked us to index, and that are looked through
again on schedule. What is in one, retrieval/origins/ says.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psycopg import Connection
from psycopg.rows import class_row

from retrieval.collections import add_collection
from retrieval.origins import kind_of

_COLUMNS = """id, collection, uri, created_at, scanned_at, include, exclude, every_minutes, query, secret, tried_at,
    error"""
_ADD_SOURCE = f"""
INSERT INTO source (collection, uri) VALUES (%(collection)s, %(uri)s)
ON CONFLICT (collection, uri) DO UPDATE SET uri = excluded.uri
RETURNING {_COLUMNS}
"""  # noqa: S608
_SET_SOURCE = f"""
INSERT INTO source (collection, uri, include, exclude, every_minutes, query, secret)
VALUES (%(collection)s, %(uri)s, %(include)s, %(exclude)s, %(every_minutes)s, %(query)s, %(secret)s)
ON CONFLICT (collection, uri) DO UPDATE SET include = excluded.include, exclude = excluded.exclude,
    every_minutes = excluded.every_minutes, query = excluded.query, secret = excluded.secret
RETURNING {_COLUMNS}
"""  # noqa: S608
_LIST_SOURCES = f"SELECT {_COLUMNS} FROM source WHERE uri <> %(verified)s ORDER BY collection, uri"  # noqa: S608
# A tenth of its time early, so that a source of an hour is not skipped by the tick that comes a second too soon.
_DUE_SOURCES = f"""
SELECT {_COLUMNS} FROM source
WHERE uri <> %(verified)s AND (every_minutes IS NULL OR every_minutes > 0 AND
    coalesce(tried_at + make_interval(secs => every_minutes * 54.0) <= now(), true))
ORDER BY collection, uri
"""  # noqa: S608
_NOTE_TRY = """
UPDATE source SET tried_at = now(), error = %(error)s,
    scanned_at = CASE WHEN %(error)s::text IS NULL THEN now() ELSE scanned_at END
WHERE id = %(source)s
"""
_EXTENT = """
SELECT count(DISTINCT d.id), count(c.id) FROM document d LEFT JOIN chunk c ON c.document_id = d.id
WHERE d.source_id = %(source)s
"""
_REMOVE_SOURCE = "DELETE FROM source WHERE collection = %(collection)s AND uri = %(uri)s"

VERIFIED = "journeyman:verified"
"""The address of the source that holds a collection's verified answers: no path, and never scanned."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?!\\)", re.IGNORECASE)
_SCP = re.compile(r"[\w.-]+@[\w.-]+:(?!/)")
SCHEMES = (
    *("http", "https", "git+https", "git+http", "git+ssh", "git+file", "sql", "s3", "s3+https", "s3+http"),
    *("confluence+https", "confluence+http", "slack-export", "slack-pins"),
)


class MissingPath(Exception):
    """A path that was to be indexed does not exist."""


class WrongAddress(ValueError):
    """An address that no source can have; the message says why."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What may be set for a source. `include` and `exclude` are patterns of documents' names (origins/patterns.py).
    `every_minutes`: None for each scan, 0 for only when somebody asks. `secret` is a secret's name.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    every_minutes: int | None = None
    query: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A registered source. `uri` is an absolute path or an address with a scheme; `scanned_at` is None until it was
    first indexed; `tried_at` is when that was last tried, and `error` why it failed then.
    """

    id: int
    collection: str
    uri: str
    created_at: datetime | None = None
    scanned_at: datetime | None = None
    include: Sequence[str] = field(default_factory=list)
    exclude: Sequence[str] = field(default_factory=list)
    every_minutes: int | None = None
    query: str | None = None
    secret: str | None = None
    tried_at: datetime | None = None
    error: str | None = None

    @property
    def kind(self) -> str:
        """What kind of source it is, in words."""
        return kind_of(self.uri)


def normal_uri(address: str | Path) -> str:
    """The address that a source is kept by: an absolute path, or an address with a scheme and without a password.

    Raises MissingPath or WrongAddress, with a sentence for people.
    """
    text = str(address)
    if _SCP.match(text):  # git@host:owner/name.git, as servers of repositories show it
        login, _, path = text.partition(":")
        text = f"git+ssh://{login}/{path}"
    if isinstance(address, Path) or not _SCHEME.match(text) or os.path.exists(text):
        path = os.path.abspath(Path(text).expanduser())
        if not os.path.exists(path):
            raise MissingPath(f"There is no file or folder at {path}. Check the path and try again.")
        return path
    return _normal_address(text)


def _normal_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        password, host = parts.password, parts.hostname
    except ValueError as error:
        raise WrongAddress(f"{text} is not an address ({error}).") from error
    scheme = parts.scheme.lower()
    if scheme in ("ssh", "git"):
        return _normal_address("git+" + text)
    if scheme in ("http", "https") and parts.path.endswith(".git"):
        return _normal_address("git+" + text)
    if scheme not in SCHEMES:
        raise WrongAddress(f"Sources of the form {scheme}: are not known; there are {', '.join(SCHEMES)} and paths.")
    if password is not None or (parts.username is not None and scheme != "git+ssh"):
        raise WrongAddress(
            "The address holds a user name or a password, which would be kept in the database and shown: leave it "
            "out, and name a secret in the settings with --secret."
        )
    if scheme == "sql":
        if not re.fullmatch(r"\w+(/[\w .-]+)?", parts.path):
            raise WrongAddress("A SQL source is sql:SECRET/NAME: the secret that holds its URL, and a name.")
        return f"sql:{parts.path}"
    if scheme == "slack-export":
        return f"slack-export:{normal_uri(Path(text.partition(':')[2]))}"
    if scheme == "slack-pins":
        if not re.fullmatch(r"[CG][A-Z0-9]+", parts.path.upper()):
            raise WrongAddress("Pinned messages are slack-pins:CHANNEL with the channel's id, such as C0123ABCD.")
        return f"slack-pins:{parts.path.upper()}"
    if not host and scheme != "git+file":
        raise WrongAddress(f"{text} names no host.")
    fragment = parts.fragment if scheme.startswith("git+") else ""
    tail = f"?{parts.query}" * bool(parts.query) + f"#{fragment}" * bool(fragment)
    return f"{scheme}://{parts.netloc.lower()}{parts.path or '/'}{tail}"


def register_sources(
    conn: Connection[Any],
    paths: Iterable[str | Path],
    collection: str = "default",
    audience: Iterable[str] | None = None,
) -> list[SourceRow]:
    """Registers paths and addresses in a collection, all or none; what is registered already stays as it is. A new
    collection is for `audience` from the beginning.

    Raises MissingPath, WrongAddress or OtherAudience, with a sentence for people, if one of them cannot be.
    """
    uris = list(dict.fromkeys(map(normal_uri, paths)))
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        add_collection(conn, collection, audience)
        rows = []
        for uri in uris:
            cursor.execute(_ADD_SOURCE, {"collection": collection, "uri": uri})
            rows += cursor.fetchall()
    return rows


def add_source(
    conn: Connection[Any],
    address: str | Path,
    collection: str = "default",
    settings: SourceSettings = SourceSettings(),
    audience: Iterable[str] | None = None,
) -> SourceRow:
    """Registers one source with its settings, which take the place of those it had; `audience` as above.

    Raises MissingPath, WrongAddress or OtherAudience, with a sentence for people.
    """
    values = {"collection": collection, "uri": checked(normal_uri(address), settings), **_values(settings)}
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        add_collection(conn, collection, audience)
        (row,) = cursor.execute(_SET_SOURCE, values).fetchall()
    return row


def unregistered(address: str | Path, collection: str, settings: SourceSettings) -> SourceRow:
    """A source that is in no table, to look into. Its id is 0."""
    return SourceRow(0, collection, checked(normal_uri(address), settings), **_values(settings))


def checked(uri: str, settings: SourceSettings) -> str:
    """The address, if the settings fit it. Raises WrongAddress."""
    is_sql = kind_of(uri) == "SQL query"
    if is_sql and not (settings.query or "").strip():
        raise WrongAddress('A SQL source needs a query: --query "SELECT code, meaning FROM alarm".')
    if settings.query and not is_sql:
        raise WrongAddress("Only a SQL source has a query.")
    return uri


def _values(settings: SourceSettings) -> dict[str, Any]:
    return {
        "include": list(settings.include),
        "exclude": list(settings.exclude),
        "every_minutes": settings.every_minutes,
        "query": settings.query,
        "secret": settings.secret,
    }


def list_sources(conn: Connection[Any]) -> list[SourceRow]:
    """All registered sources of documents, by collection and address."""
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        return cursor.execute(_LIST_SOURCES, {"verified": VERIFIED}).fetchall()


def due_sources(conn: Connection[Any]) -> list[SourceRow]:
    """The sources whose time has come to be looked through, by their own schedules."""
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        return cursor.execute(_DUE_SOURCES, {"verified": VERIFIED}).fetchall()


def note_try(conn: Connection[Any], source: int, error: str | None) -> None:
    """Keeps that a source was looked through now, or why it could not be."""
    with conn.transaction():
        conn.execute(_NOTE_TRY, {"source": source, "error": error})


def source_extent(conn: Connection[Any], source: int) -> tuple[int, int]:
    """How many documents and chunks of a source are in the index."""
    with conn.transaction():
        documents, chunks = conn.execute(_EXTENT, {"source": source}).fetchone() or (0, 0)
    return documents, chunks


def verified_source(conn: Connection[Any], collection: str) -> int:
    """The id of the source that holds the collection's verified answers; made if there is none yet."""
    values = {"collection": collection, "uri": VERIFIED}
    with conn.transaction(), conn.cursor(row_factory=class_row(SourceRow)) as cursor:
        add_collection(conn, collection)
        (row,) = cursor.execute(_ADD_SOURCE, values).fetchall()
    return row.id


def remove_source(conn: Connection[Any], uri: str | Path, collection: str = "default") -> bool:
    """Forgets a source with all of its documents and chunks; whether there was one."""
    key = {"collection": collection, "uri": str(uri)}
    with conn.transaction():
        return conn.execute(_REMOVE_SOURCE, key).rowcount > 0
