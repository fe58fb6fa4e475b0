"""A web site on the loopback interface: pages with ETags, redirects, errors, robots.txt, and what was asked for."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Page:
    """What the site answers at a path."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    tagged: bool = True
    delay: float = 0.0


@dataclass
class Site:
    """The pages by path, and the requests: path, headers, status of the answer, time."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], int, float]] = field(default_factory=list)

    def put(self, path: str, body: str | bytes, kind: str = "text/html; charset=utf-8", **more: object) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = Page(data, kind, **more)  # type: ignore[arg-type]

    def article(self, path: str, title: str, text: str) -> None:
        self.put(path, f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>")

    def sitemap(self, path: str, pages: dict[str, str], nested: tuple[str, ...] = ()) -> None:
        """A sitemap of paths with their `lastmod`, or addresses with a scheme; or one of sitemaps."""
        tag = "sitemap" if nested else "url"
        entries = "".join(
            f"<{tag}><loc>{name if '://' in name else self.url + name}</loc>"
            + (f"<lastmod>{changed}</lastmod>" if changed else "")
            + f"</{tag}>"
            for name, changed in (dict.fromkeys(nested, "") or pages).items()
        )
        root = "sitemapindex" if nested else "urlset"
        self.put(
            path, f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>', "application/xml"
        )

    def answers(self) -> list[tuple[str, int]]:
        """Paths with the answers' status, without robots.txt; forgets them."""
        found = [(path, status) for path, _, status, _ in self.asked if path != "/robots.txt"]
        self.asked.clear()
        return found


@contextmanager
def running_site() -> Iterator[Site]:
    """A site on a free port, until the context ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path) or Page(b"nothing here", "text/plain", 404, tagged=False)
            etag = f'"{hashlib.sha256(page.body).hexdigest()[:12]}"'
            status = page.status
            if page.tagged and status == 200 and self.headers.get("If-None-Match") == etag:
                status = 304
            site.asked.append((self.path, dict(self.headers), status, time.monotonic()))
            time.sleep(page.delay)
            self.send_response(status)
            if page.kind:
                self.send_header("Content-Type", page.kind)
            if page.tagged and status in (200, 304):
                self.send_header("ETag", etag)
            for name, value in page.headers.items():
                self.send_header(name, value)
            body = b"" if status == 304 else page.body
            if "Content-Length" not in page.headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
