"""Where documents come from: each kind of source lists its items and fetches the bytes of one.

The index is one loop over items (retrieval/indexing/index.py); it knows no kinds. `open_origin` finds the kind by the
source's address and imports that kind alone, so that a folder needs no client of anything.
"""

import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog

from retrieval.loading.blocks import LoadError
from retrieval.origins.patterns import is_wanted

__all__ = [
    "KINDS",
    "LOCAL",
    "Access",
    "Address",
    "Fetched",
    "Gone",
    "Listing",
    "Origin",
    "SourceItem",
    "Unreachable",
    "kind_of",
    "open_origin",
]

log = structlog.get_logger()


class Unreachable(Exception):
    """A source cannot be read at the moment. The message says why; its documents stay in the index."""


class Gone(Exception):
    """An item that was listed is no longer there."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A document of a source, before it is read. `name` is unique in the source and what people are shown; its ending
    says how it is parsed unless the fetched bytes say it. `url` is where a person can open it.
    """

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds, by name; `unreadable` are places in it that could not be looked into, with the reason, and
    `refused` what was seen and is none of its documents, such as a link that leads out of it. `unsupported` are the
    names of files that are of no kind that can be read.
    """

    items: Mapping[str, SourceItem]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    unsupported: Sequence[str] = ()

    @property
    def failures(self) -> dict[str, str]:
        """The places that people are told of, by name, each with the reason."""
        return {**self.refused, **self.unreadable}

    def may_hold(self, name: str) -> bool:
        """Whether an item of this name could lie where nobody could look."""
        return any(name.startswith(place + "/") for place in self.unreadable)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An item's bytes. `version` says, given to the next `fetch`, that they are the same without reading them; None if
    nothing can say it. `suffix` is the ending that they are parsed by, empty for that of the item's name.
    """

    data: bytes
    modified_at: datetime
    version: str | None = None
    suffix: str = ""


class Origin(Protocol):
    """A source that is open, to be listed and fetched from."""

    def listing(self, index_names: Collection[str]) -> Listing:
        """All items, in order of their names; `index_names` are the names in the index. Raises Unreachable."""
        ...

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The item's bytes, or None if they are those of version `since`.

        Raises LoadError if this one cannot be read, Gone if it is no more, Unreachable if none can be read.
        """
        ...


class Address(Protocol):
    """What opening a source needs of it; a retrieval.indexing.sources.SourceRow is one."""

    @property
    def uri(self) -> str: ...
    @property
    def include(self) -> Sequence[str]: ...
    @property
    def exclude(self) -> Sequence[str]: ...
    @property
    def query(self) -> str | None: ...
    @property
    def secret(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Access:
    """How sources outside this machine are read.

    `secret` gives the secret of a name. `cache` is a folder for copies of repositories. `agent` names us to web
    servers, which get at most one request in `delay` seconds each; hosts with private addresses are asked only if
    `private_hosts`. `environment` is that of programs. `pinned` gives the pinned messages of a Slack channel. Servers
    that can leave out files larger than `max_bytes` are asked to.
    """

    secret: Callable[[str], str | None] = lambda _: None
    cache: Path | None = None
    agent: str = "Journeyman"
    delay: float = 1.0
    private_hosts: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    pinned: Callable[[str], Sequence[Mapping[str, Any]]] | None = None
    max_bytes: int | None = None

    def secret_of(self, source: Address) -> str | None:
        """The source's secret, None if it needs none. Raises Unreachable if the settings lack it."""
        if source.secret is None:
            return None
        value = self.secret(source.secret)
        if value is None:
            variable = f"JOURNEYMAN_SOURCE_SECRETS__{source.secret.upper()}"
            raise Unreachable(f"its secret is not set: give {variable} a value")
        return value


LOCAL = Access()
"""Enough for what lies on this machine."""

Opener = Callable[[Address, Access], AbstractContextManager[Origin]]

KINDS: Mapping[str, str] = {
    "folder": "folder.open_folder",
    "web page": "web.open_page",
    "sitemap": "web.open_sitemap",
    "Git repository": "git.open_repository",
    "SQL query": "sql.open_query",
    "bucket": "s3.open_bucket",
    "Confluence space": "confluence.open_space",
    "Slack export": "slack.open_export",
    "pinned messages": "slack.open_pins",
}
"""The kinds of sources, each with the function in this package that opens one."""

_KIND_OF_SCHEME = {
    "git": "Git repository",
    "sql": "SQL query",
    "s3": "bucket",
    "confluence": "Confluence space",
    "slack-export": "Slack export",
    "slack-pins": "pinned messages",
}


def kind_of(uri: str) -> str:
    """The kind of source that an address names, a key of KINDS."""
    parts = urlsplit(uri)
    scheme = parts.scheme.lower()
    if scheme in ("http", "https"):
        name = parts.path.rsplit("/", 1)[-1].lower()
        return "sitemap" if "sitemap" in name and name.endswith((".xml", ".xml.gz")) else "web page"
    return _KIND_OF_SCHEME.get(scheme.partition("+")[0], "folder")


@contextmanager
def open_origin(source: Address, access: Access) -> Iterator[Origin]:
    """The source, of whatever kind, with its patterns applied. Raises Unreachable, and nothing else of its own."""
    with ExitStack() as stack:
        with _foreseen(source.uri, Unreachable):
            module, function = KINDS[kind_of(source.uri)].split(".")
            opener: Opener = getattr(import_module(f"retrieval.origins.{module}"), function)
            origin: Origin = _Guarded(source.uri, stack.enter_context(opener(source, access)))
        yield _Filtered(origin, source.include, source.exclude) if source.include or source.exclude else origin


_FRAMES = 4


@contextmanager
def _foreseen(uri: str, kind: type[Unreachable] | type[LoadError]) -> Iterator[None]:
    """The edge to servers, files and clients of others, which fail in ways that nobody lists: what none of an origin's
    errors says becomes one of `kind`. Its own message is kept nowhere: it may hold words of a document.
    """
    try:
        yield
    except (Unreachable, LoadError, Gone):
        raise
    except Exception as error:  # noqa: BLE001 - one source must not end the run over all others
        name = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        where = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        log.error("a source does what nobody foresaw", source=uri, error=name, where=where)
        raise kind(f"an unforeseen {name}; the log says more") from None


@dataclass(frozen=True, slots=True)
class _Guarded:
    """An origin that raises what an origin may raise, and whose names can be kept."""

    uri: str
    origin: Origin

    def listing(self, index_names: Collection[str]) -> Listing:
        with _foreseen(self.uri, Unreachable):
            listing = self.origin.listing(index_names)
        odd = [name for name, item in listing.items.items() if not (_is_text(name) and _is_text(item.url or ""))]
        if not odd:
            return listing
        items = {name: item for name, item in listing.items.items() if name not in odd}
        return Listing(
            items,
            listing.unreadable,
            {**listing.refused, **dict.fromkeys(map(_shown, odd), _ODD_NAME)},
            tuple(map(_shown, listing.unsupported)),
        )

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        with _foreseen(self.uri, LoadError):
            return self.origin.fetch(item, since, max_bytes)


_ODD_NAME = "its name holds characters that cannot be kept"


def _is_text(name: str) -> bool:
    """Whether the database takes a name as text."""
    return _shown(name) == name


def _shown(name: str) -> str:
    return name.encode(errors="replace").decode().replace("\0", "?")


@dataclass(frozen=True, slots=True)
class _Filtered:
    """An origin without the items that its source's patterns leave out."""

    origin: Origin
    include: Sequence[str]
    exclude: Sequence[str]

    def listing(self, index_names: Collection[str]) -> Listing:
        listing = self.origin.listing(index_names)
        items = {name: item for name, item in listing.items.items() if is_wanted(name, self.include, self.exclude)}
        refused = {name: why for name, why in listing.refused.items() if is_wanted(name, self.include, self.exclude)}
        unsupported = [name for name in listing.unsupported if is_wanted(name, self.include, self.exclude)]
        return Listing(items, listing.unreadable, refused, unsupported)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        return self.origin.fetch(item, since, max_bytes)


def too_large(max_bytes: int) -> LoadError:
    """The error for an item whose size is known only as larger than allowed."""
    return LoadError(f"it is too large: {max_bytes / 1e6:.1f} MB are allowed")
