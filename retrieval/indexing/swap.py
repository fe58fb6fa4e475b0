"""Documents of the index replaced, renamed and deleted, each in one transaction. A dry run writes nothing of it."""

from collections.abc import Callable
from typing import Any

from psycopg import Connection
from psycopg.errors import NotNullViolation

from retrieval.indexing.active import ActiveEmbedder
from retrieval.indexing.attempts import LIMIT, end_attempts
from retrieval.indexing.document_rows import (
    DocumentRow,
    delete_document,
    note_version,
    rename_document,
    swap_document,
)
from retrieval.indexing.models import WrongModel
from retrieval.indexing.pending import ChunkedDocument
from retrieval.indexing.tally import Extent
from retrieval.indexing.word_counts import compact

COMPACT_EVERY = 200
"""Documents that are written until the counts of words are put together."""


class Swaps:
    """Writes a run's documents; `written` counts those that changed what search finds."""

    def __init__(self, conn: Connection[Any], embedder: ActiveEmbedder, extent: Extent) -> None:
        self._conn, self._embedder, self._extent = conn, embedder, extent
        self.written = 0

    def put(self, document: ChunkedDocument, embed_again: Callable[[], None]) -> int:
        """Puts a document into the index in place of its earlier version; returns how many chunks left it.

        `embed_again` makes the vectors that are missing after all, because the model was switched or the cache was
        emptied meanwhile. Raises what Postgres raises for a text that it cannot hold.
        """
        tries = 0
        while True:
            try:
                removed = self._swap(document)
            except WrongModel:
                if not self._embedder.follow():
                    raise
            except NotNullViolation:  # another run by force has taken a vector out of the cache meanwhile
                tries += 1
                if tries == LIMIT:
                    raise
            else:
                self._count()
                return removed
            embed_again()

    def _swap(self, document: ChunkedDocument) -> int:
        model = self._embedder.require(self._conn)
        with self._conn.transaction():
            keep = not self._extent.force
            removed = swap_document(self._conn, document.new, document.chunks, model, keep=keep)
            end_attempts(self._conn, document.origin.source, [document.origin.name])
        return removed

    def rename(self, row: DocumentRow, name: str, *, title: str, url: str | None, version: str | None) -> None:
        """Gives a document another name; its chunks and vectors stay."""
        if not self._extent.dry_run:
            rename_document(self._conn, row.id, name, title=title, url=url, version=version)

    def note_version(self, row: DocumentRow, version: str | None) -> None:
        """Notes by which version its source knows a document that is the same."""
        if version != row.version and not self._extent.dry_run:
            note_version(self._conn, row.id, version)

    def delete(self, row: DocumentRow) -> None:
        """Takes a document out of the index."""
        if not self._extent.dry_run:
            delete_document(self._conn, row.id)
            self._count()

    def _count(self) -> None:
        self.written += 1
        if self.written % COMPACT_EVERY == 0:
            compact(self._conn)
