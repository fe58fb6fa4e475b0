"""Web pages and sitemaps: what is asked for, how politely, what is not, and what becomes of the index."""

import gzip
import time
from itertools import pairwise
from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Unreachable
from retrieval.origins.http import SILENT_IN_A_ROW, NoAnswer, Refused, WebClient
from retrieval.origins.robots import read_robots
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.conftest import Index, counts, documents
from tests.retrieval.origins.site import Site

PUMP = "The pump is blue and stands in hall 3."
NIGHT = "Nobody works alone at night."


def test_a_page_is_asked_for_again_only_if_it_changed(
    conn: Connection, site: Site, web: Access, index: Index, embedder: HashEmbedder
) -> None:
    """Its ETag comes back to the server, which says 304; what changed is embedded."""
    site.article("/pump", "Pump", PUMP)
    page = site.url + "/pump"
    assert counts(index(page, web)) == {"new": 1}
    assert conn.execute("SELECT title, url FROM document").fetchone() == ("Pump", page)
    assert site.answers() == [("/pump", 200)]
    assert counts(index(page, web)) == {"unchanged": 1}
    assert site.answers() == [("/pump", 304)]
    assert embedder.texts == []
    site.article("/pump", "Pump", PUMP.replace("blue", "green"))
    assert counts(index(page, web)) == {"changed": 1}
    assert "green" in documents(conn)[page.removeprefix("http://")]


def test_last_modified_serves_where_there_is_no_etag(site: Site, web: Access, index: Index) -> None:
    """The server's own time is sent back, word for word."""
    when = "Tue, 03 Mar 2026 10:00:00 GMT"
    site.put("/pump", f"<p>{PUMP}</p>", tagged=False, headers={"Last-Modified": when})
    index(site.url + "/pump", web)
    index(site.url + "/pump", web)
    assert [headers.get("If-Modified-Since") for path, headers, _, _ in site.asked if path == "/pump"] == [None, when]


def test_a_page_that_is_gone_leaves_the_index_and_an_error_does_not(
    conn: Connection, site: Site, web: Access, index: Index
) -> None:
    """404 and 410 say that there is none; 503 says nothing about the page."""
    site.article("/pump", "Pump", PUMP)
    page = site.url + "/pump"
    index(page, web)
    site.pages["/pump"].status = 503
    report = index(page, web)
    assert counts(report) == {"failed": 1}
    assert report.failures[0]["error"].endswith("503 Service Unavailable; the version indexed before stays")
    assert documents(conn)
    site.pages["/pump"].status = 410
    assert counts(index(page, web)) == {"removed": 1}
    assert documents(conn) == {}


def test_a_sitemap_is_its_pages(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """Also of the sitemaps that it names, packed or not; pages of other hosts are left out."""
    site.article("/pump", "Pump", PUMP)
    site.article("/night", "Night", NIGHT)
    site.sitemap("/sitemap-a.xml", {"/pump": "", "https://elsewhere.example/x": ""})
    site.sitemap("/packed.xml", {"/night": ""})
    site.put("/packed.xml.gz", gzip.compress(site.pages["/packed.xml"].body), "application/gzip")
    site.sitemap("/sitemap.xml", {}, nested=("/sitemap-a.xml", "/packed.xml.gz", "/sitemap.xml"))
    assert counts(index(site.url + "/sitemap.xml", web)) == {"new": 2}
    host = site.url.removeprefix("http://")
    assert documents(conn) == {f"{host}/pump": PUMP, f"{host}/night": NIGHT}


def test_a_page_that_leaves_the_sitemap_leaves_the_index_and_one_that_moves_embeds_nothing(
    conn: Connection, site: Site, web: Access, index: Index, embedder: HashEmbedder
) -> None:
    """In the same run; the document that moved has its new address."""
    site.article("/pump", "Pump", PUMP)
    site.article("/night", "Night", NIGHT)
    site.sitemap("/sitemap.xml", {"/pump": "", "/night": ""})
    index(site.url + "/sitemap.xml", web)
    site.pages["/pumps/blue"] = site.pages.pop("/pump")
    site.sitemap("/sitemap.xml", {"/pumps/blue": ""})
    assert counts(index(site.url + "/sitemap.xml", web)) == {"new": 1, "removed": 2}
    assert embedder.texts == []
    assert conn.execute("SELECT url FROM document").fetchall() == [(site.url + "/pumps/blue",)]


def test_lastmod_saves_the_question(site: Site, web: Access, index: Index) -> None:
    """A page whose date in the sitemap is that of last time is not asked for; --force asks."""
    site.article("/pump", "Pump", PUMP)
    site.sitemap("/sitemap.xml", {"/pump": "2026-03-01"})
    index(site.url + "/sitemap.xml", web)
    site.answers()
    assert counts(index(site.url + "/sitemap.xml", web)) == {"unchanged": 1}
    assert site.answers() == [("/sitemap.xml", 200)]
    site.sitemap("/sitemap.xml", {"/pump": "2026-03-02"})
    index(site.url + "/sitemap.xml", web)
    assert site.answers() == [("/sitemap.xml", 200), ("/pump", 304)]


def test_a_sitemap_that_cannot_be_read_loses_nothing(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """Neither if the server is down, nor if it answers with something else, nor if one part is missing."""
    site.article("/pump", "Pump", PUMP)
    site.sitemap("/a.xml", {"/pump": ""})
    site.sitemap("/sitemap.xml", {}, nested=("/a.xml",))
    index(site.url + "/sitemap.xml", web)
    for path, answer in [("/a.xml", "<html>Please log in"), ("/a.xml", ""), ("/sitemap.xml", "<urlset></urlset>")]:
        kept = dict(site.pages)
        site.put(path, answer)
        report = index(site.url + "/sitemap.xml", web)
        assert counts(report) == {"failed": 1}, answer
        assert "documents stay in the index" in report.failures[0]["error"]
        site.pages = kept
    site.pages.pop("/a.xml")
    assert counts(index(site.url + "/sitemap.xml", web)) == {"failed": 1}
    assert documents(conn)
    assert (conn.execute("SELECT error FROM source").fetchone() or [""])[0].startswith("the server answers 404")


def test_patterns_say_which_pages(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """Those left out are not even asked for; narrower patterns take documents out of the index."""
    for path in ("/docs/pump", "/docs/old/pump", "/blog/pump"):
        site.article(path, path, PUMP)
    site.sitemap("/sitemap.xml", dict.fromkeys(site.pages, ""))
    index(site.url + "/sitemap.xml", web, include=["*/docs/**"], exclude=["**/old/"])
    assert [name.partition("/")[2] for name in documents(conn)] == ["docs/pump"]
    assert ("/blog/pump", 200) not in site.answers()
    assert counts(index(site.url + "/sitemap.xml", web, include=["*/blog/*"])) == {"new": 1, "removed": 1}


def test_robots_are_obeyed(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """The page is not asked for; a redirect to it neither; rules for us go before those for all."""
    site.put("/robots.txt", "User-agent: *\nAllow: /\n\nUser-agent: journeyman\nDisallow: /secret\n", "text/plain")
    site.article("/secret", "Secret", "Do not read this.")
    site.put("/way", b"", status=302, headers={"Location": "/secret"})
    for path in ("/secret", "/way"):
        report = index(site.url + path, web)
        assert "robots.txt" in report.failures[0]["error"]
    assert "/secret" not in {path for path, *_ in site.asked}
    assert {headers["User-Agent"] for _, headers, *_ in site.asked} == {"Journeyman/1.0"}


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /\nAllow: /docs/", "/docs/pump", True),  # the longest match, wherever it stands
        ("Allow: /docs/\nDisallow: /docs/old/", "/docs/old/pump", False),
        ("Disallow: /docs\nAllow: /docs", "/docs", True),  # of two as long the one that allows
        ("Disallow: /*.pdf$", "/a/pump.pdf", False),
        ("Disallow: /*.pdf$", "/a/pump.pdf?page=1", True),
        ("Disallow: /*/old/", "/docs/very/old/pump", False),
        ("Disallow: /*?print=", "/pump?print=1", False),
        ("Disallow: /pump", "/pumps", False),  # a beginning
        ("Disallow: /caf%C3%A9", "/caf\u00e9", False),  # compared as they are sent
        ("Disallow: /caf\u00e9", "/caf%c3%a9", False),
        ("Disallow:", "/pump", True),
        ("Disallow: /\n\nUser-agent: journeyman\nDisallow: /secret", "/pump", True),  # our own group counts alone
        ("Disallow:\n\nUser-agent: Journeyman\nCrawl-delay: 0\nDisallow: /pump", "/pump", False),
        ("Disallow: /\n\nUser-agent: other\nUser-agent: Journeyman\nAllow: /", "/pump", True),
        ("Allow: /\n\nUser-agent: journeyman\nDisallow: /a\n\nUser-agent: journeyman\nDisallow: /b", "/b", False),
        ("Allow: /\n\nUser-agent: man\nDisallow: /", "/pump", True),  # a part of our name is not our name
        ("Allow: /\n\nUser-agent: journey\nDisallow: /", "/pump", True),
        ("Allow: /\n\nUSER-AGENT :Journeyman/2.0 # that is us\nDisallow: /", "/pump", False),
        ("Disallow: /a\n\nUser-agent: other\nDisallow: /b", "/b", True),
    ],
)
def test_robots_as_rfc_9309_has_them(site: Site, web: Access, rules: str, path: str, allowed: bool) -> None:
    """2.2.2: longest match, wildcards, ends; 2.2.1: the group of our name, else that of all."""
    site.put("/robots.txt", f"User-agent: *\n{rules}\n", "text/plain")
    client = WebClient(web)
    if allowed:
        assert client.get(site.url + path, 1000).status == 404
    else:
        with pytest.raises(Refused, match="robots"):
            client.get(site.url + path, 1000)


@pytest.mark.parametrize("end", ["\n", "\u2028", "\r"])
def test_a_robots_txt_of_many_names_is_read_at_once(end: str) -> None:
    """A site could keep a worker busy for hours with half a megabyte: each of its rules for each of its names."""
    names = end.join(f"User-agent: a{number}" for number in range(10_000))
    rules = end.join(f"Disallow: /{number}" for number in range(10_000))
    begun = time.monotonic()
    read = read_robots(f"{names}{end}User-agent: *{end}{rules}".encode(), "Journeyman/1.0")
    assert time.monotonic() - begun < 10
    assert not read.can_fetch("http://x.example/17", "Journeyman/1.0")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/such?wort=\u00d6l&seite=1", "/such?wort=%C3%96l&seite=1"),
        ("/such?wort=%C3%96l+HV%2046", "/such?wort=%C3%96l+HV%2046"),
        ("/such?wort=zwei Worte", "/such?wort=zwei%20Worte"),
        ("/\u00f6l/a;b?x[]=1&y=a/b?c", "/%C3%B6l/a;b?x[]=1&y=a/b?c"),
    ],
)
def test_an_address_is_quoted_once(site: Site, web: Access, asked: str, sent: str) -> None:
    """As a browser does with what a person typed, or a server sent as its redirect."""
    site.put(sent, "found")
    site.put("/way", b"", status=302, headers={"Location": asked.encode().decode("latin-1")})
    for path in (asked, "/way"):
        assert WebClient(web).get(site.url + path, 1000).body == b"found"


def test_without_readable_robots_nothing_is_asked_for(site: Site, web: Access, index: Index) -> None:
    """RFC 9309: a server that cannot say what it allows allows nothing; one that has no robots.txt allows all."""
    site.put("/robots.txt", "oops", status=500)
    site.article("/pump", "Pump", PUMP)
    assert counts(index(site.url + "/pump", web)) == {"failed": 1}
    assert site.answers() == []
    site.pages.pop("/robots.txt")
    assert counts(index(site.url + "/pump", web)) == {"new": 1}


def test_requests_of_a_host_are_apart(site: Site, web: Access) -> None:
    """By our delay, or by the one that robots.txt asks for if that is longer."""
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 7\n", "text/plain")
    site.article("/pump", "Pump", PUMP)
    waited: list[float] = []
    client = WebClient(Access(agent="Journeyman/1.0", delay=3.0, private_hosts=True), sleep=waited.append)
    for _ in range(3):
        client.get(site.url + "/pump", 10_000)
    assert [round(seconds) for seconds in waited] == [3, 7, 7]


def test_two_requests_are_really_apart(site: Site) -> None:
    """With the clock of the server."""
    site.article("/pump", "Pump", PUMP)
    client = WebClient(Access(delay=0.15, private_hosts=True))
    for _ in range(3):
        client.get(site.url + "/pump", 10_000)
    times = [at for *_, at in site.asked]
    assert len(times) == 4
    assert all(later - earlier >= 0.14 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.7", "169.254.169.254", "[::ffff:10.0.0.7]"]
)
def test_private_hosts_are_not_asked(site: Site, host: str) -> None:
    """Unless that is allowed: the metadata service of a cloud is as reachable for us as the page meant."""
    port = site.url.rpartition(":")[2]
    with pytest.raises(Refused, match="JOURNEYMAN_WEB_PRIVATE_HOSTS"):
        WebClient(Access(delay=0.0)).get(f"http://{host}:{port}/pump", 1000)
    assert site.asked == []


def test_a_redirect_does_not_lead_inside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of each step is checked, and it is the checked one that is connected to: a second look at the name
    server could say something else.
    """
    import socket

    real, looked_up = socket.getaddrinfo, []

    def resolve(host: str, port: int, *args: object, **kwargs: object) -> object:
        looked_up.append(host)
        if host == "public.example" and looked_up.count(host) == 1:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))]
        return real("127.0.0.1", port, *args, **kwargs)  # type: ignore[arg-type]

    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    client = WebClient(Access(delay=0.0), obey_robots=False)
    with pytest.raises(NoAnswer):
        client.get("http://public.example/", 1000)
    assert connected == [("93.184.215.14", 80)]
    with pytest.raises(Refused):
        client.get("http://public.example/", 1000)  # its name now leads inside
    assert len(connected) == 1


def test_a_redirect_to_another_scheme_is_refused(site: Site, web: Access) -> None:
    """file: and the like are no web pages."""
    site.put("/way", b"", status=301, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(Refused):
        WebClient(web).get(site.url + "/way", 1000)


def test_redirects_end(site: Site, web: Access) -> None:
    """A page that is redirected to itself is a failure, not a loop."""
    site.put("/way", b"", status=301, headers={"Location": "/way"})
    with pytest.raises(LoadError, match="redirected more than 5 times"):
        WebClient(web).get(site.url + "/way", 1000)


def test_limits_of_size_and_time(site: Site, web: Access, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is too long is not read to its end; a server that is too slow is left."""
    site.put("/long", "x" * 5000)
    assert "too large" in index(site.url + "/long", web, limit=4000).failures[0]["error"]
    monkeypatch.setattr("retrieval.origins.http.TIMEOUT", 0.2)
    site.put("/slow", "later", delay=0.6)
    assert "does not answer" in index(site.url + "/slow", web).failures[0]["error"]


def test_a_broken_off_answer_is_not_taken_for_the_page(site: Site, web: Access, index: Index) -> None:
    """Half of a page would be indexed as the whole."""
    site.put("/half", f"<p>{PUMP}</p>", headers={"Content-Length": "5000"})
    assert "broke off" in index(site.url + "/half", web).failures[0]["error"]


def test_a_server_that_is_down_ends_the_source(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """After a few pages in a row: each of a thousand would wait for its own timeout."""
    for number in range(10):
        site.article(f"/page-{number}", "Page", f"Page {number}. {PUMP}")
    site.sitemap("/sitemap.xml", {f"/page-{number}": "" for number in range(10)})
    index(site.url + "/sitemap.xml", web)
    for number in range(10):
        site.pages[f"/page-{number}"].status = 502
    site.answers()
    report = index(site.url + "/sitemap.xml", web)
    assert len(site.answers()) == 1 + SILENT_IN_A_ROW
    assert "in a row" in report.failures[-1]["error"]
    assert len(documents(conn)) == 10


def test_the_secret_goes_to_its_own_host_alone(site: Site, index: Index) -> None:
    """Not along with a redirect to another."""
    access = Access(secret={"wiki": "ada:lovelace"}.get, delay=0.0, private_hosts=True)
    site.put("/away", b"", status=302, headers={"Location": site.url.replace("127.0.0.1", "localhost") + "/there"})
    site.article("/there", "There", PUMP)
    assert counts(index(site.url + "/away", access, secret="wiki")) == {"new": 1}
    sent = {path: headers.get("Authorization") for path, headers, *_ in site.asked if path != "/robots.txt"}
    assert sent == {"/away": "Basic YWRhOmxvdmVsYWNl", "/there": None}


def test_a_missing_secret_names_its_setting(site: Site, index: Index) -> None:
    """The person is told what to set; nothing is asked for without it."""
    report = index(site.url + "/pump", Access(delay=0.0, private_hosts=True), secret="wiki")
    assert "JOURNEYMAN_SOURCE_SECRETS__WIKI" in report.failures[0]["error"]
    assert site.asked == []


def test_the_parser_is_that_of_the_content(conn: Connection, site: Site, web: Access, index: Index) -> None:
    """Its type counts; the address where the type says nothing; what has no parser is a failure."""
    site.put("/list", "Code,Meaning\nE1,Too hot\n", "text/csv")
    site.put("/notes.md", f"# Notes\n\n{PUMP}\n", "application/octet-stream")
    site.put("/film", b"\0\0", "video/mp4")
    for path in ("/list", "/notes.md"):
        assert counts(index(site.url + path, web)) == {"new": 1}
    assert sorted(documents(conn).values()) == ["Code: E1\nMeaning: Too hot", PUMP]
    assert "'video/mp4' are not supported" in index(site.url + "/film", web).failures[0]["error"]


def test_silence_is_counted_in_a_row(site: Site, web: Access) -> None:
    """A page that answers in between shows that the host is there."""
    site.put("/down", "", status=500)
    site.article("/pump", "Pump", PUMP)
    client = WebClient(web)
    for _ in range(2):
        for _ in range(SILENT_IN_A_ROW - 1):
            with pytest.raises(NoAnswer):
                client.get(site.url + "/down", 1000)
        client.get(site.url + "/pump", 1000)
    for _ in range(SILENT_IN_A_ROW - 1):
        with pytest.raises(NoAnswer):
            client.get(site.url + "/down", 1000)
    with pytest.raises(Unreachable):
        client.get(site.url + "/down", 1000)


def test_folders_have_patterns_too(conn: Connection, tmp_path: Path, index: Index) -> None:
    """The same ones for every kind."""
    for name in ("pump.md", "draft-pump.md", "old/pump.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# Pump\n\nThis is {name}.\n")
    index(str(tmp_path), Access(), include=["*.md", "old/**"], exclude=["draft-*"])
    assert sorted(documents(conn)) == ["old/pump.txt", "pump.md"]
