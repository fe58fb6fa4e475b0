"""What nobody foresaw of a server or a file costs its own source, or its own item, and no other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import Connection
from structlog.testing import capture_logs

from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import SourceSettings, add_source
from retrieval.indexing.tally import IndexReport
from retrieval.origins import Access
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.conftest import counts, documents
from tests.retrieval.origins.site import Site

SPACE = "/wiki/rest/api/content?spaceKey=OPS&type=page&status=current&expand=version&limit=100"
PAGE = {"id": "7", "title": "Pump", "version": {"number": 1}}
SECRET = "words of a document"

Scan = Callable[..., IndexReport]


@pytest.fixture
def scan(conn: Connection, tmp_path: Path, web: Access) -> Scan:
    """Indexes a source and, after it, a folder of one document; gives what was said of the first."""
    (tmp_path / "after").mkdir()
    (tmp_path / "after" / "night.md").write_text("Nobody works alone at night.\n")

    def run(uri: str, access: Access = web, **settings: object) -> IndexReport:
        odd = add_source(conn, uri, settings=SourceSettings(**settings))  # type: ignore[arg-type]
        after = add_source(conn, tmp_path / "after")
        report = index_sources(conn, HashEmbedder(), [odd, after], max_bytes=1_000_000, access=access)
        assert documents(conn)["night.md"] == "Nobody works alone at night."
        return report

    return run


@pytest.mark.parametrize("target", ["http://[", "http://127.0.0.1:99999/", "//[::1"])
@pytest.mark.parametrize("path", ["/page", "/robots.txt"])
def test_a_redirect_to_no_address_is_a_page_that_fails(site: Site, scan: Scan, target: str, path: str) -> None:
    """Also where robots.txt is redirected."""
    site.article("/page", "Page", "The pump is blue.")
    site.put(path, b"", status=302, headers={"Location": target})
    report = scan(site.url + "/page")
    assert counts(report) == {"new": 1, "failed": 1}
    assert "no address" in report.failures[0]["error"]


def test_a_source_with_an_impossible_port_is_told(scan: Scan) -> None:
    """A person may have typed it."""
    assert counts(scan("http://127.0.0.1:99999/page")) == {"new": 1, "failed": 1}


def test_an_odd_entry_of_a_sitemap_costs_that_entry(conn: Connection, site: Site, scan: Scan) -> None:
    """It is reported; the other pages are read."""
    site.article("/pump", "Pump", "The pump is blue.")
    site.sitemap("/sitemap.xml", {"/pump": "", "http://[": "", "http://x:99999/": ""})
    report = scan(site.url + "/sitemap.xml")
    assert counts(report) == {"new": 2, "failed": 2}
    reason = "the sitemap names it, but it is no address"
    assert report.failures == [{"document": odd, "error": reason} for odd in ("http://[", "http://x:99999/")]


@pytest.mark.parametrize("listing", [{"results": [{"id": "7"}]}, {"results": [7]}, {"results": 7}, {"_links": 7}])
def test_an_odd_listing_of_a_wiki_is_a_source_that_cannot_be_read(
    conn: Connection, site: Site, scan: Scan, listing: object
) -> None:
    """Its documents stay, and the source says why."""
    site.put(SPACE, json.dumps(listing), "application/json", tagged=False)
    report = scan(site.url.replace("http", "confluence+http") + "/wiki/OPS")
    assert counts(report) == {"new": 1, "failed": 1}
    assert "documents stay in the index" in report.failures[0]["error"]
    assert conn.execute("SELECT count(*) FROM source WHERE error IS NOT NULL").fetchone() == (1,)


def test_an_odd_page_of_a_wiki_is_a_page_that_fails(site: Site, scan: Scan) -> None:
    """The others are read."""
    other = PAGE | {"id": "8", "title": "Valve"}
    site.put(SPACE, json.dumps({"results": [PAGE, other]}), "application/json", tagged=False)
    body = {"body": {"view": {"value": "<p>It is red.</p>"}}}
    site.put("/wiki/rest/api/content/7?expand=body.view,version", json.dumps(PAGE), "application/json")
    site.put("/wiki/rest/api/content/8?expand=body.view,version", json.dumps(other | body), "application/json")
    report = scan(site.url.replace("http", "confluence+http") + "/wiki/OPS")
    assert counts(report) == {"new": 2, "failed": 1}
    assert report.failures[0]["document"] == "Pump"


@pytest.mark.parametrize("title", ["Pump\x00", "Pump \ud800"])
def test_a_name_that_cannot_be_kept_costs_its_item(site: Site, scan: Scan, title: str) -> None:
    """No database takes it, nor a report."""
    site.put(SPACE, json.dumps({"results": [PAGE | {"title": title}]}), "application/json", tagged=False)
    report = scan(site.url.replace("http", "confluence+http") + "/wiki/OPS")
    assert counts(report) == {"new": 1, "failed": 1}
    assert "\x00" not in report.failures[0]["document"]
    report.failures[0]["document"].encode()


@pytest.mark.parametrize("message", [{"user": "U1", "text": "No time."}, {"text": "Odd.", "ts": "soon"}, "no message"])
def test_an_odd_message_of_an_export_costs_its_channel(
    conn: Connection, tmp_path: Path, scan: Scan, message: object
) -> None:
    """Whose documents stay; other channels are read."""
    good = {"user": "U1", "text": "The pump is blue.", "ts": "1763632800.0"}
    for channel, messages in {"odd": [good, message], "pumps": [good]}.items():
        (tmp_path / "export" / channel).mkdir(parents=True)
        (tmp_path / "export" / channel / "2025-11-20.json").write_text(json.dumps(messages))
    report = scan(f"slack-export:{tmp_path / 'export'}")
    assert "pumps/2025-11-20.md" in documents(conn)
    assert [failure["document"] for failure in report.failures] == ["odd"]


def test_the_log_names_the_kind_of_error_and_no_text(scan: Scan) -> None:
    """What an error says may hold words of a document, or a password."""

    def break_down(_: str) -> list[dict[str, object]]:
        raise RuntimeError(SECRET)

    with capture_logs() as logs:
        report = scan("slack-pins:C0123", Access(pinned=break_down))
    assert counts(report) == {"new": 1, "failed": 1}
    (logged,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert logged["error"] == "RuntimeError"
    assert logged["where"][-1].startswith("test_odd_sources.py:")
    assert SECRET not in str(report) + str(logs)


def test_a_source_that_cannot_even_be_opened(scan: Scan) -> None:
    """What opens it may break, too."""

    def break_down(_: str) -> str:
        raise RuntimeError(SECRET)

    report = scan("https://wiki.example/", Access(secret=break_down), secret="wiki")
    assert counts(report) == {"new": 1, "failed": 1}
    assert report.failures[0]["error"].startswith(
        "this source cannot be read (an unforeseen RuntimeError; the log says more)"
    )
    assert SECRET not in str(report)
