"""A source to the files in it that can be indexed, without hidden ones, version control, loops of links and what a
link reaches outside.
"""

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
    """What a walk through a source found: files by name (path relative to the source), folders it could not read, and
    links that lead out of the source.
    """

    files: dict[str, Path]
    unreadable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

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
    files: dict[str, Path] = {}
    unreadable: list[str] = []
    refused: list[str] = []
    seen: set[str] = set()

    def name_of(path: Path) -> str:
        return _printable(path.relative_to(root).as_posix())

    def note(error: OSError) -> None:
        unreadable.append(name_of(Path(error.filename)))

    def stays(path: Path) -> bool:
        if path.is_symlink() and leads_out(path, root):
            refused.append(name_of(path))
            return False
        return True

    for folder, folders, names in os.walk(root, followlinks=True, onerror=note):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        wanted = sorted(name for name in folders if not _is_skipped(name, SKIPPED_FOLDERS))
        folders[:] = [name for name in wanted if stays(Path(folder, name))]
        for name in sorted(names):
            path = Path(folder, name)
            if is_supported(name) and not _is_skipped(name, SKIPPED_FILES) and path.is_file() and stays(path):
                files[name_of(path)] = path
    return Scan(dict(sorted(files.items())), tuple(unreadable), tuple(refused))


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
