"""Everything that cannot be made again, in one folder: a dump of the database and the adapters.

PostgreSQL's own pg_dump, pg_restore and psql do the work. A backup is written aside and renamed, so a folder that has
its name is complete, and a restore is one transaction: the database holds what it held before, or all of the backup.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from finetune.files import file_sha256
from journeyman import __version__
from journeyman.errors import JourneymanError, PartMissing, WrongInput
from journeyman.servers.embedded_postgres import binaries
from migrations import applied, is_of_before, read_migrations

MANIFEST = "backup.json"
DUMP = "database.dump"
ADAPTERS = "adapters"
SAFETY = "before-restore"
PATIENCE = 3.0  # seconds

Tell = Callable[[str], None]

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# Gone and back in the transaction that fills it, extension and all.
_EMPTY = b"\\set ON_ERROR_STOP on\nBEGIN;\nDROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"
_COMMIT = b"\nCOMMIT;\n"


class BackupFailed(JourneymanError):
    """A backup could not be made or restored; the message names the program's reason."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds. `rows`: of each table. `files`: their sha256 by path in the folder."""

    made_at: str
    version: str
    migrations: tuple[str, ...]
    rows: Mapping[str, int]
    files: Mapping[str, str]


def make_backup(database_url: str, home: Path, into: Path, tell: Tell = lambda text: None) -> Path:
    """Write a backup into a new folder inside `into`; returns that folder. Safe beside running bots and workers.

    Raises BackupFailed, PartMissing or OSError.
    """
    into.mkdir(parents=True, exist_ok=True)
    folder = _free(into / f"journeyman-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(mode=0o700)  # a dump holds everything that people wrote
    try:
        tell("Dumping the database")
        rows, migrations = _dump(database_url, aside / DUMP)
        tell("Copying the adapters")
        # After the dump: an adapter's row is written when its files are complete.
        if (home / ADAPTERS).is_dir():
            shutil.copytree(home / ADAPTERS, aside / ADAPTERS, ignore=shutil.ignore_patterns(".*"))
        tell("Computing checksums")
        files = {str(path.relative_to(aside)): file_sha256(path) for path in sorted(aside.rglob("*")) if path.is_file()}
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        backup = Backup(made_at, __version__, migrations, rows, files)
        (aside / MANIFEST).write_text(json.dumps(asdict(backup), indent=2) + "\n")
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return folder


def read_backup(folder: Path) -> Backup:
    """The backup in a folder, once its files are what they were. Raises WrongInput."""
    try:
        values = json.loads((folder / MANIFEST).read_text())
        backup = Backup(**values | {"migrations": tuple(values["migrations"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WrongInput(f"{folder} is no backup: give the folder that `journeyman backup` printed.") from error
    if is_of_before(backup.migrations):
        raise WrongInput(
            f"{folder} was made by Journeyman {backup.version} and cannot be brought up to date: "
            "restore it with that version (docs/admin.md tells, under Upgrade, what can be taken along)."
        )
    names = {migration.name for migration in read_migrations()}
    newer = [name for name in backup.migrations if name not in names]
    if newer:
        raise WrongInput(f"{folder} was made by a newer version ({newer[-1]}): install Journeyman {backup.version}.")
    for name, checksum in backup.files.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != checksum:
            raise WrongInput(f"{name} in {folder} is missing or damaged: take another backup.")
    return backup


def others_connected(conn: Connection[Any], patience: float = PATIENCE) -> int:
    """How many other connections use the database; one that was just closed may take the server a moment."""
    deadline = time.monotonic() + patience
    while True:
        row = conn.execute(_OTHERS).fetchone()
        others = int(row[0]) if row else 0
        if not others or time.monotonic() > deadline:
            return others
        time.sleep(0.1)


def restore_backup(folder: Path, backup: Backup, database_url: str, home: Path, tell: Tell = lambda text: None) -> None:
    """Put a backup in the place of all that the database holds; adapters that are missing, or not the same, come back.

    Raises WrongInput while others use the database, BackupFailed or PartMissing; the database is then as it was.
    """
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as conn:
        others = others_connected(conn)
        if others:
            raise WrongInput(
                f"{others} other connections use the database: stop the bot, the workers and beat, then try again."
            )
        major = conn.info.server_version // 10000
    tell("Restoring the database")
    _load(database_url, folder / DUMP, major)
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as conn:
        rows = _rows(conn)
    if rows != dict(backup.rows):
        different = sorted(name for name in rows.keys() | backup.rows.keys() if rows.get(name) != backup.rows.get(name))
        raise BackupFailed(f"The database differs from the backup in {', '.join(different)}: restore it once more.")
    tell("Copying the adapters")
    for adapter in sorted((folder / ADAPTERS).glob("*")) if (folder / ADAPTERS).is_dir() else ():
        target = home / ADAPTERS / adapter.name
        if _bytes_of(target) != _bytes_of(adapter):
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.{os.getpid()}")
            (shutil.copytree if adapter.is_dir() else shutil.copy2)(adapter, aside)
            if target.is_dir():
                shutil.rmtree(target)
            aside.rename(target)


def _dump(database_url: str, file: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Dump to a file; returns the rows of each table and the migrations, as of the same moment."""
    with psycopg.connect(database_url, connect_timeout=10) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = (conn.execute("SELECT pg_export_snapshot()").fetchone() or ("",))[0]
        program = find_program("pg_dump", conn.info.server_version // 10000)
        command = [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        with _connection_of(database_url) as (conninfo, environment):
            _run([*command, f"--file={file}", f"--dbname={conninfo}"], environment)
        return _rows(conn), tuple(sorted(applied(conn)))


def _load(database_url: str, dump: Path, major: int) -> None:
    pg_restore, psql = find_program("pg_restore", major), find_program("psql", major)
    with _connection_of(database_url) as (conninfo, environment):
        loading = subprocess.Popen(
            [psql, "--no-psqlrc", "--quiet", "--output=/dev/null", f"--dbname={conninfo}"],
            env=environment,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if loading.stdin is None or loading.stderr is None:
            raise RuntimeError("pipes were asked for")
        broken = b""
        try:
            _write(loading.stdin, _EMPTY)
            command = [pg_restore, "--no-owner", "--no-privileges", "--file=-", str(dump)]
            reading = subprocess.run(command, env=environment, stdout=loading.stdin, stderr=subprocess.PIPE)
            broken = reading.stderr if reading.returncode else b""
            # Without this word, psql's end rolls everything back.
            if not reading.returncode:
                _write(loading.stdin, _COMMIT)
        finally:
            _close(loading.stdin)
            reason = loading.stderr.read()
            loading.wait()
    if loading.returncode or broken:
        raise BackupFailed(f"The backup was not restored, the database is as it was: {_line(reason or broken)}")


def find_program(name: str, major: int) -> str:
    """One of PostgreSQL's client programs, not older than the server: from the PATH, or the embedded server's.

    Raises PartMissing.
    """
    candidates = [shutil.which(name)]
    with suppress(PartMissing):
        candidates.append(str(binaries() / name))
    for candidate in filter(None, candidates):
        output = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
        version = re.search(r"\d+", output)
        if version and int(version[0]) >= major:
            return candidate
    raise PartMissing(
        f"There is no {name} of PostgreSQL {major} or newer: install postgresql-client-{major}, "
        "or pip install 'journeyman[embedded]', which brings version 18."
    )


@contextmanager
def _connection_of(database_url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Connection parameters for a command line, and the environment: passwords do not stand in the process list."""
    parameters = conninfo_to_dict(database_url)
    password = parameters.pop("password", None)
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    yield make_conninfo(**{key: str(value) for key, value in parameters.items()}), environment


def _rows(conn: Connection[Any]) -> dict[str, int]:
    counts = {}
    for (table,) in conn.execute(_TABLES).fetchall():
        row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", table))).fetchone()
        counts[str(table)] = int(row[0]) if row else 0
    return counts


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    process = subprocess.run(command, env=environment, capture_output=True)
    if process.returncode:
        raise BackupFailed(f"{Path(command[0]).name} failed: {_line(process.stderr)}")


def _line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")


def _write(pipe: IO[bytes], data: bytes) -> None:
    """Write to a program that may have ended: its own words say why."""
    try:
        pipe.write(data)
        pipe.flush()
    except BrokenPipeError:
        pass


def _close(pipe: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        pipe.close()


def _free(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3, … that is not there."""
    free, number = folder, 1
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _bytes_of(place: Path) -> dict[str, str]:
    """The checksum of each file of a folder, by its path in it, or of a file; empty if there is none."""
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(place).as_posix(): file_sha256(path) for path in files}
