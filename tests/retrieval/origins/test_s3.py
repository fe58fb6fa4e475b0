"""Buckets: listed in pages, read once, by whoever may."""

from collections.abc import Iterator

import pytest
from psycopg import Connection

from retrieval.indexing.sources import normal_uri
from retrieval.origins import Access
from tests.retrieval.origins.bucket import Bucket, running_bucket
from tests.retrieval.origins.conftest import Index, counts, documents

PUMP, NIGHT = b"# Pump\n\nThe pump is blue.\n", b"# Night\n\nNobody works alone.\n"
ACCESS = Access(secret={"minio": "ada:lovelace:eu-1"}.get, private_hosts=True)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with running_bucket() as running:
        running.objects = {
            "docs/pump.md": PUMP,
            "docs/rules/night shift.md": NIGHT,
            "docs/photo.jpg": b"\0",
            "docs/a.txt": b"One.",
            "other/x.md": b"# X\n\nElse.\n",
        }
        yield running


def test_what_lies_below_the_prefix_is_indexed(conn: Connection, bucket: Bucket, index: Index) -> None:
    """In as many pages as it takes; what stays is not asked for again, what is gone goes."""
    uri = bucket.url + "/docs/"
    assert counts(index(uri, ACCESS)) == {"new": 3}
    assert sorted(documents(conn)) == ["a.txt", "pump.md", "rules/night shift.md"]
    bucket.asked.clear()
    bucket.objects["docs/a.txt"] = b"Two."
    del bucket.objects["docs/pump.md"]
    assert counts(index(uri, ACCESS)) == {"changed": 1, "unchanged": 1, "removed": 1}
    assert bucket.asked == ["docs/a.txt"]
    assert documents(conn)["a.txt"] == "Two."


def test_a_secret_opens_it(conn: Connection, bucket: Bucket, index: Index) -> None:
    """Without it, or with another, nothing is read, and what was read before stays."""
    bucket.reader = "ada"
    uri = bucket.url + "/docs/"
    assert counts(index(uri, ACCESS, secret="minio")) == {"new": 3}
    refused = index(uri, ACCESS)
    assert "refuses to list the bucket (AccessDenied)" in refused.failures[0]["error"]
    assert len(documents(conn)) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"limit": 10}, "it is too large"),
        ({"uri": "/../nothing"}, "NoSuchBucket"),
        ({"uri": "http://127.0.0.1:9/x"}, "the server does not answer"),
    ],
)
def test_failures_have_reasons(bucket: Bucket, index: Index, change: dict, reason: str) -> None:
    """Of one object, of the bucket, of the server."""
    at = change.get("uri", "")
    uri = "s3+" + at if at.startswith("http") else bucket.url.replace("/handbook", "/nothing") if at else bucket.url
    report = index(uri, ACCESS, limit=change.get("limit", 10**6))
    assert any(reason in failure["error"] for failure in report.failures)


def test_an_object_that_goes_meanwhile_is_gone(conn: Connection, bucket: Bucket, index: Index) -> None:
    """Between the listing and the reading."""
    assert counts(index(bucket.url, ACCESS, include=["docs/pump.md"])) == {"new": 1}
    listed = bucket.objects.copy()

    class Vanishing(dict[str, bytes]):
        def get(self, key: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
            return None

    bucket.objects = Vanishing(listed | {"docs/pump.md": b"# Pump\n\nRed.\n"})
    assert counts(index(bucket.url, ACCESS, include=["docs/pump.md"])) == {"removed": 1}
    assert documents(conn) == {}


def test_addresses_are_kept_as_they_are() -> None:
    """Keys tell capitals apart; hosts do not."""
    assert normal_uri("S3://Handbook/Docs/") == "s3://handbook/Docs/"
    assert normal_uri("s3+https://MinIO.example:9000/Handbook/x") == "s3+https://minio.example:9000/Handbook/x"
