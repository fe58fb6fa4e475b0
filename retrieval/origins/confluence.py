"""A space of a Confluence wiki, in the cloud or of one's own: its pages as HTML, with headings and tables.

confluence+https://HOST/wiki/SPACE names the space. The secret is EMAIL:TOKEN in the cloud, and a personal access token
elsewhere.
"""

import html
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Gone, Listing, SourceItem, Unreachable
from retrieval.origins.http import WebClient, bearer_or_basic, trusted_host

PAGE = 100
MAX_LISTING = 20_000_000
MAX_PAGES = 100_000


@contextmanager
def open_space(source: Address, access: Access) -> Iterator["Space"]:
    """The current pages of a space."""
    url = source.uri.removeprefix("confluence+")
    base, _, key = url.rstrip("/").rpartition("/")
    client = WebClient(access, bearer_or_basic(access.secret_of(source)), trusted_host(url), obey_robots=False)
    yield Space(client, base, unquote(key))


@dataclass(slots=True)
class Space:
    """The pages of a space by their titles, which are unique in it. Its `listing` comes first."""

    client: WebClient
    base: str
    key: str
    pages: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def listing(self, index_names: Collection[str]) -> Listing:
        """All current pages, each with its number of version."""
        self.pages.clear()
        following: str | None = (
            f"{self.base}/rest/api/content?spaceKey={quote(self.key)}&type=page&status=current"
            f"&expand=version&limit={PAGE}"
        )
        while following:
            answer = self._ask(following, MAX_LISTING)
            for page in answer["results"]:
                self.pages[str(page["title"])] = page
            following = _next(self.base, answer)
            if len(self.pages) > MAX_PAGES:
                raise Unreachable(f"the space has more than {MAX_PAGES} pages: register parts of it")
        items = {title: SourceItem(title, self._address(page)) for title, page in sorted(self.pages.items())}
        return Listing(items)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """A page as readers see it, not asked for if its version is that of `since`."""
        page = self.pages[item.name]
        version = f"{page['id']} {page['version']['number']}"
        if since == version:
            return None
        url = f"{self.base}/rest/api/content/{quote(str(page['id']))}?expand=body.view,version"
        response = self.client.get(url, max_bytes)
        if response.status == 404:
            raise Gone
        if response.status != 200:
            raise LoadError(f"the wiki answers {response.status}")
        content = _json(response.body)
        title = html.escape(str(content["title"]))
        text = f"<html><head><title>{title}</title></head><body>{content['body']['view']['value']}</body></html>"
        modified_at = _time(str(content["version"].get("when", "")))
        return Fetched(text.encode(), modified_at, f"{content['id']} {content['version']['number']}", ".html")

    def _ask(self, url: str, max_bytes: int) -> Mapping[str, Any]:
        try:
            response = self.client.get(url, max_bytes)
            if response.status in (401, 403, 404):
                raise Unreachable(f"the wiki answers {response.status}: check the space and its secret (--secret)")
            if response.status != 200:
                raise Unreachable(f"the wiki answers {response.status}")
            return _json(response.body)
        except LoadError as error:
            raise Unreachable(str(error)) from error

    def _address(self, page: Mapping[str, Any]) -> str | None:
        path = page.get("_links", {}).get("webui")
        return f"{self.base}{path}" if path else None


def _next(base: str, answer: Mapping[str, Any]) -> str | None:
    """The next page of a listing; links are relative to the wiki, with or without its path."""
    following = str(answer.get("_links", {}).get("next") or "")
    if not following:
        return None
    path = urlsplit(base).path
    return urljoin(base, following) if path and following.startswith(path + "/") else base + following


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise LoadError("the wiki answers with something else than JSON: is this its address?") from error
    if not isinstance(content, dict):
        raise LoadError("the wiki answers with another JSON than Confluence's: is this its address?")
    return content


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
