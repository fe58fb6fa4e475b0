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
    files: dict[str, Path] = {}
    unreadable: list[str] = []
    refused: list[str] = []
    unsupported: list[str] = []
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
            if _is_skipped(name, SKIPPED_FILES) or not path.is_file():
                continue
            if not is_supported(name):
                unsupported.append(name_of(path))
            elif stays(path):
                files[name_of(path)] = path
    return Scan(dict(sorted(files.items())), tuple(unreadable), tuple(refused), tuple(unsupported))


def of_kinds(names: Iterable[str]) -> dict[str, str]:
    """How many files of each kind are not supported, and the first of them, by ending: a folder of pictures is told in
    one line.
    """
    kinds: dict[str, list[str]] = {}
    for name in sorted(names):
        kinds.setdefault(PurePosixPath(name).suffix.lower() or "no ending", []).append(name)
    return {f"{len(found)} × {kind}": _not_read(found) for kind, found in sorted(kinds.items())}


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
