"""A source to the files in it that can be indexed, without hidden ones, version control and loops of links."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from retrieval.loading import LoadError, is_supported

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "CVS", "__MACOSX"})
SKIPPED_FILES = frozenset({"Thumbs.db"})


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk through a source found: files by name (path relative to the source) and folders it could
    not read.
    """

    files: dict[str, Path]
    unreadable: tuple[str, ...] = ()

    def may_hold(self, name: str) -> bool:
        """Whether a document of this name could lie in a folder that could not be read."""
        return any(name.startswith(folder + "/") for folder in self.unreadable)


def scan(root: Path) -> Scan:
    """The files of a folder, in order of their names; a source that is a single file holds just this one.

    Raises FileNotFoundError if the root itself is not there, PermissionError if it cannot be read.
    """
    if root.is_file():
        return Scan({root.name: root})
    with os.scandir(root):
        pass
    files: dict[str, Path] = {}
    unreadable: list[str] = []
    seen: set[str] = set()

    def note(error: OSError) -> None:
        unreadable.append(_printable(Path(error.filename).relative_to(root).as_posix()))

    for folder, folders, names in os.walk(root, followlinks=True, onerror=note):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_skipped(name, SKIPPED_FOLDERS))
        for name in sorted(names):
            path = Path(folder, name)
            if is_supported(name) and not _is_skipped(name, SKIPPED_FILES) and path.is_file():
                files[_printable(path.relative_to(root).as_posix())] = path
    return Scan(dict(sorted(files.items())), tuple(unreadable))


def _printable(name: str) -> str:
    """A name that is not valid UTF-8, with marks where it is not: a database takes no other."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def _is_skipped(name: str, skipped: frozenset[str]) -> bool:
    return name.startswith((".", "~$")) or name in skipped


def read_file(path: Path, max_bytes: int) -> tuple[bytes, datetime]:
    """A file's bytes and the time when it was changed. Raises LoadError if it is too large or cannot be read.

    A SQLite database with a write-ahead log is given as one image of both, as its readers see it.
    """
    log = path.with_name(path.name + "-wal")
    try:
        status = path.stat()
        size = status.st_size
        if size > max_bytes:
            raise LoadError(f"it is too large: {_amount(size)}, and {_amount(max_bytes)} are allowed")
        has_log = log.is_file() and log.stat().st_size > 0
        data = _image(path) if has_log else path.read_bytes()
    except OSError as error:
        raise LoadError(f"it cannot be read ({error.strerror})") from error
    return data, datetime.fromtimestamp(status.st_mtime, UTC)


def _image(path: Path) -> bytes:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            return database.serialize()
    except sqlite3.Error as error:
        raise LoadError(f"this SQLite database cannot be read ({error})") from error


def _amount(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
