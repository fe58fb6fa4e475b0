"""Sources to the index: what each lists is compared with what stands in the index, and what changed is brought up to
date.

A scan finds what is new, changed, renamed or gone; a batch parses and embeds what is to be written
(retrieval/indexing/batch.py); a swap writes it (retrieval/indexing/swap.py).
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from pgvector.psycopg import register_vector
from psycopg import Connection

from jobs import locks
from jobs.progress import Tell
from retrieval.embedding import Embedder
from retrieval.indexing.active import ActiveEmbedder
from retrieval.indexing.attempts import attempts_of, end_attempts
from retrieval.indexing.batch import Batch, Parse
from retrieval.indexing.document_rows import DocumentRow, documents_of
from retrieval.indexing.models import measure_cosines
from retrieval.indexing.pending import FetchedDocument
from retrieval.indexing.sources import SourceRow, note_try
from retrieval.indexing.swap import Swaps
from retrieval.indexing.tally import EVERYTHING, Extent, IndexReport, Tally, silent
from retrieval.indexing.word_counts import compact
from retrieval.loading import PARSER_VERSION, LoadError, load, title_of
from retrieval.loading.files import of_kinds
from retrieval.origins import LOCAL, Access, Gone, Listing, Origin, SourceItem, Unreachable, open_origin

_LOCK = "SELECT pg_advisory_lock(%(class)s, %(source)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(class)s, %(source)s)"


def index_sources(
    conn: Connection[Any],
    embedder: Embedder,
    sources: Iterable[SourceRow],
    *,
    max_bytes: int,
    progress: Tell | None = None,
    extent: Extent = EVERYTHING,
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
    tally, active = Tally(extent, progress or silent), ActiveEmbedder(embedder)
    swaps = Swaps(conn, active, extent)
    batch = Batch(conn, active, parse, swaps, extent, tally)
    if not extent.dry_run:
        active.followed(conn)
    started = time.monotonic()
    for source in sorted(sources, key=lambda source: source.id):
        with _locked(conn, source.id):
            scan = _Scan(conn, source, batch, swaps, extent, tally, max_bytes)
            error = scan.scan(access)
            if extent.only is None and not extent.dry_run:
                note_try(conn, source.id, error)
    if swaps.written:
        compact(conn)
        measure_cosines(conn, active.followed(conn))
    return tally.report(time.monotonic() - started)


@contextmanager
def _locked(conn: Connection[Any], source: int) -> Iterator[None]:
    """Holds the source's advisory lock over several transactions."""
    key = {"class": locks.SOURCE_CLASS, "source": source}
    with conn.transaction():
        conn.execute(_LOCK, key)
    try:
        yield
    finally:
        if not conn.closed:
            with conn.transaction():
                conn.execute(_UNLOCK, key)


class _Scan:
    """One look through one source. `_leaving` are its documents that are there no more, which leave the index at the
    end unless they turn out to have another name now.
    """

    def __init__(
        self,
        conn: Connection[Any],
        source: SourceRow,
        batch: Batch,
        swaps: Swaps,
        extent: Extent,
        tally: Tally,
        max_bytes: int,
    ) -> None:
        self._conn, self._source, self._batch, self._swaps = conn, source, batch, swaps
        self._extent, self._tally, self._max_bytes = extent, tally, max_bytes
        self._attempts = attempts_of(conn, source.id, extent.attempts_since)
        self._leaving: list[DocumentRow] = []

    def scan(self, access: Access) -> str | None:
        """Brings the source's documents up to date; why that cannot be, if the source cannot be read as a whole."""
        try:
            with open_origin(self._source, access) as origin:
                self._compare(origin)
        except Unreachable as error:
            why = f"this source cannot be read ({error}); its documents stay in the index"
            self._tally.fail(self._source.uri, why)
            return str(error)
        return None

    def _compare(self, origin: Origin) -> None:
        """Compares what the origin lists with what stands in the index."""
        rows = {row.name: row for row in documents_of(self._conn, self._source.id)}
        listing = origin.listing(rows.keys())
        for place, reason in listing.failures.items():
            self._tally.fail(place, reason)
        for kind, reason in of_kinds(listing.unsupported).items():
            self._tally.note(kind, reason)
        rows = {name: row for name, row in rows.items() if self._extent.holds(self._source.id, name)}
        self._leaving = [row for name, row in rows.items() if name not in listing.items and not listing.may_hold(name)]
        items = self._in_order(listing)
        self._tally.expect(len(items))
        for item in items:
            self._tally.tell(item.name)
            if not self._bring_up_to_date(origin, item, rows.get(item.name)):
                self._tally.finish(item.name)
        self._batch.write()
        self._forget_attempts(listing)
        for row in self._leaving:
            self._swaps.delete(row)
            self._tally.removed(row.chunks, documents=1)

    def _in_order(self, listing: Listing) -> list[SourceItem]:
        """What the run is about. What may end this process comes last: the others are done by then, and deaths in a
        row hit several documents.
        """
        attempts = {name: attempt.attempts for name, attempt in self._attempts.items()}
        items = [item for name, item in listing.items.items() if self._extent.holds(self._source.id, name)]
        return sorted(items, key=lambda item: attempts.get(item.name, 0))

    def _forget_attempts(self, listing: Listing) -> None:
        names = [name for name in self._attempts if name not in listing.items and not listing.may_hold(name)]
        if names and not self._extent.dry_run:
            end_attempts(self._conn, self._source.id, names)

    def _bring_up_to_date(self, origin: Origin, item: SourceItem, row: DocumentRow | None) -> bool:
        """Brings one document up to date, whose row in the index is `row`; True if it is in hand now, and comes to its
        end there.
        """
        try:
            fetched = origin.fetch(item, self._version_of(row), self._max_bytes)
        except Gone:
            if row:
                self._leaving.append(row)
            else:
                self._tally.fail(item.name, "it is listed, but it is not there")
            return False
        except LoadError as error:
            self._tally.fail_to_load(item.name, error, known=row is not None)
            return False
        if fetched is not None:
            return self._index(FetchedDocument(self._source.id, item, fetched, row))
        if row:
            self._tally.count("unchanged", reused=row.chunks)
        return False

    def _index(self, document: FetchedDocument) -> bool:
        row = document.row
        if row and row.raw_hash == document.raw_hash and not self._extent.force:
            self._swaps.note_version(row, document.version)
            self._tally.count("unchanged", reused=row.chunks)
            return False
        if row is None and self._is_renamed(document):
            return False
        return self._batch.add(document, self._attempts)

    def _is_renamed(self, document: FetchedDocument) -> bool:
        """Renames the document that had the same bytes under a name that is gone, if there is one."""
        row = next((row for row in self._leaving if row.raw_hash == document.raw_hash), None)
        if row is None:
            return False
        self._leaving.remove(row)
        if not self._extent.dry_run:
            title = self._title_of_renamed(row, document)
            self._swaps.rename(row, document.name, title=title, url=document.item.url, version=document.version)
        self._tally.removed(0, documents=1)
        self._tally.count("new", reused=row.chunks)
        return True

    def _title_of_renamed(self, row: DocumentRow, document: FetchedDocument) -> str:
        """Its title, which is the new name's if it was the old one's. What a document calls itself may be just that,
        which its text alone says.
        """
        if row.title != title_of(PurePath(row.name)) or row.title == title_of(PurePath(document.name)):
            return row.title
        return self._batch.title_in(document, otherwise=row.title)

    def _version_of(self, row: DocumentRow | None) -> str | None:
        """The version to be asked for changes since; None where the bytes are wanted in any case, as by a parser that
        is not the one that read them.
        """
        if row is None or row.version is None or self._extent.force:
            return None
        parser, _, version = row.version.partition(" ")
        return version if parser == str(PARSER_VERSION) else None
