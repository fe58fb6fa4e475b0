"""Sources to the index: parse and embed what changed, then swap each document in one transaction.

Nothing is computed inside a transaction, so a run that dies leaves the documents as they were; the vectors
that it had made stay in the cache, and the next run goes on from there.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import psycopg
import structlog
from pgvector.psycopg import register_vector
from psycopg import Connection, DataError
from psycopg.errors import NotNullViolation, ProgramLimitExceeded

from jobs.progress import Progress
from retrieval.embedders import pinned
from retrieval.embedding import Embedder, Vectors
from retrieval.indexing.attempts import LIMIT as ATTEMPTS
from retrieval.indexing.attempts import (
    Attempt,
    attempts_of,
    begin_attempts,
    end_attempts,
    fail_attempt,
    take_back_attempts,
)
from retrieval.indexing.chunking import Chunk, chunk_document, embedding_text
from retrieval.indexing.document_rows import (
    DocumentRow,
    NewDocument,
    cache_vectors,
    chunk_hashes,
    delete_document,
    documents_of,
    forget_vectors,
    missing_vectors,
    note_version,
    rename_document,
    swap_document,
)
from retrieval.indexing.models import Model, WrongModel, measure_cosines, require_active
from retrieval.indexing.sources import MissingPath, SourceRow, list_sources, note_try, register_sources, remove_source
from retrieval.loading import PARSER_VERSION, LoadError, ParsedDocument, load, title_of
from retrieval.loading.files import of_kinds
from retrieval.origins import LOCAL, Access, Fetched, Gone, Item, Origin, Unreachable, open_origin
from retrieval.searching.statistics import compact
from retrieval.text.languages import configuration
from retrieval.text.sentences import sentence_hash, split

__all__ = [
    "Extent",
    "IndexReport",
    "MissingPath",
    "SourceRow",
    "index_sources",
    "list_sources",
    "register_sources",
    "remove_source",
]

BATCH = 64
"""Texts that are embedded and cached at a time: what a run that dies loses at the most."""

WINDOW = 128
"""Documents that are in hand at a time, and"""
WINDOW_BYTES = 100_000
"""how much of them may be: a few seconds of work, so that many small documents fill batches and memory stays flat."""

HARMLESS = "a text that no model refuses"

NEVER = datetime.max.replace(tzinfo=UTC)

COMPACT_EVERY = 200
"""Documents that are written until the counts of words are put together."""

log = structlog.get_logger()

_LOCK_CLASS = 0x1DE8
_LOCK = "SELECT pg_advisory_lock(%(class)s, %(source)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(class)s, %(source)s)"

Parse = Callable[[str, bytes, str], ParsedDocument]
"""A name, its bytes and the ending to parse them by, to a document; raises LoadError. `load`, or one that runs it in a
process of its own (retrieval.loading.isolated).
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run does. `only`: documents by source id and name, None for all. `force`: parse and embed
    unchanged ones, too, and try again what was set aside before `begun_at`, by the clock of Postgres; None: whenever
    it was. `dry_run`: report what would be done, and write nothing.
    """

    only: frozenset[tuple[int, str]] | None = None
    force: bool = False
    dry_run: bool = False
    begun_at: datetime | None = None

    @property
    def attempts_since(self) -> datetime | None:
        """From when on attempts count; None: from ever on. A forced run that begins again minds its own."""
        return (self.begun_at or NEVER) if self.force else None

    def holds(self, source: int, name: str) -> bool:
        """Whether the run is about this document."""
        return self.only is None or (source, name) in self.only


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run did. A renamed file counts as one new and one removed document.

    `documents`: new, changed, unchanged, removed, failed. `chunks`: those embedded in this run, those that
    stand in the index without having been embedded in it (together: all chunks of these sources), and those
    removed. `failures`: which failed, what of others could not be read, and how many files are of kinds that none are.
    """

    documents: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("new", "changed", "unchanged", "removed", "failed"), 0)
    )
    chunks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("embedded", "reused", "removed"), 0))
    failures: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def index_sources(
    conn: Connection[Any],
    embedder: Embedder,
    sources: Iterable[SourceRow],
    *,
    max_bytes: int,
    progress: Callable[[Progress], None] | None = None,
    extent: Extent = Extent(),
    access: Access = LOCAL,
    parse: Parse = load,
) -> IndexReport:
    """Brings the index up to date with the sources' documents and reports what changed and what failed, one by
    one.

    A document that cannot be read keeps its earlier version. A source that cannot be read as a whole is a failure
    and loses nothing. Runs on the same source wait for each other. An error of the embedder, of the database or of
    `progress` rises; the documents finished before it are in the index, the others are as they were. So does WrongModel
    if `embedder` is another one than that which the index is searched with. Where there are several, a run follows a
    switch from one to another.
    """
    register_vector(conn)
    run = _Run(conn, embedder, pinned(embedder), max_bytes, progress or (lambda _: None), extent, access, parse)
    if not extent.dry_run:
        run.require_active()
    started = time.monotonic()
    for source in sorted(sources, key=lambda source: source.id):
        with _locked(conn, source.id):
            run.index(source)
    if run.written:
        compact(conn)
        measure_cosines(conn, run.require_active())
    report = run.report
    return IndexReport(report.documents, report.chunks, report.failures, round(time.monotonic() - started, 3))


@contextmanager
def _locked(conn: Connection[Any], source: int) -> Iterator[None]:
    """Holds the source's advisory lock over several transactions."""
    key = {"class": _LOCK_CLASS, "source": source}
    with conn.transaction():
        conn.execute(_LOCK, key)
    try:
        yield
    finally:
        if not conn.closed:
            with conn.transaction():
                conn.execute(_UNLOCK, key)


@dataclass(slots=True)
class _Run:
    """One call of `index_sources`: what it was given and what it counts."""

    conn: Connection[Any]
    given: Embedder
    embedder: Embedder
    max_bytes: int
    progress: Callable[[Progress], None]
    extent: Extent
    access: Access
    parse: Parse
    report: IndexReport = field(default_factory=IndexReport)
    done: int = 0
    total: int = 0
    written: int = 0
    window: "list[_Begun]" = field(default_factory=list)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    warm: bool = False

    def index(self, source: SourceRow) -> None:
        error: str | None = None
        try:
            with open_origin(source, self.access) as origin:
                self._index_items(source.id, origin)
        except Unreachable as unreachable:
            error = str(unreachable)
            self._fail(source.uri, f"this source cannot be read ({error}); its documents stay in the index")
        if self.extent.only is None and not self.extent.dry_run:
            note_try(self.conn, source.id, error)

    def _index_items(self, source: int, origin: Origin) -> None:
        known = {row.name: row for row in documents_of(self.conn, source)}
        found = origin.listing(known.keys())
        for place, reason in found.failures.items():
            self._fail(place, reason)
        for kind, reason in of_kinds(found.unsupported).items():
            self.report.failures.append({"document": kind, "error": reason})
        known = {name: row for name, row in known.items() if self.extent.holds(source, name)}
        gone = [row for name, row in known.items() if name not in found.items and not found.may_hold(name)]
        items = [item for name, item in found.items.items() if self.extent.holds(source, name)]
        self.total += len(items)
        self.attempts = attempts_of(self.conn, source, self.extent.attempts_since)
        # What may end this process comes last: the others are done by then, and deaths in a row hit several documents.
        begun = {name: attempt.attempts for name, attempt in self.attempts.items()}
        items.sort(key=lambda item: begun.get(item.name, 0))
        for item in items:
            self._tell(item.name)
            if not self._index_item(source, origin, item, known.get(item.name), gone):
                self._finish(item.name)
        self._write_window()
        self._forget_attempts(source, [name for name in self.attempts if name not in found.items], found.may_hold)
        for row in gone:
            if not self.extent.dry_run:
                delete_document(self.conn, row.id)
                self._written()
            self.report.documents["removed"] += 1
            self.report.chunks["removed"] += row.chunks

    def _forget_attempts(self, source: int, names: list[str], may_hold: Callable[[str], bool]) -> None:
        gone = [name for name in names if not may_hold(name)]
        if gone and not self.extent.dry_run:
            end_attempts(self.conn, source, gone)

    def _index_item(
        self, source: int, origin: Origin, item: Item, known: DocumentRow | None, gone: list[DocumentRow]
    ) -> bool:
        """Brings one document up to date; True if it waits in the window. Its row leaves `gone` if it was renamed, and
        comes there if it is no more.
        """
        try:
            fetched = origin.fetch(item, self._version_known(known), self.max_bytes)
            if fetched is None and known:
                self._count("unchanged", reused=known.chunks)
            elif fetched is not None:
                return self._index_bytes(source, item, fetched, known, gone)
        except Gone:
            if known:
                gone.append(known)
            else:
                self._fail(item.name, "it is listed, but it is not there")
        except LoadError as error:
            self._fail_to_load(item.name, error, known)
        return False

    def _index_bytes(
        self, source: int, item: Item, fetched: Fetched, known: DocumentRow | None, gone: list[DocumentRow]
    ) -> bool:
        suffix = fetched.suffix or PurePath(item.name).suffix.lower()
        raw_hash = _raw_hash(suffix, fetched.data)
        version = None if fetched.version is None else f"{PARSER_VERSION} {fetched.version}"
        if known and known.raw_hash == raw_hash and not self.extent.force:
            if version != known.version and not self.extent.dry_run:
                note_version(self.conn, known.id, version)
            self._count("unchanged", reused=known.chunks)
            return False
        if not known and self._is_renamed(item, fetched, suffix, raw_hash, version, gone):
            return False
        begun = _Begun(source, item, fetched, suffix, raw_hash, version, known)
        before = self.attempts.get(item.name)
        if before is None or before.raw_hash != raw_hash:
            self.window.append(begun)
            if len(self.window) >= WINDOW or sum(len(b.fetched.data) for b in self.window) >= WINDOW_BYTES:
                self._write_window()
        elif before.attempts >= ATTEMPTS:
            self._fail(item.name, before.verdict)
            return False
        else:  # it may be what ended its process: nothing else is in hand while it is tried again
            self._write_window()
            self._warm_up()
            self.window.append(begun)
            self._write_window()
        return True

    def _warm_up(self) -> None:
        """Has the model loaded, so that a process that is ended meanwhile, as one is that is restarted again and again,
        is not laid at the door of the document that comes first.
        """
        if not (self.warm or self.extent.dry_run):
            self.embedder.embed([HARMLESS])
            self.warm = True

    def _write_window(self) -> None:
        """Brings the documents of the window up to date: parsed one by one, embedded together, swapped one by one."""
        window, self.window = self.window, []
        if not window:
            return
        source, writes = window[0].source, not self.extent.dry_run
        if writes:
            names, hashes = [begun.item.name for begun in window], [begun.raw_hash for begun in window]
            begin_attempts(self.conn, source, names, hashes, since=self.extent.attempts_since)
        try:
            self._write([ready for begun in window if (ready := self._parse(begun))])
        except BaseException:
            # The process lives, so what stopped it was none of the documents.
            left = [begun.item.name for begun in window if not begun.over]
            if writes and not self.conn.closed:
                with suppress(psycopg.Error):
                    take_back_attempts(self.conn, source, left)
            raise

    def _parse(self, begun: "_Begun") -> "_Ready | None":
        """The document with its chunks; None if it failed, or if this is a dry run, which only counts."""
        name, known, fetched = begun.item.name, begun.known, begun.fetched
        self._tell(name)
        try:
            document = self.parse(name, fetched.data, begun.suffix)
            chunks = chunk_document(document)
            language = configuration(" ".join(block.text for block in document.blocks))
        except LoadError as error:
            self._fail_to_load(name, error, known)
            self._end(begun)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over is one document's failure
            self._blame(begun, error)
            return None
        for note in document.notes:
            self.report.failures.append({"document": name, "error": note})
        outcome = ("unchanged" if known.raw_hash == begun.raw_hash else "changed") if known else "new"
        if self.extent.dry_run:
            self._foresee(known, chunks, outcome)
            self._finish(name)
            return None
        new = NewDocument(
            begun.source,
            name,
            document.title,
            begun.item.url or document.url,
            begun.raw_hash,
            fetched.modified_at,
            language,
            begun.version,
        )
        return _Ready(begun, new, chunks, outcome)

    def _write(self, ready: "list[_Ready]") -> None:
        """Embeds the documents together. Where the embedder refuses one of them, each is embedded alone."""
        try:
            self._embed(ready)
        except _Refused as refused:
            if len(ready) == 1:
                self._blame(ready[0].begun, refused.error)
            else:
                for document in ready:
                    self._write([document])
            return
        for place, document in enumerate(ready):
            self._swap(document, ready[place:])

    def _swap(self, document: "_Ready", left: "list[_Ready]") -> None:
        """Puts a document into the index; `left` are those of its window that are not there yet."""
        begun, tries = document.begun, 0
        while True:
            try:
                model = require_active(self.conn, self.embedder.name, self.embedder.dimensions)
                with self.conn.transaction():
                    keep = not self.extent.force
                    removed = swap_document(self.conn, document.new, document.chunks, model, keep=keep)
                    end_attempts(self.conn, begun.source, [begun.item.name])
                break
            except WrongModel:
                if not self._follows():
                    raise
            except NotNullViolation:  # another run by force has taken a vector out of the cache meanwhile
                tries += 1
                if tries == ATTEMPTS:
                    raise
            except (DataError, ProgramLimitExceeded) as error:  # text that Postgres cannot hold
                self._blame(begun, error)
                return
            self._embed(left)
        self.report.chunks["removed"] += removed
        self._written()
        begun.over = True
        self._count(document.outcome, reused=len(document.chunks) - document.embedded)
        self._finish(begun.item.name)

    def _blame(self, begun: "_Begun", error: Exception) -> None:
        """This document failed by itself: it is tried again, until it is set aside."""
        why = f"{type(error).__name__}; the log says more"
        log.error("a document failed", source=begun.source, exc_info=error)
        if not self.extent.dry_run:
            fail_attempt(self.conn, begun.source, begun.item.name, why)
        self._fail(begun.item.name, f"it cannot be indexed ({why})")
        begun.over = True
        self._finish(begun.item.name)

    def _end(self, begun: "_Begun") -> None:
        if not self.extent.dry_run:
            end_attempts(self.conn, begun.source, [begun.item.name])
        begun.over = True
        self._finish(begun.item.name)

    def _finish(self, name: str) -> None:
        self.done += 1
        self._tell(name)

    def _fail_to_load(self, name: str, error: LoadError, known: DocumentRow | None) -> None:
        self._fail(name, f"{error}; the version indexed before stays" if known else str(error))

    def _version_known(self, known: DocumentRow | None) -> str | None:
        """The version to be asked for changes since; None where the bytes are wanted in any case, as by a parser that
        is not the one that read them.
        """
        if known is None or known.version is None or self.extent.force:
            return None
        parser, _, version = known.version.partition(" ")
        return version if parser == str(PARSER_VERSION) else None

    def require_active(self) -> Model:
        """The model that the index is searched with, followed where there are several. Raises WrongModel."""
        self._follows()
        return require_active(self.conn, self.embedder.name, self.embedder.dimensions)

    def _follows(self) -> bool:
        """Goes on with the embedder of the active model; False if that is the one we have."""
        before, self.embedder = self.embedder, pinned(self.given)
        return self.embedder is not before

    def _written(self) -> None:
        """Takes note of a document that was written."""
        self.written += 1
        if self.written % COMPACT_EVERY == 0:
            compact(self.conn)

    def _foresee(self, known: DocumentRow | None, chunks: Sequence[Chunk], outcome: str) -> None:
        """Counts what a run that is not dry would do with a document's chunks."""
        hashes = [chunk.content_hash for chunk in chunks]
        missing = set(hashes) if self.extent.force else missing_vectors(self.conn, hashes, self.embedder.name)
        stands = Counter(chunk_hashes(self.conn, known.id) if known else ())
        gone = stands if self.extent.force else stands - Counter(hashes)
        self.report.chunks["removed"] += gone.total()
        self.report.chunks["embedded"] += len(missing)
        self._count(outcome, reused=len(chunks) - len(missing))

    def _is_renamed(
        self,
        item: Item,
        fetched: Fetched,
        suffix: str,
        raw_hash: bytes,
        version: str | None,
        gone: list[DocumentRow],
    ) -> bool:
        """Renames the document that had the same bytes under a name that is gone, if there is one."""
        for row in gone:
            if row.raw_hash == raw_hash:
                gone.remove(row)
                if not self.extent.dry_run:
                    title = self._title_of_renamed(row, item.name, fetched.data, suffix)
                    rename_document(self.conn, row.id, item.name, title=title, url=item.url, version=version)
                self.report.documents["removed"] += 1
                self._count("new", reused=row.chunks)
                return True
        return False

    def _title_of_renamed(self, row: DocumentRow, name: str, data: bytes, suffix: str) -> str:
        """Its title, which is the new name's if it was the old one's. What a document calls itself may be just that,
        which its text alone says.
        """
        if row.title != title_of(PurePath(row.name)) or row.title == title_of(PurePath(name)):
            return row.title
        try:
            return self.parse(name, data, suffix).title
        except LoadError:
            return row.title

    def _embed(self, documents: "Sequence[_Ready]") -> None:
        """Embeds what the cache lacks of the documents' chunks and sentences, and counts the chunks in each document.

        Raises _Refused if the embedder refuses some text and takes others.
        """
        texts: dict[bytes, str] = {}
        passages: set[bytes] = set()
        for document in documents:
            for chunk in document.chunks:
                texts[chunk.content_hash] = embedding_text(document.new.title, chunk.heading, chunk.text)
                passages.add(chunk.content_hash)
                texts |= {sentence_hash(text): text for text in split(chunk.text, chunk.kind)}
        if self.extent.force:
            forget_vectors(self.conn, list(texts), self.embedder.name)
        missing = missing_vectors(self.conn, list(texts), self.embedder.name)
        new = missing & passages
        for document in documents:
            own = new.intersection(chunk.content_hash for chunk in document.chunks)
            document.embedded = len(own)
            new -= own
        # By length, so that texts that are embedded together need little padding.
        wanted = sorted(missing, key=lambda key: (len(texts[key]), key))
        for start in range(0, len(wanted), BATCH):
            hashes = wanted[start : start + BATCH]
            cache_vectors(self.conn, hashes, self._vectors([texts[key] for key in hashes]), self.embedder.name)
            self.report.chunks["embedded"] += len(passages.intersection(hashes))
            self._tell(documents[0].new.name)

    def _vectors(self, texts: list[str]) -> Vectors:
        try:
            return self.embedder.embed(texts)
        except Exception as error:
            try:
                self.embedder.embed([HARMLESS])
            except Exception:  # noqa: BLE001 - then it is the embedder that is at fault
                raise error from None
            raise _Refused(error) from error

    def _count(self, outcome: str, reused: int) -> None:
        self.report.documents[outcome] += 1
        self.report.chunks["reused"] += reused

    def _fail(self, document: str, error: str) -> None:
        self.report.documents["failed"] += 1
        self.report.failures.append({"document": document, "error": error})

    def _tell(self, document: str) -> None:
        """How far the run is. `failed` counts documents, the others chunks; what a run embeds or removes stays done,
        but for one that does all again and one that writes nothing.
        """
        counts = {**self.report.chunks, "failed": self.report.documents["failed"]}
        again = self.extent.force or self.extent.dry_run
        lasting = not again and counts["embedded"] + counts["removed"] > 0
        self.progress(Progress(document, self.done, self.total, counts, lasting))


@dataclass(slots=True)
class _Begun:
    """A document that is to be brought up to date; `over` once it has come to an end."""

    source: int
    item: Item
    fetched: Fetched
    suffix: str
    raw_hash: bytes
    version: str | None
    known: DocumentRow | None
    over: bool = False


@dataclass(slots=True)
class _Ready:
    """A parsed document; `embedded` of its chunks had no vector before."""

    begun: _Begun
    new: NewDocument
    chunks: Sequence[Chunk]
    outcome: str
    embedded: int = 0


class _Refused(Exception):
    """The embedder raised `error` for some text, and takes others."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _raw_hash(suffix: str, data: bytes) -> bytes:
    """The hash of all that decides what becomes of a document: its bytes and who parses them."""
    return hashlib.sha256(f"{PARSER_VERSION} {suffix}\n".encode() + data).digest()
