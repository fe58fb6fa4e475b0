"""The schema's history: the numbered SQL files beside this one, and the runner that applies what is new.

Every command that needs the database calls `migrate` first; if nothing is missing that is three queries.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection

from jobs import locks

FOLDER = Path(__file__).parent
# Version 0.1 had other files. Every database that it made has this one, whose name is not given again.
OF_BEFORE = "0003_channels"

CREATE_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The database and the migration files do not fit each other."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. `checksum` is the sha256 of its bytes, in hexadecimal."""

    name: str
    sql: bytes
    checksum: str


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files `NNNN_name.sql` in order.

    Raises MigrationError when a name has another form or two files have one number.
    """
    migrations: dict[str, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", file.name)
        if match is None:
            raise MigrationError(f"{file.name} is not named like 0001_what_it_does.sql.")
        if match[1] in migrations:
            raise MigrationError(f"{file.name} and {migrations[match[1]].name}.sql have the same number.")
        sql = file.read_bytes()
        migrations[match[1]] = Migration(file.stem, sql, hashlib.sha256(sql).hexdigest())
    return list(migrations.values())


def migrate(conn: Connection[Any], folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, each file and its record in one transaction; returns the names of those.

    `conn` must not be in a transaction. An advisory lock lets any number of runners start at once. Raises
    MigrationError when an applied file has changed since, or is not among the files, or when version 0.1 was here.
    """
    migrations = read_migrations(folder)
    with conn.transaction():
        lock(conn)
        conn.execute(CREATE_RECORD)
        missing = compare(applied(conn), migrations)
    return [migration.name for migration in missing if apply(conn, migration)]


def pending(conn: Connection[Any], folder: Path = FOLDER) -> list[str]:
    """The names of the migrations that `migrate` would apply. Writes nothing; raises as `migrate` does."""
    exists = conn.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    records = applied(conn) if exists and exists[0] else {}
    return [migration.name for migration in compare(records, read_migrations(folder))]


def applied(conn: Connection[Any]) -> dict[str, str]:
    """Name to checksum of every applied migration."""
    return dict(conn.execute("SELECT name, checksum FROM schema_migration").fetchall())


def compare(records: dict[str, str], migrations: Sequence[Migration]) -> list[Migration]:
    """The migrations without a record. Raises MigrationError when a record and its file disagree."""
    if is_of_before(records):
        raise MigrationError(
            "This database was made by Journeyman 0.1 and cannot be brought up to date: export with that version what "
            "you want to keep, then name a new home or an empty database and index the documents again. "
            "docs/admin.md tells how, under Upgrade."
        )
    for migration in migrations:
        if records.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"The migration {migration.name} was changed after this database had applied it: "
                "restore the file, and put the change into a new migration."
            )
    unknown = sorted(records.keys() - {migration.name for migration in migrations})
    if unknown:
        raise MigrationError(
            f"The database has the migration {unknown[-1]}, which this version of Journeyman does not know: "
            "it was used by a newer version; install that one."
        )
    return [migration for migration in migrations if migration.name not in records]


def is_of_before(names: Iterable[str]) -> bool:
    """Whether these are the migrations of version 0.1, which nothing brings up to date."""
    return OF_BEFORE in names


def apply(conn: Connection[Any], migration: Migration) -> bool:
    """Apply one file and record it, in one transaction; False when another runner has done so meanwhile."""
    with conn.transaction():
        lock(conn)
        if migration.name in applied(conn):
            return False
        conn.execute(migration.sql)
        conn.execute(
            "INSERT INTO schema_migration (name, checksum) VALUES (%(name)s, %(checksum)s)",
            {"name": migration.name, "checksum": migration.checksum},
        )
    return True


def lock(conn: Connection[Any]) -> None:
    """Wait until no other runner is in a transaction; held until this one ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": locks.SCHEMA})
