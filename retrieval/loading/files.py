"""A source to the files in it that can be indexed, without hidden ones, version control, loops of links and what a
link reaches outside.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from retrieval.loading import LoadError, is_supported

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "CVS", "__MACOSX"})
SKIPPED_FILES = frozenset({"Thumbs.db", "desktop.ini"})
MOST_NAMED = 5
"""Files of a kind that is not supported that are named one by one."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk through a source found: files by name (path relative to the source), folders it could not read,
    links that lead out of the source, and files of kinds that are not supported.
    """

    files: dict[str, Path]
    unreadable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()

    def may_hold(self, name: str) -> bool:
        """Whether a document of this name could lie in a folder that could not be read."""
        return any(name.startswith(folder + "/") for folder in self.unreadable)


def scan(root: Path) -> Scan:
    """The files of a folder, in order of their names; a source that is a single file holds just this one. Links are
    followed within the folder alone.

    Raises FileNotFoundError if the root itself is not there, PermissionError if it cannot be read.
    """
    if root.is_file():
        return Scan({root.name: root})
    with os.scandir(root):
        pass
    return _Walk(root).scan()


class _Walk:
    """One walk through a folder, and what it has come across."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, Path] = {}
        self._unreadable: list[str] = []
        self._refused: list[str] = []
        self._unsupported: list[str] = []
        self._visited: set[str] = set()

    def scan(self) -> Scan:
        """The files below the root, each folder once, whatever links lead to it."""
        for folder, folders, names in os.walk(self._root, followlinks=True, onerror=self._note):
            path = os.path.realpath(folder)
            if path in self._visited:
                folders.clear()
                continue
            self._visited.add(path)
            below = sorted(name for name in folders if not _is_skipped(name, SKIPPED_FOLDERS))
            folders[:] = [name for name in below if self._stays(Path(folder, name))]
            for name in sorted(names):
                self._look_at(Path(folder, name))
        files = dict(sorted(self._files.items()))
        return Scan(files, tuple(self._unreadable), tuple(self._refused), tuple(self._unsupported))

    def _look_at(self, path: Path) -> None:
        if _is_skipped(path.name, SKIPPED_FILES) or not path.is_file():
            return
        if not is_supported(path.name):
            self._unsupported.append(self._name_of(path))
        elif self._stays(path):
            self._files[self._name_of(path)] = path

    def _stays(self, path: Path) -> bool:
        """Whether a path leads to a place within the folder; a link that leads out of it is refused."""
        if path.is_symlink() and leads_out(path, self._root):
            self._refused.append(self._name_of(path))
            return False
        return True

    def _note(self, error: OSError) -> None:
        self._unreadable.append(self._name_of(Path(error.filename)))

    def _name_of(self, path: Path) -> str:
        return _printable(path.relative_to(self._root).as_posix())


def of_kinds(names: Iterable[str]) -> dict[str, str]:
    """How many files of each kind are not supported, and the first of them, by ending: a folder of pictures is told in
    one line.
    """
    kinds: dict[str, list[str]] = {}
    for name in sorted(names):
        kinds.setdefault(PurePosixPath(name).suffix.lower() or "no ending", []).append(name)
    return {f"{len(files)} × {kind}": _not_read(files) for kind, files in sorted(kinds.items())}


def _not_read(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"files of this kind are not supported: {', '.join(names[:MOST_NAMED])}{more}"


def leads_out(path: Path, root: Path) -> bool:
    """Whether what a path in a folder stands for lies elsewhere."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _printable(name: str) -> str:
    """A name that is not valid UTF-8, with marks where it is not: a database takes no other."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def _is_skipped(name: str, skipped: frozenset[str]) -> bool:
    return name.startswith((".", "~$")) or name in skipped


def read_file(path: Path, max_bytes: int) -> tuple[bytes, datetime]:
    """A file's bytes and the time when it was changed. Raises LoadError if it is too large or cannot be read.

    A SQLite database with a write-ahead log is given as one image of both, as its readers see it.
    """
    try:
        status = path.stat()
        size = status.st_size
        if size > max_bytes:
            raise LoadError(f"it is too large: {_amount(size)}, and {_amount(max_bytes)} are allowed")
        data = _image(path) if _has_log(path) else path.read_bytes()
    except OSError as error:
        raise LoadError(f"it cannot be read ({error.strerror})") from error
    return data, datetime.fromtimestamp(status.st_mtime, UTC)


def _has_log(path: Path) -> bool:
    """Whether a SQLite database has a write-ahead log that holds anything. A name may be too long for one."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False


def _image(path: Path) -> bytes:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            return database.serialize()
    except sqlite3.Error as error:
        raise LoadError(f"this SQLite database cannot be read ({error})") from error


def _amount(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
