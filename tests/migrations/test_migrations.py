"""The migration runner, on real databases."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

import migrations
from migrations import MigrationError, migrate, pending, read_migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the real migrations that a test may change."""
    for file in migrations.FOLDER.glob("*.sql"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_a_migrated_database_has_nothing_pending(conn: psycopg.Connection) -> None:
    """After `migrate`, every file has its record."""
    assert pending(conn) == []


def test_only_what_is_missing_is_applied(database: str, folder: Path) -> None:
    """A new file is applied once, and its record is there."""
    (folder / "9999_pump.sql").write_text("CREATE TABLE pump (id int); INSERT INTO pump VALUES (1);")
    with psycopg.connect(database, autocommit=True) as conn:
        assert pending(conn, folder) == ["9999_pump"]
        assert migrate(conn, folder) == ["9999_pump"]
        assert migrate(conn, folder) == []
        assert conn.execute("SELECT count(*) FROM pump").fetchone() == (1,)


def test_a_changed_file_is_refused(database: str, folder: Path) -> None:
    """An applied file is history: a change to it is refused by name."""
    first = sorted(folder.glob("*.sql"))[0]
    first.write_text(first.read_text() + "\n-- one more line\n")
    with psycopg.connect(database, autocommit=True) as conn, pytest.raises(MigrationError, match=first.stem):
        migrate(conn, folder)


def test_a_failing_file_leaves_nothing_behind(database: str, folder: Path) -> None:
    """A file and its record are one transaction: all of it or nothing."""
    (folder / "9999_pump.sql").write_text("CREATE TABLE pump (id int); SELECT 1 / 0;")
    with psycopg.connect(database, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(conn, folder)
        assert conn.execute("SELECT to_regclass('pump')").fetchone() == (None,)
        assert pending(conn, folder) == ["9999_pump"]


def test_a_database_of_a_newer_version_is_refused(database: str, folder: Path) -> None:
    """Old code does not touch a schema it does not know."""
    sorted(folder.glob("*.sql"))[-1].unlink()
    with (
        psycopg.connect(database, autocommit=True) as conn,
        pytest.raises(MigrationError, match="newer version"),
    ):
        migrate(conn, folder)


def test_runners_that_start_at_once_apply_each_file_once(database: str, folder: Path) -> None:
    """Any number of processes may migrate at the same time."""
    (folder / "9998_slow.sql").write_text("CREATE TABLE pump (id int); SELECT pg_sleep(0.2);")
    (folder / "9999_more.sql").write_text("CREATE TABLE valve (id int);")

    def run(_: int) -> list[str]:
        with psycopg.connect(database, autocommit=True) as conn:
            return migrate(conn, folder)

    with ThreadPoolExecutor(4) as threads:
        applied = [name for names in threads.map(run, range(4)) for name in names]
    assert sorted(applied) == ["9998_slow", "9999_more"]


@pytest.mark.parametrize("name", ["9999-pump.sql", "1_pump.sql", "0001_again.sql"])
def test_names_are_checked(folder: Path, name: str) -> None:
    """A file is named by four digits, once each, and what it does."""
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError):
        read_migrations(folder)


def test_files_are_numbered_without_gaps() -> None:
    """Who reads them in order misses nothing."""
    numbers = [int(migration.name[:4]) for migration in read_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_table_says_what_one_row_is(conn: psycopg.Connection) -> None:
    """`\\d+` in psql shows it to whoever has no source at hand."""
    silent = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND obj_description(oid, 'pg_class') IS NULL AND relname <> 'schema_migration'"
    ).fetchall()
    assert silent == []


def test_a_database_of_before_is_refused_with_what_to_do(conn: psycopg.Connection) -> None:
    """Version 0.1 had other files, the first of the same name: it is neither changed nor newer."""
    conn.execute("UPDATE schema_migration SET checksum = 'other'")
    conn.execute("INSERT INTO schema_migration (name, checksum) VALUES ('0003_channels', ''), ('0031_marks', '')")
    with pytest.raises(MigrationError, match=r"made by Journeyman 0\.1.*export.*new home.*docs/admin\.md"):
        pending(conn)
