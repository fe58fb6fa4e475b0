"""Backups: what people wrote comes back from one, wholly or not at all."""

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from journeyman.backup import BackupFailed, find_program, make_backup, read_backup, restore_backup
from journeyman.errors import PartMissing, WrongInput
from journeyman.servers.stack import Stack
from tests.conftest import clone
from tests.journeyman.conftest import Run, one_sentence


def ask(conn: Connection[Any], text: str) -> None:
    """An answer's row, as a bot begins it."""
    conn.execute("INSERT INTO answer (asked_by, state, question) VALUES (%s, %s, %s)", ("U1", "pending", text))


def questions(database_url: str) -> list[str]:
    """What was asked, in order."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        return [text for (text,) in conn.execute("SELECT question FROM answer ORDER BY asked_at, question").fetchall()]


@pytest.fixture
def asked(database: str) -> str:
    """A database with two questions in it."""
    with psycopg.connect(database, autocommit=True) as conn:
        ask(conn, "What is the first?")
        ask(conn, "And the second?")
    return database


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one adapter, and one that is being written."""
    for name in ("adapters/a1", "adapters/.a2.partial"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "adapter_config.json").write_text("{}")
    return tmp_path / "home"


def test_backup_is_restored_elsewhere(asked: str, home: Path, tmp_path: Path, stack: Stack, template: str) -> None:
    """Rows and adapters stand in another database and home as they stood in the first."""
    folder = make_backup(asked, home, tmp_path / "backups")
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    elsewhere, new_home = clone(stack, template), tmp_path / "new"
    with psycopg.connect(elsewhere, autocommit=True) as conn:
        ask(conn, "What was asked here before?")
    restore_backup(folder, read_backup(folder), elsewhere, new_home)
    assert questions(elsewhere) == questions(asked)
    assert [path.name for path in (new_home / "adapters").iterdir()] == ["a1"]


def test_an_adapter_is_that_of_the_backup(asked: str, home: Path, tmp_path: Path) -> None:
    """One of the same name with other bytes would answer under the lineage of the one that was kept."""
    folder = make_backup(asked, home, tmp_path / "backups")
    (home / "adapters" / "a1" / "adapter_config.json").write_text('{"r": 64}')
    (home / "adapters" / "a1" / "more.txt").write_text("and more")
    (home / "adapters" / "a3").mkdir()
    restore_backup(folder, read_backup(folder), asked, home)
    found = {path.name: path.read_text() for path in (home / "adapters" / "a1").iterdir()}
    assert found == {"adapter_config.json": "{}"}
    assert sorted(path.name for path in (home / "adapters").iterdir()) == [".a2.partial", "a1", "a3"]


def test_restored_database_can_be_backed_up_again(asked: str, home: Path, tmp_path: Path) -> None:
    """A second round finds nothing that the first has changed: the extension, the sequences, the indexes."""
    first = make_backup(asked, home, tmp_path / "backups")
    restore_backup(first, read_backup(first), asked, home)
    second = make_backup(asked, home, tmp_path / "backups")
    assert read_backup(second).rows == read_backup(first).rows
    restore_backup(second, read_backup(second), asked, home)
    with psycopg.connect(asked, autocommit=True) as conn:
        conn.execute("INSERT INTO collection (name) VALUES ('new')")
        assert conn.execute("SELECT '[1,2]'::vector <-> '[1,2]'").fetchone() == (0.0,)


def test_backup_beside_writers_is_of_one_moment(asked: str, home: Path, tmp_path: Path) -> None:
    """Its counts are those of its dump, whatever comes in meanwhile."""

    def disturb(step: str) -> None:
        if step == "Copying the adapters":
            with psycopg.connect(asked, autocommit=True) as conn:
                ask(conn, "What came meanwhile?")

    folder = make_backup(asked, home, tmp_path / "backups", disturb)
    backup = read_backup(folder)
    assert backup.rows["answer"] == 2
    restore_backup(folder, backup, asked, home)
    assert len(questions(asked)) == 2


def test_failed_backup_leaves_no_folder(asked: str, tmp_path: Path) -> None:
    """What is not complete does not look like a backup."""

    def fail(step: str) -> None:
        if step == "Computing checksums":
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        make_backup(asked, tmp_path / "none", tmp_path / "backups", fail)
    assert list((tmp_path / "backups").iterdir()) == []


def test_damaged_backup_is_refused(asked: str, home: Path, tmp_path: Path) -> None:
    """A byte that changed is found before anything is touched."""
    folder = make_backup(asked, home, tmp_path / "backups")
    dump = folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"!")
    with pytest.raises(WrongInput, match="damaged"):
        read_backup(folder)
    with pytest.raises(WrongInput, match="no backup"):
        read_backup(tmp_path)


def test_backup_of_a_newer_version_is_refused(asked: str, home: Path, tmp_path: Path) -> None:
    """Its tables would not be known here."""
    folder = make_backup(asked, home, tmp_path / "backups")
    manifest = json.loads((folder / "backup.json").read_text())
    (folder / "backup.json").write_text(json.dumps(manifest | {"migrations": ["9999_future"]}))
    with pytest.raises(WrongInput, match="newer version"):
        read_backup(folder)


def test_backup_of_before_is_refused(asked: str, home: Path, tmp_path: Path) -> None:
    """Version 0.1 alone can restore what it backed up: it is told before anything is touched."""
    folder = make_backup(asked, home, tmp_path / "backups")
    manifest = json.loads((folder / "backup.json").read_text())
    of_before = {"version": "0.1.0", "migrations": ["0001_documents", "0003_channels"]}
    (folder / "backup.json").write_text(json.dumps(manifest | of_before))
    with pytest.raises(WrongInput, match=r"made by Journeyman 0\.1\.0.*restore it with that version"):
        read_backup(folder)


def test_restore_that_breaks_changes_nothing(asked: str, home: Path, tmp_path: Path) -> None:
    """A dump that ends in the middle: all of the database is as it was."""
    folder = make_backup(asked, home, tmp_path / "backups")
    backup = read_backup(folder)
    dump = folder / "database.dump"
    os.truncate(dump, dump.stat().st_size * 3 // 4)
    with psycopg.connect(asked, autocommit=True) as conn:
        ask(conn, "Will I still be here?")
    with pytest.raises(BackupFailed, match="as it was"):
        restore_backup(folder, backup, asked, home)
    assert "Will I still be here?" in questions(asked)


def test_restore_waits_for_nobody(asked: str, home: Path, tmp_path: Path) -> None:
    """While a bot uses the database it is not replaced under it."""
    folder = make_backup(asked, home, tmp_path / "backups")
    with psycopg.connect(asked, autocommit=True), pytest.raises(WrongInput, match="1 other connections"):
        restore_backup(folder, read_backup(folder), asked, home)


def test_password_is_not_in_the_process_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It goes through the environment."""
    from journeyman import backup

    with backup._connection_of("postgresql://me:s3cret@db.example/j") as (conninfo, environment):
        assert "s3cret" not in conninfo
        assert environment["PGPASSWORD"] == "s3cret"


def test_missing_program_says_what_to_install() -> None:
    """A client that is older than the server cannot dump it."""
    with pytest.raises(PartMissing, match="postgresql-client-99"):
        find_program("pg_dump", 99)


@pytest.mark.slow
def test_commands(journeyman: Run, asked: str, tmp_path: Path) -> None:
    """Backup, a change, restore, and the restore undone."""
    folder = journeyman("backup", tmp_path / "backups").stdout.strip()
    with psycopg.connect(asked, autocommit=True) as conn:
        ask(conn, "What came later?")
    restored = journeyman("restore", folder, "--yes")
    assert restored.returncode == 0, restored.stderr
    assert len(questions(asked)) == 2
    undo = restored.stderr.strip().split()[-1]
    assert journeyman("restore", undo, "--yes").returncode == 0
    assert "What came later?" in questions(asked)
    assert "no backup" in one_sentence(journeyman("restore", tmp_path, "--yes"))
