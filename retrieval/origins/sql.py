"""Queries of SQL databases: one document, a passage for each row, `column: value`.

The database's URL, with its password, is the secret that the address sql:SECRET/NAME names.
"""

import json
import math
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Listing, SourceItem, Unreachable, too_large

BATCH = 1000
CONNECT_SECONDS = 20
"""Seconds that a database may take to answer at all."""
QUERY_SECONDS = 300.0
"""Seconds that a query with all of its rows may take."""
STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""
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
_LIMIT = {
    "postgresql": "SET LOCAL statement_timeout = {milliseconds}",
    "mysql": "SET SESSION MAX_EXECUTION_TIME = {milliseconds}",
    "mariadb": "SET SESSION max_statement_time = {seconds}",
}
"""What has a server stop a query, by dialect. SQLite has a hook for it; elsewhere it is stopped between two rows."""
_PATIENCE = {
    "psycopg": {"connect_timeout": CONNECT_SECONDS},
    "psycopg2": {"connect_timeout": CONNECT_SECONDS},
    "pymysql": {"connect_timeout": CONNECT_SECONDS, "read_timeout": int(QUERY_SECONDS)},
    "mysqldb": {"connect_timeout": CONNECT_SECONDS},
    "mysqlconnector": {"connection_timeout": CONNECT_SECONDS},
    "mariadbconnector": {"connect_timeout": CONNECT_SECONDS},
    "pyodbc": {"timeout": CONNECT_SECONDS},
    "pymssql": {"login_timeout": CONNECT_SECONDS, "timeout": int(QUERY_SECONDS)},
    "oracledb": {"tcp_connect_timeout": CONNECT_SECONDS},
    "pysqlite": {"timeout": CONNECT_SECONDS},
}
"""How drivers are told not to wait for ever for a server that is silent."""
_DRIVERS = {"postgresql": "postgresql+psycopg"}


@contextmanager
def open_query(source: Address, access: Access) -> Iterator["Query"]:
    """The rows of a source's query."""
    secret, _, name = source.uri.removeprefix("sql:").partition("/")
    url = access.secret(secret)
    if url is None:
        raise Unreachable(
            f"the URL of its database is not set: give JOURNEYMAN_SOURCE_SECRETS__{secret.upper()} a value"
        )
    try:
        address = _url(url)
        engine = create_engine(address, poolclass=NullPool, connect_args=_arguments(address))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The messages of others may hold the URL, and with it the password.
        raise Unreachable(f"{secret.upper()} is not a database URL that can be used ({type(error).__name__})") from None
    try:
        yield Query(engine, source.query or "", name or secret)
    finally:
        engine.dispose()


def _url(address: str) -> URL:
    """The URL, for the driver that we bring where it names none."""
    url = make_url(address)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _arguments(url: URL) -> dict[str, Any]:
    """The driver's limits of time, but for those that the URL sets itself."""
    try:
        driver = url.get_driver_name()
    except NoSuchModuleError:
        return {}
    return {name: value for name, value in _PATIENCE.get(driver, {}).items() if name not in url.query}


@dataclass(frozen=True, slots=True)
class Query:
    """A source of one document: the rows."""

    engine: Engine
    query: str
    name: str

    def listing(self, index_names: Collection[str]) -> Listing:
        """The document itself."""
        return Listing({self.name: SourceItem(self.name)})

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The rows as JSON Lines. Whether they are the same, only reading them shows."""
        deadline = math.inf
        try:
            with self.engine.connect() as connection:
                deadline = time.monotonic() + QUERY_SECONDS
                data = b"".join(_lines(connection, self.query, max_bytes, deadline))
        except DBAPIError as error:
            if time.monotonic() >= deadline:
                raise _too_slow() from None
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


def _too_slow() -> LoadError:
    return LoadError(f"the query takes longer than {QUERY_SECONDS:g} s")


def _prepare(connection: Connection, deadline: float) -> None:
    """Has the server refuse to write, and stop what takes too long."""
    name = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
    if statement := _READ_ONLY.get(name):
        connection.execute(text(statement))
    if statement := _LIMIT.get(name):
        milliseconds = max(1, round(QUERY_SECONDS * 1000))
        connection.execute(text(statement.format(seconds=QUERY_SECONDS, milliseconds=milliseconds)))
    if name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: time.monotonic() >= deadline, STEPS)


def _lines(connection: Connection, query: str, max_bytes: int, deadline: float) -> Iterator[bytes]:
    """The rows, a JSON object each, read in a transaction that writes nothing and is rolled back."""
    _prepare(connection, deadline)
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
        if time.monotonic() >= deadline:
            raise _too_slow()
        yield line


def _cell(value: Any) -> Any:
    """A cell as JSON has it; binary data has no words."""
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
