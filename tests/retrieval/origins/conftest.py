"""A source of any kind as a test needs it: registered, indexed again and again, and what is then in the index."""

from collections.abc import Callable

import pytest
from psycopg import Connection

from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import SourceSettings, add_source
from retrieval.indexing.tally import IndexReport
from retrieval.origins import Access
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.site import Site, running_site

Index = Callable[..., IndexReport]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def index(conn: Connection, embedder: HashEmbedder) -> Index:
    """Indexes the source at an address, with settings, through an access. Forgets what was embedded before."""

    def run(uri: str, access: Access, limit: int = 1_000_000, **settings: object) -> IndexReport:
        embedder.texts.clear()
        source = add_source(conn, uri, settings=SourceSettings(**settings))  # type: ignore[arg-type]
        return index_sources(conn, embedder, [source], max_bytes=limit, access=access)

    return run


@pytest.fixture
def site():
    """A web site on the loopback interface."""
    with running_site() as running:
        yield running


@pytest.fixture
def web(site: Site) -> Access:
    """Access to it: its address is private, and nobody waits."""
    return Access(agent="Journeyman/1.0", delay=0.0, private_hosts=True)


def documents(conn: Connection) -> dict[str, str]:
    """Each document's name with its text."""
    rows = conn.execute(
        "SELECT d.name, string_agg(c.text, E'\\n' ORDER BY c.ordinal) FROM document d"
        " JOIN chunk c ON c.document_id = d.id GROUP BY d.name"
    )
    return dict(rows.fetchall())


def counts(report: IndexReport) -> dict[str, int]:
    """What a report counts of documents, without zeros."""
    return {name: number for name, number in report.documents.items() if number}
