"""Folders: what lies in one, and what only seems to, through a link."""

from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.loading.files import scan
from retrieval.origins import Access, Gone, SourceItem
from retrieval.origins.folder import Folder
from tests.retrieval.origins.conftest import Index, counts, documents

OUT = "it is a link that leads out of the folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source with one document, beside a folder that is none of it."""
    for name in ("docs", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "docs" / "pump.md").write_text("The pump is blue.\n")
    (tmp_path / "private" / "wages.md").write_text("Ada earns most.\n")
    return tmp_path / "docs"


@pytest.mark.parametrize("target", ["../private", "../private/wages.md", "/etc", "way/../../private"])
@pytest.mark.parametrize("place", ["link", "deep/link"])
def test_a_link_out_of_a_folder_is_refused_and_told(
    conn: Connection, folder: Path, index: Index, target: str, place: str
) -> None:
    """Whoever may write into the folder must not have the bot read what they may not."""
    name = place + ".md" * target.endswith(".md")
    link = folder / name
    link.parent.mkdir(exist_ok=True)
    (folder / "way").mkdir()
    absolute = (folder / target).parent.resolve() / Path(target).name
    link.symlink_to(absolute)
    report = index(str(folder), Access())
    assert documents(conn) == {"pump.md": "The pump is blue."}
    assert report.failures == [{"document": name, "error": OUT}]


def test_what_was_read_through_a_link_before_leaves_the_index(conn: Connection, folder: Path, index: Index) -> None:
    """A document that becomes such a link is none any more."""
    (folder / "wages.md").write_text("Nobody earns anything.\n")
    index(str(folder), Access())
    (folder / "wages.md").unlink()
    (folder / "wages.md").symlink_to(folder.parent / "private" / "wages.md")
    assert counts(index(str(folder), Access())) == {"removed": 1, "unchanged": 1, "failed": 1}
    assert sorted(documents(conn)) == ["pump.md"]


def test_links_within_a_folder_are_followed_once(folder: Path) -> None:
    """Also where the source itself is a link; loops end."""
    (folder / "deep").mkdir()
    (folder / "deep" / "valve.md").write_text("The valve is red.\n")
    (folder / "deep" / "up").symlink_to("..")
    (folder / "self").symlink_to(".")
    (folder / "loop").symlink_to("loop")
    (folder / "again.md").symlink_to("pump.md")
    source = folder.parent / "source"
    source.symlink_to(folder)
    for root in (folder, source):
        found = scan(root)
        assert (sorted(found.files), found.refused) == (["again.md", "deep/valve.md", "pump.md"], ())


def test_a_file_that_becomes_a_link_before_it_is_read_is_gone(folder: Path) -> None:
    """Between the listing and its turn may be an hour."""
    opened = Folder(folder)
    opened.listing(())
    (folder / "pump.md").unlink()
    (folder / "pump.md").symlink_to(folder.parent / "private" / "wages.md")
    with pytest.raises(Gone):
        opened.fetch(SourceItem("pump.md"), None, 1000)
