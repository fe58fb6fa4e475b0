"""SQL queries: rows of a SQLite and of a PostgreSQL database as passages, read and never written."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import Connection

from retrieval.origins import Access
from retrieval.origins.sql import _arguments, _url
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.conftest import Index, counts, documents

QUERY = "SELECT code, meaning FROM alarm ORDER BY code"


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A SQLite database of alarms."""
    path = tmp_path / "plant.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE alarm (code text, meaning text, weight real, since text, photo blob)")
        rows = [("E1", "Too hot", 2.0, "12:30:00", b"\0"), ("E2", "Too cold", 2.5, None, None)]
        database.executemany("INSERT INTO alarm VALUES (?, ?, ?, ?, ?)", rows)
    return path


@pytest.fixture
def access(plant: Path) -> Access:
    return Access(secret={"plant": f"sqlite:///{plant}"}.get)


def change(plant: Path, statement: str) -> None:
    with closing(sqlite3.connect(plant)) as database, database:
        database.execute(statement)


def test_each_row_is_a_passage_and_a_changed_one_is_embedded_alone(
    conn: Connection, plant: Path, access: Access, index: Index, embedder: HashEmbedder
) -> None:
    """`column: value`, under the name that the address gives."""
    report = index("sql:plant/alarms", access, query=QUERY)
    assert (counts(report), report.chunks["embedded"]) == ({"new": 1}, 2)
    assert documents(conn) == {"alarms": "code: E1\nmeaning: Too hot\ncode: E2\nmeaning: Too cold"}
    assert counts(index("sql:plant/alarms", access, query=QUERY)) == {"unchanged": 1}
    assert embedder.texts == []
    change(plant, "UPDATE alarm SET meaning = 'Far too cold' WHERE code = 'E2'")
    report = index("sql:plant/alarms", access, query=QUERY)
    assert (counts(report), report.chunks["embedded"]) == ({"changed": 1}, 1)


def test_cells_are_as_people_write_them(conn: Connection, access: Access, index: Index) -> None:
    """No binary data, no `.0`; colons and percent signs of a query are what they are."""
    query = "SELECT *, '50 %' AS share FROM alarm WHERE since = '12:30:00' AND code LIKE 'E%'"
    assert counts(index("sql:plant/all", access, query=query)) == {"new": 1}
    assert documents(conn)["all"] == "code: E1\nmeaning: Too hot\nweight: 2\nsince: 12:30:00\nshare: 50 %"


@pytest.mark.parametrize("statement", ["DELETE FROM alarm", "DELETE FROM alarm RETURNING code", "DROP TABLE alarm"])
def test_a_query_cannot_write(plant: Path, access: Access, index: Index, statement: str) -> None:
    """Whatever it says: the transaction is read-only, and rolled back."""
    assert counts(index("sql:plant/alarms", access, query=statement)) == {"failed": 1}
    with closing(sqlite3.connect(plant)) as database:
        assert database.execute("SELECT count(*) FROM alarm").fetchone() == (2,)


def test_a_failed_query_keeps_the_rows(conn: Connection, plant: Path, access: Access, index: Index) -> None:
    """A table that is away is a failure to report."""
    index("sql:plant/alarms", access, query=QUERY)
    change(plant, "ALTER TABLE alarm RENAME TO old_alarm")
    report = index("sql:plant/alarms", access, query=QUERY)
    assert "the query fails (no such table: alarm); the version indexed before stays" in report.failures[0]["error"]
    assert documents(conn)


def test_too_many_rows_are_reported(access: Access, index: Index) -> None:
    """Before they are all in memory."""
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert "too large" in index("sql:plant/n", access, query=query, limit=50_000).failures[0]["error"]


@pytest.fixture
def outside(database: str) -> str:
    """The URL of a PostgreSQL database of somebody else, with a table of alarms."""
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("CREATE TABLE alarm (code text, meaning text, at timestamptz, price numeric)")
        other.execute("INSERT INTO alarm VALUES ('E1', 'Too hot', '2026-03-01 10:00+00', 12.50)")
    return database


def test_postgres_is_read_with_the_driver_that_is_here(conn: Connection, outside: str, index: Index) -> None:
    """postgresql:// means psycopg 3; times and amounts are text; casts are no parameters."""
    access = Access(secret={"erp": outside}.get)
    query = "SELECT code, meaning::text, price, at AT TIME ZONE 'UTC' AS at FROM alarm WHERE code LIKE 'E%'"
    assert counts(index("sql:erp/alarms", access, query=query)) == {"new": 1}
    assert documents(conn)["alarms"] == "code: E1\nmeaning: Too hot\nprice: 12.50\nat: 2026-03-01 10:00:00"


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
TRICKLE = "SELECT i, pg_sleep(0.02) FROM generate_series(1, 500) AS i"


@pytest.mark.parametrize(("secret", "query"), [("plant", ENDLESS), ("erp", "SELECT pg_sleep(20)"), ("erp", TRICKLE)])
def test_a_query_that_takes_too_long_is_stopped(
    plant: Path, outside: str, index: Index, monkeypatch: pytest.MonkeyPatch, secret: str, query: str
) -> None:
    """By the database, or between two rows: it must not hold up the other sources."""
    monkeypatch.setattr("retrieval.origins.sql.QUERY_SECONDS", 0.1)
    monkeypatch.setattr("retrieval.origins.sql.BATCH", 1)
    access = Access(secret={"erp": outside, "plant": f"sqlite:///{plant}"}.get)
    begun = time.monotonic()
    report = index(f"sql:{secret}/n", access, query=query)
    assert time.monotonic() - begun < 5
    assert "the query takes longer than 0.1 s" in report.failures[0]["error"]


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql://h/db", {"connect_timeout": 20}),
        ("postgresql://h/db?connect_timeout=3", {}),
        ("postgresql+psycopg2://h/db", {"connect_timeout": 20}),
        ("mysql+pymysql://h/db", {"connect_timeout": 20, "read_timeout": 300}),
        ("mssql+pyodbc://h/db", {"timeout": 20}),
        ("oracle+oracledb://h/db", {"tcp_connect_timeout": 20}),
        ("sqlite:///x", {"timeout": 20}),
        ("some+driver://h/db", {}),
    ],
)
def test_a_database_that_is_silent_is_left(url: str, arguments: dict[str, object]) -> None:
    """Each driver has its own name for it; what the URL says holds."""
    assert _arguments(_url(url)) == arguments


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM alarm RETURNING code", "SELECT 1; COMMIT; DELETE FROM alarm"],
)
def test_postgres_refuses_to_write(outside: str, index: Index, statement: str) -> None:
    """One statement, in a transaction that is read-only."""
    index("sql:erp/alarms", Access(secret={"erp": outside}.get), query=statement)
    with psycopg.connect(outside) as other:
        assert other.execute("SELECT count(*) FROM alarm").fetchone() == (1,)


def test_a_database_that_is_away_loses_nothing_and_its_password_is_not_told(
    conn: Connection, access: Access, index: Index
) -> None:
    """The source is unreachable; neither report nor table holds its URL."""
    index("sql:plant/alarms", access, query=QUERY)
    away = f"postgresql://ada:lovelace@{quote('127.0.0.1')}:1/erp"
    report = index("sql:plant/alarms", Access(secret={"plant": away}.get), query=QUERY)
    assert "documents stay in the index" in report.failures[0]["error"]
    assert documents(conn)
    for url in (away, "nonsense://ada:lovelace@host/x", "lovelace"):
        told = index("sql:plant/alarms", Access(secret={"plant": url}.get), query=QUERY).failures
        assert "lovelace" not in str(told) + str(conn.execute("SELECT * FROM source").fetchall())
