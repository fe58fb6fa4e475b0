"""A server that speaks as much of S3's protocol as reading takes: ListObjectsV2 in pages, GetObject, and who may."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2
_LIST = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{more}</IsTruncated>{next}{entries}
</ListBucketResult>"""
_ENTRY = """<Contents><Key>{key}</Key><LastModified>2026-11-20T10:00:00.000Z</LastModified><ETag>{etag}</ETag>
<Size>{size}</Size></Contents>"""
_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'


@dataclass
class Bucket:
    """The objects by key, the key id that may read them (None: everybody), and the keys that were asked for."""

    url: str = ""
    name: str = "handbook"
    objects: dict[str, bytes] = field(default_factory=dict)
    reader: str | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """A bucket on a free port, until the context ends."""
    bucket = Bucket()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name, _, key = unquote(parts.path).lstrip("/").partition("/")
            signed = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
            if bucket.reader and (signed is None or signed[1] != bucket.reader):
                self.answer(403, _ERROR.format(code="AccessDenied").encode())
            elif name != bucket.name:
                self.answer(404, _ERROR.format(code="NoSuchBucket").encode())
            elif key:
                bucket.asked.append(key)
                data = bucket.objects.get(key)
                if data is None:
                    self.answer(404, _ERROR.format(code="NoSuchKey").encode())
                else:
                    self.answer(200, data, etag(data))
            else:
                self.answer(200, self.listing(parse_qs(parts.query)).encode())

        def listing(self, query: dict[str, list[str]]) -> str:
            prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
            keys = [key for key in sorted(bucket.objects) if key.startswith(prefix) and key > after]
            entries = [
                _ENTRY.format(key=escape(key), etag=etag(bucket.objects[key]), size=len(bucket.objects[key]))
                for key in keys[:PAGE]
            ]
            more = len(keys) > PAGE
            token = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
            return _LIST.format(more=str(more).lower(), next=token, entries="".join(entries))

        def answer(self, status: int, body: bytes, tag: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        bucket.url = f"s3+http://127.0.0.1:{server.server_port}/{bucket.name}"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield bucket
        server.shutdown()
        thread.join()


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'
