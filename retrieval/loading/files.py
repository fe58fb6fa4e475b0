"""A source to the files in it that can be indexed, without hidden ones, version control and loops of links."""

import os
from dataclasses import dataclass
from pathlib import Path

from retrieval.loading import is_supported

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "CVS", "__MACOSX"})
SKIPPED_FILES = frozenset({"Thumbs.db"})


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk through a source found: files by name (path relative to the source) and folders it could not read."""

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
        unreadable.append(Path(error.filename).relative_to(root).as_posix())

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
                files[path.relative_to(root).as_posix()] = path
    return Scan(dict(sorted(files.items())), tuple(unreadable))


def _is_skipped(name: str, skipped: frozenset[str]) -> bool:
    return name.startswith((".", "~$")) or name in skipped
