"""Queries of SQL databases: one document, a passage for each row, `column: value`.

The database's URL, with its password, is the secret that the address sql:SECRET/NAME names.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Item, Listing, Unreachable, too_large

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BATCH = 1000
_READ_ONLY = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
"""What keeps a query from writing, by dialect. Elsewhere only the rights of the database's user do, and that nothing is
committed.
"""
_DRIVERS = {"postgresql": "postgresql+psycopg"}


@contextmanager
def open_query(source: Address, access: Access) -> Iterator["Query"]:
    """The rows of a source's query."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    secret, _, name = source.uri.removeprefix("sql:").partition("/")
    url = access.secret(secret)
    if url is None:
        raise Unreachable(
            f"the URL of its database is not set: give JOURNEYMAN_SOURCE_SECRETS__{secret.upper()} a value"
        )
    try:
        engine = create_engine(_url(url), poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The messages of others may hold the URL, and with it the password.
        raise Unreachable(f"{secret.upper()} is not a database URL that can be used ({type(error).__name__})") from None
    try:
        yield Query(engine, source.query or "", name or secret)
    finally:
        engine.dispose()


def _url(text: str) -> "URL":
    """The URL, for the driver that we bring where it names none."""
    from sqlalchemy import make_url

    url = make_url(text)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


@dataclass(frozen=True, slots=True)
class Query:
    """A source of one document: the rows."""

    engine: "Engine"
    query: str
    name: str

    def listing(self, known: Collection[str]) -> Listing:
        """The document itself."""
        return Listing({self.name: Item(self.name)})

    def fetch(self, item: Item, since: str | None, max_bytes: int) -> Fetched | None:
        """The rows as JSON Lines. Whether they are the same, only reading them shows."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            with self.engine.connect() as connection:
                data = b"".join(_lines(connection, self.query, max_bytes))
        except DBAPIError as error:
            lines = str(error.orig).strip().splitlines() or [type(error).__name__]
            if error.connection_invalidated or not _was_connected(error):
                raise Unreachable(f"the database does not answer ({lines[0]})") from None
            raise LoadError(f"the query fails ({lines[0]})") from None
        except SQLAlchemyError as error:
            raise LoadError(f"the query fails ({type(error).__name__})") from None
        if not data:
            raise LoadError("the query gives no rows")
        return Fetched(data, datetime.now(UTC), None, ".jsonl")


def _was_connected(error: Any) -> bool:
    """Whether the query itself failed; without a statement it was the connection."""
    return error.statement is not None


def _lines(connection: "Connection", query: str, max_bytes: int) -> Iterator[bytes]:
    """The rows, a JSON object each, read in a transaction that writes nothing and is rolled back."""
    from sqlalchemy import text

    if statement := _READ_ONLY.get(connection.dialect.name):
        connection.execute(text(statement))
    size = 0
    # Streamed: a table that is too large must not be in memory before that is known.
    rows = connection.execution_options(stream_results=True, yield_per=BATCH).execute(
        text(query.replace(":", r"\:"))  # a colon in a query is a colon, no parameter
    )
    for row in rows.mappings():
        line = json.dumps({name: _cell(value) for name, value in row.items()}, ensure_ascii=False).encode() + b"\n"
        size += len(line)
        if size > max_bytes:
            raise too_large(max_bytes)
        yield line


def _cell(value: Any) -> Any:
    """A cell as JSON has it; binary data has no words."""
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
