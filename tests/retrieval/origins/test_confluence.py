"""A space of a wiki that speaks Confluence's REST interface."""

import json
from urllib.parse import quote

import pytest
from psycopg import Connection

from retrieval.origins import Access
from tests.retrieval.origins.conftest import Index, counts, documents
from tests.retrieval.origins.site import Site

TABLE = "<table><tr><th>Code</th><th>Meaning</th></tr><tr><td>E1</td><td>Too hot</td></tr></table>"


class Wiki:
    """Pages by title with their HTML; each change counts as a version."""

    def __init__(self, site: Site) -> None:
        self.site, self.pages = site, {}
        self.uri = site.url.replace("http://", "confluence+http://") + "/wiki/OPS"

    def write(self, title: str, body: str) -> None:
        number = self.pages.get(title, ("", 0))[1] + 1
        self.pages[title] = (body, number)
        self.publish()

    def publish(self) -> None:
        """In pages of two, as the interface lists them."""
        entries = [
            {"id": str(100 + place), "title": title, "version": {"number": number, "when": "2026-11-20T10:00:00Z"}}
            | {"_links": {"webui": f"/spaces/OPS/pages/{100 + place}"}}
            for place, (title, (_, number)) in enumerate(self.pages.items())
        ]
        first = "/wiki/rest/api/content?spaceKey=OPS&type=page&status=current&expand=version&limit=100"
        for start in range(0, max(len(entries), 1), 2):
            path = first if start == 0 else f"/wiki/rest/api/content?start={start}"
            links = {"next": f"/rest/api/content?start={start + 2}"} if start + 2 < len(entries) else {}
            listing = {"results": entries[start : start + 2], "_links": links}
            self.site.put(path, json.dumps(listing), "application/json", tagged=False)
        for entry in entries:
            body = {"body": {"view": {"value": self.pages[entry["title"]][0]}}}
            path = f"/wiki/rest/api/content/{quote(entry['id'])}?expand=body.view,version"
            self.site.put(path, json.dumps(entry | body), "application/json", tagged=False)


@pytest.fixture
def wiki(site: Site) -> Wiki:
    wiki = Wiki(site)
    wiki.write("Alarms <new>", f"<h2>Press</h2>{TABLE}")
    wiki.write("Night", "<p>Nobody works alone.</p>")
    wiki.write("Pump", "<p>The pump is blue.</p>")
    return wiki


def test_pages_keep_their_structure(conn: Connection, wiki: Wiki, web: Access, index: Index) -> None:
    """All pages of the space, with headings, tables and where to open them."""
    assert counts(index(wiki.uri, web)) == {"new": 3}
    assert "E1" in documents(conn)["Alarms <new>"]
    rows = conn.execute(
        "SELECT d.title, d.url, c.heading, c.kind FROM document d JOIN chunk c ON c.document_id = d.id"
        " WHERE d.name = 'Alarms <new>'"
    ).fetchall()
    base = wiki.site.url + "/wiki"
    assert rows[0][:3] == ("Alarms <new>", f"{base}/spaces/OPS/pages/100", ["Press"])
    assert rows[0][3] == "table"


def test_only_changed_pages_are_asked_for(conn: Connection, wiki: Wiki, web: Access, index: Index) -> None:
    """By their version; what is deleted goes."""
    index(wiki.uri, web)
    wiki.site.answers()
    wiki.write("Night", "<p>Nobody works alone, ever.</p>")
    del wiki.pages["Pump"]
    wiki.publish()
    assert counts(index(wiki.uri, web)) == {"changed": 1, "unchanged": 1, "removed": 1}
    asked = [path for path, _ in wiki.site.answers() if "body.view" in path]
    assert asked == ["/wiki/rest/api/content/101?expand=body.view,version"]
    assert documents(conn)["Night"] == "Nobody works alone, ever."


def test_the_secret_goes_to_the_wiki(wiki: Wiki, web: Access, index: Index) -> None:
    """As name and token in the cloud, as a token elsewhere."""
    for secret, header in (("ada@example.org:t", "Basic "), ("token", "Bearer token")):
        wiki.site.asked.clear()
        access = Access(secret={"wiki": secret}.get, delay=0.0, private_hosts=True)
        index(wiki.uri, access, secret="wiki")
        sent = {name.lower(): value for name, value in wiki.site.asked[0][1].items()}
        assert sent["authorization"].startswith(header)


@pytest.mark.parametrize(("status", "reason"), [(401, "check the space and its secret"), (500, "500")])
def test_a_wiki_that_refuses_loses_nothing(
    conn: Connection, wiki: Wiki, web: Access, index: Index, status: int, reason: str
) -> None:
    """What was read before stays."""
    index(wiki.uri, web)
    path = "/wiki/rest/api/content?spaceKey=OPS&type=page&status=current&expand=version&limit=100"
    wiki.site.put(path, "{}", "application/json", status=status, tagged=False)
    assert reason in index(wiki.uri, web).failures[0]["error"]
    assert len(documents(conn)) == 3


def test_another_site_is_no_wiki(wiki: Wiki, web: Access, index: Index) -> None:
    """It answers with a page."""
    path = "/wiki/rest/api/content?spaceKey=OPS&type=page&status=current&expand=version&limit=100"
    wiki.site.put(path, "<html>Welcome</html>", tagged=False)
    assert "is this its address?" in index(wiki.uri, web).failures[0]["error"]
