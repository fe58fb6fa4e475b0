"""A look into a source before it is indexed: what it lists, and what becomes of its first documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from retrieval.indexing.batch import Parse
from retrieval.indexing.chunking import chunk_document
from retrieval.indexing.sources import SourceRow
from retrieval.loading import LoadError, load
from retrieval.origins import Access, Gone, Unreachable, open_origin


@dataclass(frozen=True, slots=True)
class Preview:
    """`count` documents are listed. Of the first, `read` has the number of passages by name, `failures` the reasons;
    those also hold places that cannot be looked into, and the source itself if it cannot be read.
    """

    kind: str
    count: int
    read: Mapping[str, int]
    failures: Mapping[str, str]


def preview(source: SourceRow, access: Access, count: int, max_bytes: int, parse: Parse = load) -> Preview:
    """Lists the source, and fetches and parses its first `count` documents. Nothing is written."""
    passages: dict[str, int] = {}
    failures: dict[str, str] = {}
    count_in_source = 0
    try:
        with open_origin(source, access) as origin:
            listing = origin.listing(())
            count_in_source = len(listing.items)
            failures.update(listing.failures)
            for item in islice(listing.items.values(), count):
                try:
                    fetched = origin.fetch(item, None, max_bytes)
                    if fetched is not None:
                        passages[item.name] = len(chunk_document(parse(item.name, fetched.data, fetched.suffix)))
                except Gone:
                    failures[item.name] = "it is listed, but it is not there"
                except LoadError as error:
                    failures[item.name] = str(error)
    except Unreachable as error:
        failures[source.uri] = f"this source cannot be read ({error})"
    return Preview(source.kind, count_in_source, passages, failures)
