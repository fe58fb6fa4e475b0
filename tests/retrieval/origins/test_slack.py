"""What people wrote in Slack: an export as a ZIP file and as a folder, and what is pinned."""

import json
import zipfile
from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.indexing.sources import WrongAddress, normal_uri
from retrieval.origins import Access
from retrieval.origins.slack import Export, _Files, document
from tests.retrieval.origins.conftest import Index, counts, documents

USERS = [{"id": "U1", "real_name": "Ada"}, {"id": "U2", "name": "ben"}]
DAY, NEXT = 1_763_632_800, 1_763_719_200  # 2025-11-20 and 2025-11-21, 10:00 UTC


def said(user: str, text: str, at: float, thread: float | None = None, **more: object) -> dict[str, object]:
    threaded = {} if thread is None else {"thread_ts": f"{thread:.6f}"}
    return {"type": "message", "user": user, "text": text, "ts": f"{at:.6f}", **threaded, **more}


FILES = {
    "users.json": USERS,
    "channels.json": [{"id": "C1", "name": "press-shop"}],
    "press-shop/2025-11-20.json": [
        said("U1", "Which oil for the &lt;press&gt;? <@U2>", DAY, thread=DAY),
        said("U2", "HV 46, see <https://wiki.example/oil|the wiki>.", DAY + 60, thread=DAY),
        said("U3", "has joined the channel", DAY + 90, subtype="channel_join"),
        said("U9", "> HV 46 [1]", DAY + 95, thread=DAY, bot_id="B1"),
    ],
    "press-shop/2025-11-21.json": [
        said("U1", "# Thank you", NEXT),
        said("U1", "It works, says <#C1|press-shop>.", NEXT + 5, thread=DAY),
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path / "export"


@pytest.fixture
def archive(folder: Path) -> Path:
    path = folder.parent / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in FILES:
            packed.write(folder / name, name)
    return path


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_day_of_a_channel_is_a_document(
    conn: Connection, kind: str, index: Index, request: pytest.FixtureRequest
) -> None:
    """A thread stands where it began, with its replies of later days; people by name; no bots, no notices."""
    uri = f"slack-export:{request.getfixturevalue(kind)}"
    assert counts(index(uri, Access())) == {"new": 2}
    texts = documents(conn)
    first = texts["press-shop/2025-11-20.md"]
    assert "Which oil for the <press>? @ben" in first
    assert "ben: HV 46, see" in first
    assert "Ada: It works, says #press-shop." in first
    assert "joined" not in first
    assert "[1]" not in first
    assert "Thank you" in texts["press-shop/2025-11-21.md"]
    headings = conn.execute("SELECT DISTINCT heading FROM chunk JOIN document d ON d.id = document_id").fetchall()
    assert (["Ada, 2025-11-20 10:00"],) in headings
    assert counts(index(uri, Access())) == {"unchanged": 2}


def test_a_day_that_is_broken_loses_nothing(conn: Connection, folder: Path, index: Index) -> None:
    """It is reported; the channel's documents stay."""
    index(f"slack-export:{folder}", Access())
    (folder / "press-shop/2025-11-21.json").write_text("[{")
    report = index(f"slack-export:{folder}", Access())
    assert "no day of an export" in report.failures[0]["error"]
    assert len(documents(conn)) == 2


@pytest.mark.parametrize(
    ("limit", "bytes_", "reason"),
    [
        ("MAX_FILE", 300, "it is too large"),
        ("MAX_CHANNEL", 600, "it is too large"),
        ("MAX_EXPORT", 700, "split it"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_what_unpacks_to_too_much_is_not_unpacked(
    conn: Connection,
    kind: str,
    limit: str,
    bytes_: int,
    reason: str,
    index: Index,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A day, the days of a channel or an export; what is in the index stays there."""
    uri = f"slack-export:{request.getfixturevalue(kind)}"
    index(uri, Access())
    monkeypatch.setattr(f"retrieval.origins.slack.{limit}", bytes_)
    report = index(uri, Access())
    assert counts(report) == {"failed": 1}
    assert reason in report.failures[0]["error"]
    assert len(documents(conn)) == 2


def test_one_channel_is_in_memory_at_a_time(folder: Path) -> None:
    """Files that hold no messages are never read, days only with their channel."""
    said_there = json.dumps([said("U1", "Grease the valve.", DAY)])
    (folder / "valves").mkdir()
    (folder / "valves" / "2025-11-20.json").write_text(said_there)
    read: list[str] = []
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*.json")}
    export = Export(_Files(sizes, lambda name: read.append(name) or (folder / name).read_bytes()))  # type: ignore[func-returns-value]
    items = export.listing(()).items
    assert "channels.json" not in read
    assert set(export.at_hand[1]) == {"valves/2025-11-20.md"}
    read.clear()
    for item in items.values():
        assert export.fetch(item, None, 10_000)
        assert all(name.startswith(item.name.partition("/")[0]) for name in export.at_hand[1])
    assert read == ["press-shop/2025-11-20.json", "press-shop/2025-11-21.json", "valves/2025-11-20.json"]


def test_an_export_in_a_folder_ends_at_the_folder(conn: Connection, folder: Path, index: Index) -> None:
    """A link to elsewhere is no channel of it."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "2025-11-20.json").write_text(json.dumps([said("U1", "Not for everybody.", DAY)]))
    (folder / "linked").symlink_to(elsewhere)
    index(f"slack-export:{folder}", Access())
    assert [name for name in documents(conn) if name.startswith("linked")] == []


@pytest.mark.parametrize(
    ("content", "reason"), [(b"PK", "neither a ZIP file nor a folder"), (None, "is this an export")]
)
def test_what_is_no_export_is_told(tmp_path: Path, index: Index, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.zip"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert reason in index(f"slack-export:{path}", Access()).failures[0]["error"]


def test_what_is_pinned_is_a_document(conn: Connection, index: Index) -> None:
    """The oldest first; whoever unpins all gets a reason, and the document stays."""
    pinned = [said("U1", "Grease every 400 hours.", NEXT), said("U2", "Oil is HV 46.", DAY)]
    access = Access(pinned=lambda channel: pinned if channel == "C0123" else [])
    assert counts(index("slack-pins:c0123", access)) == {"new": 1}
    text = documents(conn)["pinned in C0123"]
    assert text.index("HV 46") < text.index("400 hours")
    pinned.clear()
    assert "nothing is pinned" in index("slack-pins:C0123", access).failures[0]["error"]
    assert "Slack is not set up" in index("slack-pins:C0123", Access()).failures[0]["error"]
    assert len(documents(conn)) == 1


def test_a_message_opens_no_section() -> None:
    """Nor does one in a thread."""
    text = document("T", [[said("U1", "# Big\nsmall", DAY)]], {}).decode()
    assert "\\# Big" in text


def test_addresses(folder: Path) -> None:
    """A path is kept whole; a channel by its id."""
    assert normal_uri(f"slack-export:{folder}") == f"slack-export:{folder}"
    assert normal_uri("slack-pins:C0ABC") == "slack-pins:C0ABC"
    with pytest.raises(WrongAddress, match="channel's id"):
        normal_uri("slack-pins:#general")
