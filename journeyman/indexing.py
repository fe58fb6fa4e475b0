"""Documents indexed by this process: sources registered and looked through, runs carried out, embedding models built.

The command line and the workers' tasks call these functions; the work itself is retrieval's.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection

from jobs.progress import Tell
from retrieval.embedders import Embedders
from retrieval.indexing import index, preview, reindexing
from retrieval.indexing.batch import Parse
from retrieval.indexing.building import BuildProgress, build
from retrieval.indexing.preview import Preview
from retrieval.indexing.reindexing import Run
from retrieval.indexing.sources import SourceRow, due_sources, register_sources
from retrieval.indexing.tally import IndexReport
from retrieval.origins import Access
from workers.gpu_priority import GpuPriority


@dataclass(frozen=True, slots=True)
class IndexingParts:
    """What indexes. `connect` opens autocommit connections, `access` is how sources are read that lie elsewhere,
    `parse` reads files, of which none is larger than `max_bytes`.
    """

    connect: Callable[[], AbstractContextManager[Connection[Any]]]
    embedder: Embedders
    access: Access
    parse: Parse
    max_bytes: int
    gpu: GpuPriority


def index_paths(
    parts: IndexingParts,
    paths: Sequence[str | Path],
    collection: str,
    progress: Tell,
    audience: Sequence[str] | None = None,
) -> IndexReport:
    """Registers folders, files or addresses as sources and indexes what changed in them. A new collection is for
    `audience` from the beginning.
    """
    with parts.connect() as conn:
        sources = register_sources(conn, paths, collection, audience)
        return index_sources(parts, conn, sources, progress)


def index_due(parts: IndexingParts, conn: Connection[Any], progress: Tell | None = None) -> IndexReport:
    """Indexes what changed in the sources whose time has come."""
    return index_sources(parts, conn, due_sources(conn), progress)


def index_sources(
    parts: IndexingParts, conn: Connection[Any], sources: Sequence[SourceRow], progress: Tell | None
) -> IndexReport:
    """Indexes what changed in these sources."""
    with parts.gpu.embedding():
        return index.index_sources(
            conn,
            parts.embedder,
            sources,
            max_bytes=parts.max_bytes,
            progress=progress,
            access=parts.access,
            parse=parts.parse,
        )


def reindex(parts: IndexingParts, conn: Connection[Any], run_id: int, progress: Tell | None = None) -> Run | None:
    """Carries out a run that somebody asked for, in this process; None if another one does."""
    with parts.gpu.embedding():
        return reindexing.carry_out(
            conn,
            parts.embedder,
            run_id,
            max_bytes=parts.max_bytes,
            progress=progress,
            access=parts.access,
            parse=parts.parse,
        )


def build_embedder(
    parts: IndexingParts, conn: Connection[Any], name: str, progress: Callable[[BuildProgress], None] = lambda _: None
) -> None:
    """Makes the vectors of the embedding model with this name beside those that are searched with."""
    with parts.gpu.embedding():
        build(conn, parts.embedder.named(name), progress)


def preview_source(parts: IndexingParts, source: SourceRow, count: int) -> Preview:
    """What a source holds, and what becomes of its first `count` documents; nothing is written."""
    return preview.preview(source, parts.access, count, parts.max_bytes, parts.parse)
