"""Sources to the index: parse and embed what changed, then swap each document in one transaction.

Nothing is computed inside a transaction, so a run that dies leaves the documents as they were; the vectors
that it had made stay in the cache, and the next run goes on from there.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.chunking import Chunk, chunk_document, embedding_text
from retrieval.document_rows import (
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
from retrieval.embedders import pinned
from retrieval.embedding import Embedder
from retrieval.languages import configuration
from retrieval.loading import PARSER_VERSION, LoadError, ParsedDocument, load
from retrieval.models import Model, WrongModel, measure_cosines, require_active
from retrieval.origins import LOCAL, Access, Fetched, Gone, Item, Origin, Unreachable, open_origin
from retrieval.sentences import sentence_hash, split
from retrieval.sources import MissingPath, SourceRow, list_sources, note_try, register_sources, remove_source
from retrieval.statistics import compact

__all__ = [
    "Extent",
    "IndexReport",
    "MissingPath",
    "Progress",
    "SourceRow",
    "index_sources",
    "list_sources",
    "register_sources",
    "remove_source",
]

BATCH = 32
"""Texts that are embedded and cached at a time: what a run that dies loses at the most."""

COMPACT_EVERY = 200
"""Documents that are written until the counts of words are put together."""

_LOCK_CLASS = 0x1DE8
_LOCK = "SELECT pg_advisory_lock(%(class)s, %(source)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(class)s, %(source)s)"

Parse = Callable[[str, bytes, str], ParsedDocument]
"""A name, its bytes and the ending to parse them by, to a document; raises LoadError. `load`, or one that runs it in a
process of its own (retrieval.loading.isolated).
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `document` is at hand, `done` of `total` files are finished, `failed` of them could not
    be read, `chunks` were embedded, `reused` and `removed`.
    """

    document: str
    done: int
    total: int
    chunks: int
    reused: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run does. `only`: documents by source id and name, None for all. `force`: parse and embed
    unchanged ones, too. `dry_run`: report what would be done, and write nothing.
    """

    only: frozenset[tuple[int, str]] | None = None
    force: bool = False
    dry_run: bool = False

    def holds(self, source: int, name: str) -> bool:
        """Whether the run is about this document."""
        return self.only is None or (source, name) in self.only


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run did. A renamed file counts as one new and one removed document.

    `documents`: new, changed, unchanged, removed, failed. `chunks`: those embedded in this run, those that
    stand in the index without having been embedded in it (together: all chunks of these sources), and those
    removed.
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
        for place, reason in found.unreadable.items():
            self._fail(place, reason)
        known = {name: row for name, row in known.items() if self.extent.holds(source, name)}
        gone = [row for name, row in known.items() if name not in found.items and not found.may_hold(name)]
        items = [item for name, item in found.items.items() if self.extent.holds(source, name)]
        self.total += len(items)
        for item in items:
            self._tell(item.name)
            self._index_item(source, origin, item, known.get(item.name), gone)
            self.done += 1
            self._tell(item.name)
        for row in gone:
            if not self.extent.dry_run:
                delete_document(self.conn, row.id)
                self._written()
            self.report.documents["removed"] += 1
            self.report.chunks["removed"] += row.chunks

    def _index_item(
        self, source: int, origin: Origin, item: Item, known: DocumentRow | None, gone: list[DocumentRow]
    ) -> None:
        """Brings one document up to date. Its row leaves `gone` if it was renamed, and comes there if it is no more."""
        try:
            fetched = origin.fetch(item, self._version_known(known), self.max_bytes)
            if fetched is None and known:
                self._count("unchanged", reused=known.chunks)
            elif fetched is not None:
                self._index_bytes(source, item, fetched, known, gone)
        except Gone:
            if known:
                gone.append(known)
            else:
                self._fail(item.name, "it is listed, but it is not there")
        except LoadError as error:
            self._fail(item.name, f"{error}; the version indexed before stays" if known else str(error))

    def _index_bytes(
        self, source: int, item: Item, fetched: Fetched, known: DocumentRow | None, gone: list[DocumentRow]
    ) -> None:
        suffix = fetched.suffix or PurePath(item.name).suffix.lower()
        raw_hash = _raw_hash(suffix, fetched.data)
        version = None if fetched.version is None else f"{PARSER_VERSION} {fetched.version}"
        if known and known.raw_hash == raw_hash and not self.extent.force:
            if version != known.version and not self.extent.dry_run:
                note_version(self.conn, known.id, version)
            self._count("unchanged", reused=known.chunks)
            return
        if not known and self._is_renamed(item, raw_hash, version, gone):
            return
        document = self.parse(item.name, fetched.data, suffix)
        chunks = chunk_document(document)
        language = configuration(" ".join(block.text for block in document.blocks))
        url = item.url or document.url
        new = NewDocument(source, item.name, document.title, url, raw_hash, fetched.modified_at, language, version)
        outcome = ("unchanged" if known.raw_hash == raw_hash else "changed") if known else "new"
        if self.extent.dry_run:
            self._foresee(known, chunks, outcome)
            return
        while True:
            embedded = self._embed(item.name, document.title, chunks)
            try:
                model = require_active(self.conn, self.embedder.name, self.embedder.dimensions)
                removed = swap_document(self.conn, new, chunks, model, keep=not self.extent.force)
            except WrongModel:
                if not self._follows():
                    raise
            else:
                break
        self.report.chunks["removed"] += removed
        self._written()
        self._count(outcome, reused=len(chunks) - embedded)

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

    def _is_renamed(self, item: Item, raw_hash: bytes, version: str | None, gone: list[DocumentRow]) -> bool:
        """Renames the document that had the same bytes under a name that is gone, if there is one."""
        for row in gone:
            if row.raw_hash == raw_hash:
                gone.remove(row)
                if not self.extent.dry_run:
                    rename_document(self.conn, row.id, item.name, item.url, version)
                self.report.documents["removed"] += 1
                self._count("new", reused=row.chunks)
                return True
        return False

    def _embed(self, name: str, title: str, chunks: Sequence[Chunk]) -> int:
        """Embeds what the cache lacks of chunks and their sentences; returns how many chunks that were."""
        passages = {c.content_hash: embedding_text(title, c.heading, c.text) for c in chunks}
        sentences = {sentence_hash(text): text for c in chunks for text in split(c.text, c.kind)}
        embedded = self._embed_missing(name, passages, are_chunks=True)
        self._embed_missing(name, sentences, are_chunks=False)
        return embedded

    def _embed_missing(self, name: str, texts: Mapping[bytes, str], *, are_chunks: bool) -> int:
        """Embeds the texts that the cache has no vector for, batch by batch; returns how many those were."""
        if self.extent.force:
            forget_vectors(self.conn, list(texts), self.embedder.name)
        missing = missing_vectors(self.conn, list(texts), self.embedder.name)
        wanted = [content_hash for content_hash in texts if content_hash in missing]
        for start in range(0, len(wanted), BATCH):
            hashes = wanted[start : start + BATCH]
            vectors = self.embedder.embed([texts[key] for key in hashes])
            cache_vectors(self.conn, hashes, vectors, self.embedder.name)
            if are_chunks:
                self.report.chunks["embedded"] += len(hashes)
            self._tell(name)
        return len(wanted)

    def _count(self, outcome: str, reused: int) -> None:
        self.report.documents[outcome] += 1
        self.report.chunks["reused"] += reused

    def _fail(self, document: str, error: str) -> None:
        self.report.documents["failed"] += 1
        self.report.failures.append({"document": document, "error": error})

    def _tell(self, document: str) -> None:
        chunks = self.report.chunks
        self.progress(
            Progress(
                document,
                self.done,
                self.total,
                chunks["embedded"],
                chunks["reused"],
                chunks["removed"],
                self.report.documents["failed"],
            )
        )


def _raw_hash(suffix: str, data: bytes) -> bytes:
    """The hash of all that decides what becomes of a document: its bytes and who parses them."""
    return hashlib.sha256(f"{PARSER_VERSION} {suffix}\n".encode() + data).digest()
