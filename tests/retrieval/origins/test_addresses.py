"""Which hosts of sources are asked: those of the internet, unless others are allowed."""

from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.indexing.sources import SourceRow
from retrieval.origins import Access, Unreachable, open_origin
from retrieval.origins.addresses import is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("feff:ffff::1", False),
        ("fd00::1", False),
        ("64:ff9b::a00:7", False),
        ("2002:a00:7::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """Also those of the private network in the clothes of IPv6."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    "uri", ["git+http://127.0.0.1:9/a.git", "git+ssh://127.0.0.1/a.git", "s3+http://127.0.0.1:9/b"]
)
def test_sources_of_every_kind_are_not_in_a_private_network(uri: str, tmp_path: Path) -> None:
    """Unless the setting allows it; then they are asked, and here nobody answers."""
    access = Access(cache=tmp_path)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 is in a private network"), open_origin(row(uri), access):
        pass
    allowed = replace(access, private_hosts=True)
    with pytest.raises(Unreachable) as refused, open_origin(row(uri), allowed) as origin:
        origin.listing(())
    assert "private network" not in str(refused.value)


def test_a_repository_on_this_disk_has_no_host(tmp_path: Path) -> None:
    """Nothing is resolved for it, so that nothing is refused."""
    with open_origin(row(f"git+file://{tmp_path}/a.git"), Access(cache=tmp_path)):
        pass


def row(uri: str) -> SourceRow:
    return SourceRow(1, "handbook", uri)
