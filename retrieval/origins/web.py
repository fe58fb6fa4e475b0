"""Web pages: one by its address, or all that a sitemap names."""

import gzip
import io
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lxml import etree  # type: ignore[import-untyped]

from retrieval.loading import is_supported
from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Gone, Listing, SourceItem, Unreachable
from retrieval.origins.http import Response, WebClient, bearer_or_basic, is_address, trusted_host

MAX_SITEMAP = 50_000_000
MAX_ADDRESSES = 50_000
"""Both as https://www.sitemaps.org/protocol.html has them for one file; here the second is for all together."""
MAX_SITEMAPS = 500

_SUFFIX_OF = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}


@contextmanager
def open_page(source: Address, access: Access) -> Iterator["WebPage"]:
    """Opens a source of one page."""
    yield WebPage(source.uri, _client(source, access))


@contextmanager
def open_sitemap(source: Address, access: Access) -> Iterator["Sitemap"]:
    """The pages of a sitemap, and of those that it names."""
    yield Sitemap(source.uri, _client(source, access))


def _client(source: Address, access: Access) -> WebClient:
    return WebClient(access, bearer_or_basic(access.secret_of(source)), trusted_host(source.uri))


@dataclass(slots=True)
class WebPage:
    """A source of one page."""

    url: str
    client: WebClient

    def listing(self, index_names: Collection[str]) -> Listing:
        """The page itself, which is asked for when it is fetched."""
        name = name_of(self.url)
        return Listing({name: SourceItem(name, self.url)})

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The page, unless the server says that it has not changed."""
        return fetch_page(self.client, item, since, max_bytes)


@dataclass(slots=True)
class Sitemap:
    """A source of all pages that a sitemap names. Those on other hosts are left out, as the protocol has it."""

    url: str
    client: WebClient
    changed: dict[str, str] = field(default_factory=dict)

    def listing(self, index_names: Collection[str]) -> Listing:
        """The pages, by their addresses. If one of its sitemaps cannot be read, none counts as gone: Unreachable."""
        lastmod_of: dict[str, str] = {}
        queue, visited_maps = [self.url], {self.url}
        while queue:
            pages, sitemaps = self._read(queue.pop())
            lastmod_of.update(pages)
            new = [url for url in sitemaps if url not in visited_maps and is_address(url) and self._is_here(url)]
            queue += new
            visited_maps.update(new)
            if len(visited_maps) > MAX_SITEMAPS or len(lastmod_of) > MAX_ADDRESSES:
                raise Unreachable(f"it names more than {MAX_ADDRESSES} pages or {MAX_SITEMAPS} sitemaps: split it")
        odd = {url for url in lastmod_of if not is_address(url)}
        items = {name_of(url): SourceItem(name_of(url), url) for url in lastmod_of.keys() - odd if self._is_here(url)}
        if not items:
            raise Unreachable("the sitemap names no page of its own host")
        self.changed = {name_of(url): lastmod_of[url] for url in lastmod_of.keys() - odd}
        refused = dict.fromkeys(sorted(odd), "the sitemap names it, but it is no address")
        return Listing(dict(sorted(items.items())), refused=refused)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The page, unless the sitemap or the server says that it has not changed."""
        lastmod = self.changed.get(item.name, "")
        if lastmod and since is not None and _version(since).get("lastmod") == lastmod:
            return None
        return fetch_page(self.client, item, since, max_bytes, lastmod)

    def _is_here(self, url: str) -> bool:
        return urlsplit(url).netloc.lower() == urlsplit(self.url).netloc

    def _read(self, url: str) -> tuple[dict[str, str], list[str]]:
        """Pages with the time of their last change, and further sitemaps."""
        try:
            response = self.client.get(url, MAX_SITEMAP)
            if response.status != 200:
                raise Unreachable(f"the server answers {response.status} for {url}")
            return read_sitemap(_unzipped(response.body))
        except LoadError as error:
            raise Unreachable(f"{url}: {error}") from error


def read_sitemap(data: bytes) -> tuple[dict[str, str], list[str]]:
    """Pages with their `lastmod`, empty where there is none, and further sitemaps. Raises LoadError."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise LoadError(f"it is not XML ({error})") from error
    pages: dict[str, str] = {}
    sitemaps = []
    for entry in root:
        values = {etree.QName(child).localname: (child.text or "").strip() for child in entry if child.tag}
        url = values.get("loc", "")
        if url and etree.QName(entry).localname == "sitemap":
            sitemaps.append(url)
        elif url:
            pages[url] = values.get("lastmod", "")
    return pages, sitemaps


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        unzipped = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_SITEMAP + 1)
    except (OSError, EOFError) as error:
        raise LoadError(f"it is not a gzip file ({error})") from error
    if len(unzipped) > MAX_SITEMAP:
        raise LoadError("it unpacks to more than 50 MB")
    return unzipped


def fetch_page(
    client: WebClient, item: SourceItem, since: str | None, max_bytes: int, lastmod: str = ""
) -> Fetched | None:
    """Asks for a page with the ETag and the time of the version that is known. Raises Gone for 404 and 410."""
    earlier = _version(since)
    conditions = {"etag": "If-None-Match", "modified": "If-Modified-Since"}
    headers = {header: earlier[key] for key, header in conditions.items() if earlier.get(key)}
    response = client.get(item.url or "", max_bytes, headers)
    if response.status == 304:
        return None
    if response.status in (404, 410):
        raise Gone
    if response.status != 200:
        raise LoadError(f"the server answers {response.status}")
    version = {
        "etag": response.headers.get("etag", ""),
        "modified": response.headers.get("last-modified", ""),
        "lastmod": lastmod,
    }
    encoded = json.dumps({key: value for key, value in version.items() if value}) if any(version.values()) else None
    return Fetched(response.body, _modified_at(response), encoded, _suffix(response))


def name_of(url: str) -> str:
    """A page's name: its address as people read it, without the scheme."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return unquote(f"{parts.netloc}{parts.path}{query}").replace("\x00", "").rstrip("/")


def _version(since: str | None) -> dict[str, str]:
    return {} if since is None else dict(json.loads(since))


def _modified_at(response: Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["last-modified"]).astimezone(UTC)
    except (KeyError, ValueError):
        return datetime.now(UTC)


def _suffix(response: Response) -> str:
    """The ending to parse by: of the content's type; of the address where that type says nothing."""
    header = Message()
    header["content-type"] = response.headers.get("content-type", "")
    kind = header.get_content_type() if response.headers.get("content-type") else ""
    of_address = PurePosixPath(urlsplit(response.url).path)
    if kind in ("", "application/octet-stream", "text/plain") and is_supported(of_address):
        return of_address.suffix.lower()
    if kind in _SUFFIX_OF:
        return _SUFFIX_OF[kind]
    if is_supported(of_address):
        return of_address.suffix.lower()
    raise LoadError(f"pages of type '{kind or 'unknown'}' are not supported")
