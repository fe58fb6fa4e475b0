"""A document on its way into the index: fetched, then parsed and cut into chunks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from retrieval.indexing.chunking import Chunk
from retrieval.indexing.document_rows import DocumentRow, NewDocument
from retrieval.loading import PARSER_VERSION
from retrieval.origins import Fetched, SourceItem


@dataclass(slots=True)
class FetchedDocument:
    """A document that is to be brought up to date; `row` is its row in the index, and `over` says that it has come to
    its end.

    `raw_hash` is the hash of all that decides what becomes of it.
    """

    source: int
    item: SourceItem
    fetched: Fetched
    row: DocumentRow | None
    over: bool = False
    raw_hash: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.raw_hash = raw_hash(self.suffix, self.fetched.data)

    @property
    def name(self) -> str:
        """The document's name in its source."""
        return self.item.name

    @property
    def suffix(self) -> str:
        """The ending to parse it by."""
        return self.fetched.suffix or PurePath(self.item.name).suffix.lower()

    @property
    def version(self) -> str | None:
        """The version by which its source will say that the document is the same, for the parser that reads it now."""
        return None if self.fetched.version is None else f"{PARSER_VERSION} {self.fetched.version}"


@dataclass(slots=True)
class ChunkedDocument:
    """A parsed document; `embedded` of its chunks had no vector before."""

    origin: FetchedDocument
    new: NewDocument
    chunks: Sequence[Chunk]
    outcome: str
    embedded: int = 0


def raw_hash(suffix: str, data: bytes) -> bytes:
    """The hash of all that decides what becomes of a document: its bytes and who parses them."""
    return hashlib.sha256(f"{PARSER_VERSION} {suffix}\n".encode() + data).digest()
