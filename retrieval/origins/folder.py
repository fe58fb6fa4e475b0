"""Folders and single files on this machine."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.loading import LoadError
from retrieval.loading.files import Scan, leads_out, read_file, scan
from retrieval.origins import Access, Address, Fetched, Gone, Listing, SourceItem, Unreachable

SETTLED = 2_000_000_000
"""Nanoseconds after which a file that is changed again has another time: the coarsest clock of a file system, FAT's."""


@contextmanager
def open_folder(source: Address, access: Access) -> Iterator["Folder"]:
    """The folder, or the one file, at a path."""
    yield Folder(Path(source.uri))


@dataclass(slots=True)
class Folder:
    """A folder's files that can be indexed. Its `listing` comes first."""

    root: Path
    files: dict[str, Path] = field(default_factory=dict)

    def listing(self, index_names: Collection[str]) -> Listing:
        """The files by their path relative to the folder."""
        try:
            result = _scan(self.root, index_names)
        except OSError as error:
            raise Unreachable(str(error.strerror)) from error
        self.files = result.files
        unreadable = dict.fromkeys(result.unreadable, "this folder cannot be read; its documents stay in the index")
        refused = dict.fromkeys(result.refused, "it is a link that leads out of the folder")
        return Listing({name: SourceItem(name) for name in result.files}, unreadable, refused, result.unsupported)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """A file's bytes; not read if size and times are those of `since`."""
        path = self.files[item.name]
        if path != self.root and leads_out(path, self.root):  # it has become a link since it was listed
            raise Gone
        try:
            version = version_of(path)
        except FileNotFoundError as error:
            raise Gone from error
        except OSError as error:
            raise LoadError(f"it cannot be read ({error.strerror})") from error
        if version is not None and version == since:
            return None
        data, modified_at = read_file(path, max_bytes)
        return Fetched(data, modified_at, version)


def version_of(path: Path) -> str | None:
    """What changes when a file does: its size, the time of its text and, which nobody can set back, that of its row in
    the file system; of a SQLite database, that of its log as well. None if it was changed a moment ago: a change
    within the same tick of the clock would not show.
    """
    parts = []
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            status = file.stat()
        except OSError:  # the log is not there, or its name would be too long
            if file is path:
                raise
            continue
        if abs(time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)) < SETTLED:
            return None
        parts.append(f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}")
    return " ".join(parts)


def _scan(root: Path, index_names: Collection[str]) -> Scan:
    """The source's files. A source that was one file and is deleted is empty; any other missing source is an error."""
    if set(index_names) == {root.name} and not os.path.lexists(root) and root.parent.is_dir():
        return Scan({})
    return scan(root)
