"""Registered sources: their addresses, settings and schedules, and what is known of them."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from retrieval.collections import OtherAudience
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import (
    MissingPath,
    SourceSettings,
    WrongAddress,
    add_source,
    due_sources,
    list_sources,
    normal_uri,
    register_sources,
    source_extent,
)
from tests.retrieval.indexing.test_index import HashEmbedder


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("HTTPS://Wiki.Example", "https://wiki.example/"),
        ("https://wiki.example/Docs?x=1#part", "https://wiki.example/Docs?x=1"),
        ("https://github.com/a/b.git", "git+https://github.com/a/b.git"),
        ("git@github.com:a/b.git", "git+ssh://git@github.com/a/b.git"),
        ("ssh://git@host/a/b", "git+ssh://git@host/a/b"),
        ("git+https://host/a/b#main", "git+https://host/a/b#main"),
        ("git+file:///srv/handbook.git", "git+file:///srv/handbook.git"),
        ("sql:plant/alarms", "sql:plant/alarms"),
    ],
)
def test_an_address_has_one_form(address: str, uri: str) -> None:
    """However a person writes it, so that it is registered once."""
    assert normal_uri(address) == uri
    assert normal_uri(uri) == uri


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://ada:lovelace@wiki.example/", "--secret"),
        ("https://ada@wiki.example/", "--secret"),
        ("git+ssh://ada:lovelace@host/a", "--secret"),
        ("ftp://host/file", "not known"),
        ("https:///page", "names no host"),
        ("sql:postgresql://ada:lovelace@host/db", "sql:SECRET/NAME"),
    ],
)
def test_an_address_that_no_source_can_have(address: str, reason: str) -> None:
    """The sentence says what to do, and does not repeat a password."""
    with pytest.raises(WrongAddress) as raised:
        normal_uri(address)
    assert reason in str(raised.value)
    assert "lovelace" not in str(raised.value)


def test_paths_are_paths(tmp_path: Path) -> None:
    """Also with a colon in them; a missing one is told."""
    (tmp_path / "notes:2026").mkdir()
    assert normal_uri(str(tmp_path / "notes:2026")) == str(tmp_path / "notes:2026")
    with pytest.raises(MissingPath):
        normal_uri(tmp_path / "nowhere")


def test_settings_are_kept_and_replaced(conn: Connection, tmp_path: Path) -> None:
    """Adding a source again sets it anew; its documents stay."""
    first = add_source(conn, tmp_path, "shop", SourceSettings(["*.md"], ["old/"], 60))
    again = add_source(conn, tmp_path, "shop", SourceSettings(exclude=["*.txt"], every_minutes=0))
    assert first.id == again.id
    assert list_sources(conn) == [again]
    assert (again.include, again.exclude, again.every_minutes) == ([], ["*.txt"], 0)


def test_a_query_is_for_sql_alone(conn: Connection, tmp_path: Path) -> None:
    """And a SQL source cannot be without."""
    with pytest.raises(WrongAddress, match="needs a query"):
        add_source(conn, "sql:plant/alarms")
    with pytest.raises(WrongAddress, match="Only a SQL source"):
        add_source(conn, tmp_path, settings=SourceSettings(query="SELECT 1"))
    assert list_sources(conn) == []


def test_each_source_has_its_own_schedule(conn: Connection, tmp_path: Path) -> None:
    """Due is what was never tried, and then what was not for its time; a manual one never is."""
    schedules = {"always": None, "manual": 0, "hour": 60, "day": 1440}
    for name, minutes in schedules.items():
        (tmp_path / name).mkdir()
        add_source(conn, tmp_path / name, settings=SourceSettings(every_minutes=minutes))

    def due() -> list[str]:
        return [Path(source.uri).name for source in due_sources(conn)]

    assert due() == ["always", "day", "hour"]
    index_sources(conn, HashEmbedder(), list_sources(conn), max_bytes=1000)
    assert due() == ["always"]
    conn.execute("UPDATE source SET tried_at = tried_at - interval '59 minutes'")
    assert due() == ["always", "hour"]
    conn.execute("UPDATE source SET tried_at = tried_at - interval '1 day'")
    assert due() == ["always", "day", "hour"]


def test_a_source_that_cannot_be_read_waits_for_its_time_too(conn: Connection, tmp_path: Path) -> None:
    """It says since when and why, and is not asked at every tick; what it held is known."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "pump.md").write_text("# Pump\n\nThe pump is blue.\n")
    source = add_source(conn, folder, settings=SourceSettings(every_minutes=60))
    index_sources(conn, HashEmbedder(), [source], max_bytes=1000)
    (before,) = list_sources(conn)
    folder.rename(tmp_path / "away")
    index_sources(conn, HashEmbedder(), [source], max_bytes=1000)
    (after,) = list_sources(conn)
    assert (before.error, after.error) == (None, "No such file or directory")
    assert (after.scanned_at, due_sources(conn)) == (before.scanned_at, [])
    assert source_extent(conn, source.id) == (1, 1)
    (tmp_path / "away").rename(folder)
    index_sources(conn, HashEmbedder(), [source], max_bytes=1000)
    assert list_sources(conn)[0].error is None


@pytest.mark.parametrize("register", ["add_source", "register_sources"])
def test_a_new_collection_is_for_whom_it_is_said_to_be(conn: Connection[Any], tmp_path: Path, register: str) -> None:
    """In the transaction that makes it; one that is there keeps its audience, and another one is refused."""

    def add(*audience: str) -> None:
        if register == "add_source":
            add_source(conn, tmp_path, "hr", audience=audience or None)
        else:
            register_sources(conn, [tmp_path], "hr", audience or None)

    def stands() -> list[Any]:
        return conn.execute("SELECT name, audience, (SELECT count(*) FROM source) FROM collection").fetchall()

    with pytest.raises(MissingPath):
        register_sources(conn, [tmp_path / "missing"], "hr", ["group:S01"])
    assert stands() == []
    add("user:U02", "group:S01")
    assert stands() == [("hr", ["group:S01", "user:U02"], 1)]
    add()
    add("group:S01", "user:U02")
    with pytest.raises(OtherAudience, match=r"hr is for group:S01, user:U02 already.*collection audience"):
        add("everyone")
    assert stands() == [("hr", ["group:S01", "user:U02"], 1)]
