"""Where documents come from: each kind of source lists its items and fetches the bytes of one.

The index is one loop over items (retrieval/index.py); it knows no kinds. `open_origin` finds the kind by the source's
address and imports that kind alone, so that a folder needs no client of anything.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from retrieval.loading.blocks import LoadError
from retrieval.origins.patterns import is_wanted

__all__ = [
    "KINDS",
    "LOCAL",
    "Access",
    "Address",
    "Fetched",
    "Gone",
    "Item",
    "Listing",
    "Origin",
    "Unreachable",
    "kind_of",
    "open_origin",
]


class Unreachable(Exception):
    """A source cannot be read at the moment. The message says why; its documents stay in the index."""


class Gone(Exception):
    """An item that was listed is no longer there."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document of a source, before it is read. `name` is unique in the source and what people are shown; its ending
    says how it is parsed unless the fetched bytes say it. `url` is where a person can open it.
    """

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds, by name; `unreadable` are places in it that could not be looked into, with the reason."""

    items: Mapping[str, Item]
    unreadable: Mapping[str, str] = field(default_factory=dict)

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
    """An open source."""

    def listing(self, known: Collection[str]) -> Listing:
        """All items, in order of their names; `known` are the names in the index. Raises Unreachable."""
        ...

    def fetch(self, item: Item, since: str | None, max_bytes: int) -> Fetched | None:
        """The item's bytes, or None if they are those of version `since`.

        Raises LoadError if this one cannot be read, Gone if it is no more, Unreachable if none can be read.
        """
        ...


class Address(Protocol):
    """What opening a source needs of it; a retrieval.sources.SourceRow is one."""

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
    `private_hosts`. `environment` is that of programs. `pinned` gives the pinned messages of a Slack channel.
    """

    secret: Callable[[str], str | None] = lambda _: None
    cache: Path | None = None
    agent: str = "Journeyman"
    delay: float = 1.0
    private_hosts: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    pinned: Callable[[str], Sequence[Mapping[str, Any]]] | None = None

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
}
"""The kinds of sources, each with the function in this package that opens one."""


def kind_of(uri: str) -> str:
    """The kind of source that an address names, a key of KINDS."""
    parts = urlsplit(uri)
    scheme = parts.scheme.lower()
    if scheme.startswith("git+"):
        return "Git repository"
    if scheme in ("http", "https"):
        name = parts.path.rsplit("/", 1)[-1].lower()
        return "sitemap" if "sitemap" in name and name.endswith((".xml", ".xml.gz")) else "web page"
    return {"sql": "SQL query"}.get(scheme, "folder")


@contextmanager
def open_origin(source: Address, access: Access) -> Iterator[Origin]:
    """The source, of whatever kind, with its patterns applied. Raises Unreachable."""
    module, function = KINDS[kind_of(source.uri)].split(".")
    opener: Opener = getattr(import_module(f"retrieval.origins.{module}"), function)
    with opener(source, access) as origin:
        yield _Wanted(origin, source.include, source.exclude) if source.include or source.exclude else origin


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An origin without the items that its source's patterns leave out."""

    origin: Origin
    include: Sequence[str]
    exclude: Sequence[str]

    def listing(self, known: Collection[str]) -> Listing:
        found = self.origin.listing(known)
        items = {name: item for name, item in found.items.items() if is_wanted(name, self.include, self.exclude)}
        return Listing(items, found.unreadable)

    def fetch(self, item: Item, since: str | None, max_bytes: int) -> Fetched | None:
        return self.origin.fetch(item, since, max_bytes)


def too_large(max_bytes: int) -> LoadError:
    """For an item whose size is known only as larger than allowed."""
    return LoadError(f"it is too large: {max_bytes / 1e6:.1f} MB are allowed")
