"""Asking web servers, politely and carefully: one request at a time with a pause for each host, robots.txt, a limit on
size and time, and no host of the private network unless that is allowed.

Addresses are checked after they were resolved, and it is the checked address that is connected to, so that neither a
redirect nor a name server that changes its mind leads inside (https://owasp.org/www-community/attacks/
Server_Side_Request_Forgery).
"""

import base64
import http.client
import socket
import ssl
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from protego import Protego

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Unreachable, too_large
from retrieval.origins.addresses import addresses_of, is_public, private_host
from retrieval.origins.robots import read_robots

TIMEOUT = 20.0
"""Seconds that a server may be silent."""
PATIENCE = 120.0
"""Seconds that one answer may take in all."""
MAX_REDIRECTS = 5
MAX_ROBOTS = 500_000
"""Bytes of robots.txt that are read, as RFC 9309 asks of us."""
MAX_DELAY = 60.0
"""Seconds between requests that we keep to at the most if a robots.txt asks for more."""
SILENT_IN_A_ROW = 5
"""Requests without an answer after which a source counts as unreachable: the others would take as long."""
_PATH = "/%:@!$&'()*+,;=~"
_QUERY = _PATH + "?[]|"
"""What is sent as it is written beside letters and digits; `%` too, because addresses are quoted already, or nearly."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Refused(LoadError):
    """A request that we do not make: robots.txt forbids it, or the address is private."""


class NoAnswer(LoadError):
    """The server did not answer, or with an error of its own."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server said. `url` is where the redirects ended; header names are lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class WebClient:
    """One run's requests to web servers. `authorization` is sent to hosts in `trusted` alone."""

    access: Access
    authorization: str | None = None
    trusted: frozenset[str] = frozenset()
    obey_robots: bool = True
    sleep: Callable[[float], None] = time.sleep
    next_at: dict[str, float] = field(default_factory=dict)
    robots: dict[str, Protego] = field(default_factory=dict)
    silent: int = 0

    def get(self, url: str, max_bytes: int, headers: Mapping[str, str] | None = None) -> Response:
        """The answer at the end of redirects, whatever its status below 500.

        Raises LoadError if there is none for us, Unreachable once several in a row did not come.
        """
        try:
            response = self._follow(url, max_bytes, headers or {})
        except NoAnswer as error:
            self.silent += 1
            if self.silent >= SILENT_IN_A_ROW:
                raise Unreachable(f"{urlsplit(url).netloc}: {error}, {self.silent} times in a row") from error
            raise
        self.silent = 0
        return response

    def _follow(self, url: str, max_bytes: int, headers: Mapping[str, str]) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            if self.obey_robots:
                self._ask_robots(url)
            response = self._request(url, max_bytes, headers)
            if response.status not in _REDIRECTS or "location" not in response.headers:
                return response
            url = _redirected(url, response)
        raise LoadError(f"it is redirected more than {MAX_REDIRECTS} times")

    def _ask_robots(self, url: str) -> None:
        """Raises Refused if the host's robots.txt does not want us to ask for the URL."""
        host = _origin_of(url)
        if host not in self.robots:
            self.robots[host] = self._read_robots(host)
        rules = self.robots[host]
        if not rules.can_fetch(url, self.access.agent):
            raise Refused("robots.txt of the site does not allow it")

    def _read_robots(self, host: str) -> Protego:
        """RFC 9309, 2.3.1: without a robots.txt all is allowed; while it cannot be read nothing is."""
        url = host + "/robots.txt"
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request(url, MAX_ROBOTS, {}, cut=True)
            if response.status not in _REDIRECTS or "location" not in response.headers:
                break
            url = _redirected(url, response)
        return read_robots(response.body if response.status == 200 else b"", self.access.agent)

    def _pause(self, url: str) -> None:
        """Waits until this host may be asked again."""
        host = _origin_of(url)
        rules = self.robots.get(host)
        crawl_delay = rules.crawl_delay(self.access.agent) if rules else None
        delay = min(max(self.access.delay, float(crawl_delay or 0)), MAX_DELAY)
        wait = self.next_at.get(host, 0.0) - time.monotonic()
        if wait > 0:
            self.sleep(wait)
        self.next_at[host] = time.monotonic() + delay

    def _request(self, url: str, max_bytes: int, headers: Mapping[str, str], cut: bool = False) -> Response:
        if not is_address(url):
            raise Refused("it has no address that can be asked")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"its address is of no web page ({parts.scheme or 'no'}:)")
        self._pause(url)
        all_headers = {"User-Agent": self.access.agent, "Accept-Encoding": "identity", "Connection": "close", **headers}
        if self.authorization and _origin_of(url) in self.trusted:
            all_headers["Authorization"] = self.authorization
        path = urlunsplit(("", "", quote(parts.path or "/", safe=_PATH), quote(parts.query, safe=_QUERY), ""))
        connection = _connection(parts.scheme, parts.hostname, parts.port, self.access.private_hosts)
        started = time.monotonic()
        try:
            connection.request("GET", path, headers=all_headers)
            answer = connection.getresponse()
            if answer.status >= 500 or answer.status == 429:
                raise NoAnswer(f"the server answers {answer.status} {answer.reason}")
            body = _read(answer, max_bytes, started, cut=cut)
            return Response(url, answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"the server does not answer ({_reason(error)})") from error
        finally:
            connection.close()


def bearer_or_basic(secret: str | None) -> str | None:
    """The header for a secret: `user:password` as Basic, anything else as a bearer token."""
    if secret is None:
        return None
    if ":" in secret:
        return "Basic " + base64.b64encode(secret.encode()).decode()
    return f"Bearer {secret}"


def trusted_host(url: str) -> frozenset[str]:
    """The one origin that a source's secret may be sent to."""
    return frozenset({_origin_of(url)})


def is_address(url: str) -> bool:
    """Whether it can be taken apart: `http://[` and a port of 99999 cannot."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _redirected(url: str, response: Response) -> str:
    """The address that an answer leads to. Raises Refused if that is nowhere."""
    try:
        # A header comes as Latin-1, whatever its bytes are; as a rule they are those of UTF-8, and are quoted as such.
        target = urljoin(url, quote(response.headers["location"].encode("latin-1"), safe=string.printable))
    except ValueError:
        target = ""
    if not target or not is_address(target):
        raise Refused("it is redirected to what is no address")
    return target


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _read(answer: http.client.HTTPResponse, max_bytes: int, started: float, *, cut: bool) -> bytes:
    """The body, no longer and for no longer than allowed. Of one that is too long the beginning if `cut`."""
    parts = []
    room = max_bytes
    while part := answer.read1(min(room + 1, 65_536)):
        parts.append(part[:room])
        if len(part) > room:
            if cut:
                break
            raise too_large(max_bytes)
        room -= len(part)
        if time.monotonic() - started > PATIENCE:
            raise NoAnswer(f"the server is too slow: more than {PATIENCE:.0f} s")
    if answer.length:  # what it announced and did not send
        raise NoAnswer("the server broke off")
    return b"".join(parts)


def _connection(scheme: str, host: str, port: int | None, private: bool) -> http.client.HTTPConnection:
    if scheme == "https":
        return _SecureConnection(host, port, private)
    return _Connection(host, port, private)


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked."""

    def __init__(self, host: str, port: int | None, private: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self.private = private

    def connect(self) -> None:
        self.sock = _checked_socket(self.host, self.port, self.private)


class _SecureConnection(http.client.HTTPSConnection):
    """A connection with TLS to an address that was checked; the certificate is that of the name."""

    def __init__(self, host: str, port: int | None, private: bool) -> None:
        self.tls = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT, context=self.tls)
        self.private = private

    def connect(self) -> None:
        plain = _checked_socket(self.host, self.port, self.private)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


def _checked_socket(host: str, port: int, private: bool) -> socket.socket:
    """A socket to the first address of the host that answers. Raises Refused if one of them is private."""
    addresses = addresses_of(host, port)
    if not private and not all(is_public(address) for address in addresses):
        raise Refused(private_host(host))
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), TIMEOUT)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), TIMEOUT)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
