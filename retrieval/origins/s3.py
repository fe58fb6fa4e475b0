"""Buckets of S3 and of servers that speak its protocol (MinIO, Ceph, Garage, …).

s3://BUCKET/PREFIX is at Amazon, s3+https://HOST/BUCKET/PREFIX anywhere else. The secret is KEY:SECRET, or
KEY:SECRET:REGION where a region is asked for; without one the bucket is read as the public may.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from retrieval.loading import is_supported
from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Gone, Listing, SourceItem, Unreachable, too_large
from retrieval.origins.addresses import public_addresses

ATTEMPTS = 3
TIMEOUT = 20.0
"""Seconds that a server may be silent."""
_GONE = frozenset({"404", "NoSuchKey"})


@contextmanager
def open_bucket(source: Address, access: Access) -> Iterator["Bucket"]:
    """Opens the objects below a prefix."""
    try:
        import boto3  # an extra
        from botocore import UNSIGNED
        from botocore.config import Config
    except ImportError as error:
        raise Unreachable("boto3 is not installed: pip install 'journeyman[s3]'") from error

    parts = urlsplit(source.uri)
    endpoint = f"{parts.scheme.removeprefix('s3+')}://{parts.netloc}" if parts.scheme != "s3" else None
    if endpoint and not access.private_hosts:
        public_addresses(parts.hostname or "", parts.port)
    bucket, _, prefix = (parts.path if endpoint else f"{parts.netloc}{parts.path}").lstrip("/").partition("/")
    secret = access.secret_of(source)
    key, _, rest = (secret or "").partition(":")
    password, _, region = rest.partition(":")
    config = Config(
        signature_version=None if secret else UNSIGNED,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    # Everything is named, so that no credentials of this machine are looked for or used.
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region or "us-east-1",
        aws_access_key_id=key or None,
        aws_secret_access_key=password or None,
        config=config,
    )
    try:
        yield Bucket(client, unquote(bucket), unquote(prefix))
    finally:
        client.close()


@dataclass(slots=True)
class Bucket:
    """The objects of a bucket whose keys begin with a prefix, and which can be indexed. Its `listing` comes first."""

    client: Any
    bucket: str
    prefix: str
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def listing(self, index_names: Collection[str]) -> Listing:
        """The objects by their keys behind the prefix."""
        from botocore.exceptions import BotoCoreError, ClientError  # an extra

        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            objects = [entry for page in pages for entry in page.get("Contents", ())]
        except ClientError as error:
            raise Unreachable(f"the server refuses to list the bucket ({_code(error)})") from None
        except BotoCoreError as error:
            raise Unreachable(f"the server does not answer ({type(error).__name__})") from None
        cut = self.prefix.rfind("/") + 1
        self.objects = {entry["Key"][cut:]: entry for entry in objects if is_supported(entry["Key"])}
        others = [
            entry["Key"][cut:] for entry in objects if not (is_supported(entry["Key"]) or entry["Key"].endswith("/"))
        ]
        return Listing({name: SourceItem(name) for name in sorted(self.objects)}, unsupported=others)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """An object's bytes, not asked for if its ETag is that of `since`."""
        from botocore.exceptions import BotoCoreError, ClientError  # an extra

        entry = self.objects[item.name]
        if since is not None and since == entry["ETag"]:
            return None
        if entry["Size"] > max_bytes:
            raise too_large(max_bytes)
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=entry["Key"])
            data: bytes = answer["Body"].read(max_bytes + 1)
        except ClientError as error:
            if _code(error) in _GONE:
                raise Gone from None
            raise LoadError(f"the server refuses it ({_code(error)})") from None
        except BotoCoreError as error:
            raise LoadError(f"the server broke off ({type(error).__name__})") from None
        if len(data) > max_bytes:
            raise too_large(max_bytes)
        modified_at = entry["LastModified"] if isinstance(entry["LastModified"], datetime) else datetime.now(UTC)
        return Fetched(data, modified_at.astimezone(UTC), str(answer["ETag"]))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
