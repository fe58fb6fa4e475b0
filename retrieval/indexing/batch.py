"""Documents that are in hand together: parsed one by one, embedded together, put into the index one by one.

Nothing is computed inside a transaction, so a run that dies leaves the documents as they were; the vectors that it had
made stay in the cache, and the next run goes on from there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from psycopg import Connection, DataError
from psycopg.errors import ProgramLimitExceeded

from retrieval.embedding import Vectors
from retrieval.indexing.active import ActiveEmbedder
from retrieval.indexing.attempts import LIMIT, Attempt, begin_attempts, end_attempts, fail_attempt, take_back_attempts
from retrieval.indexing.chunking import Chunk, chunk_document, embedding_text
from retrieval.indexing.document_rows import (
    DocumentRow,
    NewDocument,
    cache_vectors,
    chunk_hashes,
    forget_vectors,
    missing_vectors,
)
from retrieval.indexing.pending import ChunkedDocument, FetchedDocument
from retrieval.indexing.swap import Swaps
from retrieval.indexing.tally import Extent, Tally
from retrieval.indexing.verified import title_of_another
from retrieval.loading import LoadError, ParsedDocument
from retrieval.text.languages import configuration
from retrieval.text.sentences import sentence_hash, split

BATCH = 64
"""Texts that are embedded and cached at a time: what a run that dies loses at the most."""

WINDOW = 128
"""Documents that are in hand at a time."""
WINDOW_BYTES = 100_000
"""Bytes that are in hand at a time: a few seconds of work, so that many small documents fill batches and memory stays
flat.
"""

HARMLESS = "a text that no model refuses"

log = structlog.get_logger()

Parse = Callable[[str, bytes, str], ParsedDocument]
"""A name, its bytes and the ending to parse them by, to a document; raises LoadError. `load`, or one that runs it in a
process of its own (retrieval.loading.isolated).
"""


class Batch:
    """The documents in hand, of one source at a time."""

    def __init__(
        self,
        conn: Connection[Any],
        embedder: ActiveEmbedder,
        parse: Parse,
        swaps: Swaps,
        extent: Extent,
        tally: Tally,
    ) -> None:
        self._conn, self._embedder, self._parse_bytes = conn, embedder, parse
        self._swaps, self._extent, self._tally = swaps, extent, tally
        self._window: list[FetchedDocument] = []
        self._warm = False

    def add(self, document: FetchedDocument, attempts: Mapping[str, Attempt]) -> bool:
        """Takes a document in hand, which comes to its end now or later; False if it is set aside.

        One that was begun before and not finished may be what ended its process: nothing else is in hand while it is
        tried again.
        """
        before = attempts.get(document.name)
        if before is None or before.raw_hash != document.raw_hash:
            self._window.append(document)
            if (
                len(self._window) >= WINDOW
                or sum(len(pending.fetched.data) for pending in self._window) >= WINDOW_BYTES
            ):
                self.write()
            return True
        if before.attempts >= LIMIT:
            self._tally.fail(document.name, before.verdict)
            return False
        self.write()
        self._warm_up()
        self._window.append(document)
        self.write()
        return True

    def write(self) -> None:
        """Brings the documents in hand up to date."""
        window, self._window = self._window, []
        if not window:
            return
        source, writes = window[0].source, not self._extent.dry_run
        if writes:
            names, hashes = [document.name for document in window], [document.raw_hash for document in window]
            begin_attempts(self._conn, source, names, hashes, since=self._extent.attempts_since)
        try:
            self._write([chunked for document in window if (chunked := self._parse(document))])
        except BaseException:
            # The process lives, so what stopped it was none of the documents.
            unfinished = [document.name for document in window if not document.over]
            if writes and not self._conn.closed:
                with suppress(psycopg.Error):
                    take_back_attempts(self._conn, source, unfinished)
            raise

    def title_in(self, document: FetchedDocument, otherwise: str) -> str:
        """What a document calls itself, which its text alone says."""
        try:
            return title_of_another(self._parse_bytes(document.name, document.fetched.data, document.suffix).title)
        except LoadError:
            return otherwise

    def _warm_up(self) -> None:
        """Has the model loaded, so that a process that is ended meanwhile, as one is that is restarted again and again,
        is not laid at the door of the document that comes first.
        """
        if not (self._warm or self._extent.dry_run):
            self._embedder.now.embed([HARMLESS])
            self._warm = True

    def _parse(self, document: FetchedDocument) -> ChunkedDocument | None:
        """The document with its chunks; None if it failed, or if this is a dry run, which only counts."""
        self._tally.tell(document.name)
        try:
            parsed = self._parse_bytes(document.name, document.fetched.data, document.suffix)
            chunks = chunk_document(parsed)
            language = configuration(" ".join(block.text for block in parsed.blocks))
        except LoadError as error:
            self._tally.fail_to_load(document.name, error, known=document.row is not None)
            self._end(document)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over is one document's failure
            self._blame(document, error)
            return None
        for note in parsed.notes:
            self._tally.note(document.name, note)
        row = document.row
        outcome = ("unchanged" if row.raw_hash == document.raw_hash else "changed") if row else "new"
        if self._extent.dry_run:
            self._foresee(row, chunks, outcome)
            self._tally.finish(document.name)
            return None
        return ChunkedDocument(document, _new_document(document, parsed, language), chunks, outcome)

    def _write(self, documents: Sequence[ChunkedDocument]) -> None:
        """Embeds the documents together. Where the embedder refuses one of them, each is embedded alone."""
        try:
            self._embed(documents)
        except _Refused as refused:
            if len(documents) == 1:
                self._blame(documents[0].origin, refused.error)
            else:
                for document in documents:
                    self._write([document])
            return
        for place, document in enumerate(documents):
            self._put(document, documents[place:])

    def _put(self, document: ChunkedDocument, waiting_too: Sequence[ChunkedDocument]) -> None:
        """Puts a document into the index; `waiting_too` are those of its window that are not there yet."""
        try:
            removed = self._swaps.put(document, lambda: self._embed(waiting_too))
        except (DataError, ProgramLimitExceeded) as error:  # text that Postgres cannot hold
            self._blame(document.origin, error)
            return
        self._tally.removed(removed)
        document.origin.over = True
        self._tally.count(document.outcome, reused=len(document.chunks) - document.embedded)
        self._tally.finish(document.origin.name)

    def _blame(self, document: FetchedDocument, error: Exception) -> None:
        """This document failed by itself: it is tried again, until it is set aside."""
        why = f"{type(error).__name__}; the log says more"
        log.error("a document failed", source=document.source, exc_info=error)
        if not self._extent.dry_run:
            fail_attempt(self._conn, document.source, document.name, why)
        self._tally.fail(document.name, f"it cannot be indexed ({why})")
        document.over = True
        self._tally.finish(document.name)

    def _end(self, document: FetchedDocument) -> None:
        if not self._extent.dry_run:
            end_attempts(self._conn, document.source, [document.name])
        document.over = True
        self._tally.finish(document.name)

    def _foresee(self, row: DocumentRow | None, chunks: Sequence[Chunk], outcome: str) -> None:
        """Counts what a run that is not dry would do with a document's chunks."""
        hashes = [chunk.content_hash for chunk in chunks]
        force = self._extent.force
        new = set(hashes) if force else missing_vectors(self._conn, hashes, self._embedder.now.name)
        standing = Counter(chunk_hashes(self._conn, row.id) if row else ())
        leaving = standing if force else standing - Counter(hashes)
        self._tally.removed(leaving.total())
        self._tally.embedded(len(new))
        self._tally.count(outcome, reused=len(chunks) - len(new))

    def _embed(self, documents: Sequence[ChunkedDocument]) -> None:
        """Embeds what the cache lacks of the documents' chunks and sentences, and counts the chunks in each document.

        Raises _Refused if the embedder refuses some text and takes others.
        """
        texts, passages = _texts(documents)
        name = self._embedder.now.name
        if self._extent.force:
            forget_vectors(self._conn, list(texts), name)
        missing = missing_vectors(self._conn, list(texts), name)
        new = missing & passages
        for document in documents:
            own = new.intersection(chunk.content_hash for chunk in document.chunks)
            document.embedded = len(own)
            new -= own
        # By length, so that texts that are embedded together need little padding.
        order = sorted(missing, key=lambda key: (len(texts[key]), key))
        for start in range(0, len(order), BATCH):
            hashes = order[start : start + BATCH]
            cache_vectors(self._conn, hashes, self._vectors([texts[key] for key in hashes]), name)
            self._tally.embedded(len(passages.intersection(hashes)))
            self._tally.tell(documents[0].new.name)

    def _vectors(self, texts: list[str]) -> Vectors:
        embedder = self._embedder.now
        try:
            return embedder.embed(texts)
        except Exception as error:
            try:
                embedder.embed([HARMLESS])
            except Exception:  # noqa: BLE001 - then it is the embedder that is at fault
                raise error from None
            raise _Refused(error) from error


class _Refused(Exception):
    """The embedder raised `error` for some text, and takes others."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _new_document(document: FetchedDocument, parsed: ParsedDocument, language: str) -> NewDocument:
    return NewDocument(
        document.source,
        document.name,
        title_of_another(parsed.title),
        document.item.url or parsed.url,
        document.raw_hash,
        document.fetched.modified_at,
        language,
        document.version,
    )


def _texts(documents: Sequence[ChunkedDocument]) -> tuple[dict[bytes, str], set[bytes]]:
    """The texts of the documents that are embedded, by their hashes; and which of the hashes are of whole passages."""
    texts: dict[bytes, str] = {}
    passages: set[bytes] = set()
    for document in documents:
        for chunk in document.chunks:
            texts[chunk.content_hash] = embedding_text(document.new.title, chunk.heading, chunk.text)
            passages.add(chunk.content_hash)
            texts |= {sentence_hash(text): text for text in split(chunk.text, chunk.kind)}
    return texts, passages
