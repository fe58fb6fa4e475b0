"""Parsing in a process of its own: what hangs, grows or crashes costs its own file, and nothing is left behind."""

import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.loading import LoadError, load
from retrieval.loading.blocks import Block, ParsedDocument
from retrieval.loading.isolated import IsolatedParser, ParserLimits
from tests.retrieval.indexing.test_index import HashEmbedder

PARSER = "tests.retrieval.loading.parsers:parse"
LIMITS = ParserLimits(seconds=1.5, megabytes=400)


@pytest.fixture
def bad() -> Iterator[IsolatedParser]:
    """A parser that does what the file says, in little time and memory."""
    with IsolatedParser(LIMITS, parser=PARSER) as parser:
        parser("warm-up", b"ok")
        yield parser


@pytest.fixture(scope="module")
def good() -> Iterator[IsolatedParser]:
    """The real parsers with the limits that they have in use, but less time."""
    with IsolatedParser(ParserLimits(seconds=20)) as parser:
        yield parser


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_document_comes_back_as_it_was_parsed(bad: IsolatedParser) -> None:
    """Title, address, heading paths, kinds and texts; parsed in another process, which is kept."""
    first = bad("pump", b"ok", ".md")
    assert (first.title, first.url) == ("pump.md", "https://x.example")
    (block,) = first.blocks
    assert (block.heading, block.kind) == (("A", "B"), "code")
    assert int(block.text) == bad.pid != os.getpid()
    assert bad("other", b"ok").blocks == first.blocks


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"sleep", "takes longer than 2 s"),
        (b"spin", "takes longer than 2 s"),
        (b"eat", "takes more than 400 MB of memory"),
        (b"exit", "crashed (exit code 3)"),
        (b"segfault", "crashed (SIGSEGV)"),
        (b"raise", "it is bad"),
        (b"\xff\xff", "crashed (exit code 1)"),
    ],
)
def test_what_a_file_does_to_its_parser_is_a_reason_and_the_next_one_is_read(
    bad: IsolatedParser, file: bytes, reason: str
) -> None:
    """Within little more than the time it has; the process that had to be ended is replaced."""
    started = time.monotonic()
    with pytest.raises(LoadError) as raised:
        bad("file", file)
    assert reason in str(raised.value)
    assert time.monotonic() - started < LIMITS.seconds + 2
    assert bad("next", b"ok").title == "next"


def test_an_answer_without_end_is_not_taken(bad: IsolatedParser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may have a parser write more than we have memory for."""
    monkeypatch.setattr("retrieval.loading.isolated.MAX_ANSWER", 10_000)
    assert len(bad("file", b"chatter 9000").blocks[0].text) == 9000
    with pytest.raises(LoadError, match=r"its text is longer than 0\.01 MB"):
        bad("file", b"chatter 11000")
    assert bad("next", b"ok").title == "next"


def test_what_a_parser_prints_is_no_answer(bad: IsolatedParser) -> None:
    """Not even if it looks like one."""
    assert bad("file", b"print").title == "file"


def test_what_a_parser_started_ends_with_it(bad: IsolatedParser, tmp_path: Path) -> None:
    """As a program for text recognition."""
    with pytest.raises(LoadError):
        bad("file", f"grandchild {tmp_path / 'pid'}".encode())
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_parser_learns_no_secret(bad: IsolatedParser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds what it needs and nothing of ours."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    bad.close()
    names = {block.text.partition("=")[0] for block in bad("file", b"environment").blocks}
    assert names - {"LC_CTYPE"} == {
        *("PATH", "PYTHONPATH", "TMPDIR", "HOME", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a process nor its folder, however it ended."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with IsolatedParser(LIMITS, parser=PARSER) as parser:
        parser("file", b"ok")
        pids = [parser.pid]
        with pytest.raises(LoadError):
            parser("file", b"sleep")
        parser("file", b"ok")
        pids.append(parser.pid)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    assert not any(is_alive(pid) for pid in pids if pid)


def test_the_process_deletes_its_own_folder_alone(tmp_path: Path) -> None:
    """Also where that is gone already, and what the system calls the temporary folder is everybody's."""
    other = tmp_path / "of somebody else"
    other.write_text("Keep me.")
    config = {
        "parser": "tests.retrieval.loading.parsers:parse",
        "megabytes": 4000,
        "seconds": 5,
        "folder": str(tmp_path / "gone"),
    }
    command = [sys.executable, "-m", "retrieval.loading.child", json.dumps(config)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert other.exists()


def test_a_fork_has_a_process_of_its_own(bad: IsolatedParser) -> None:
    """As the children of a Celery worker, which would read each other's answers; that of the parent stays."""
    ours = int(bad("file", b"ok").blocks[0].text)
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def work() -> None:
        results.put(int(bad("file", b"ok").blocks[0].text))
        bad.close()

    children = [context.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    theirs = {results.get(timeout=20) for _ in children}
    for child in children:
        child.join(20)
    assert len(theirs | {ours}) == 3
    assert not any(is_alive(pid) for pid in theirs)
    assert int(bad("file", b"ok").blocks[0].text) == ours


def test_files_of_several_threads_do_not_mix(bad: IsolatedParser) -> None:
    """Each gets its own answer."""
    titles: list[tuple[str, str]] = []

    def ask(name: str) -> None:
        titles.extend((name, bad(name, b"ok").title) for _ in range(20))

    threads = [threading.Thread(target=ask, args=[f"file-{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(titles) == 80
    assert all(name == title for name, title in titles)


def test_the_real_parsers_give_the_same_there(good: IsolatedParser) -> None:
    """Of text, tables and headings."""
    for name, data in {
        "a.md": b"# Pump\n\n## Oil\n\nUse *HV 46*.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "b.csv": b"Code,Meaning\nE1,Too hot\n",
        "c.html": "<title>Über</title><h1>Über</h1><p>Grüße \U0001f600</p>".encode(),
    }.items():
        assert good(name, data) == load(name, data)
    with pytest.raises(LoadError, match="not supported"):
        good("x.exe", b"MZ")


def test_a_kept_process_is_fast(good: IsolatedParser) -> None:
    """A file costs a few milliseconds, not the second that a start takes."""
    good("warm-up.md", b"# Warm\n\nup\n")
    started = time.perf_counter()
    for number in range(100):
        good("a.md", f"# Pump {number}\n\nThe pump is blue.\n".encode())
    assert (time.perf_counter() - started) / 100 < 0.05


def zip_bomb(member: str) -> bytes:
    """A few kilobytes that unpack to a gigabyte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as file:
        for _ in range(1000):
            file.write(b" " * 1_000_000)
    return packed.getvalue()


def nested_html() -> bytes:
    return b"<div>" * 200_000 + b"deep" + b"</div>" * 200_000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bomb.docx", zip_bomb("word/document.xml")),
        ("deep.json", b"[" * 500_000 + b"]" * 500_000),
        ("deeper.json", b'{"a":' * 500_000 + b"1" + b"}" * 500_000),
        ("deep.md", b">" * 100_000 + b" deep"),
    ],
)
def test_files_made_to_harm_are_refused(good: IsolatedParser, name: str, data: bytes) -> None:
    """With a reason, in their time, and the next file is read."""
    with pytest.raises(LoadError):
        good(name, data)
    assert good("next.md", b"# Next\n\nOne.\n").title == "Next"


def test_deeply_nested_html_ends(good: IsolatedParser) -> None:
    """It is read or refused, whatever its parser does with it; the next file is read."""
    try:
        found: ParsedDocument | None = good("deep.html", nested_html())
    except LoadError:
        found = None
    assert found is None or found.blocks == (Block((), "text", "deep"),)
    assert good("next.md", b"# Next\n\nOne.\n").title == "Next"


def test_a_run_goes_on(conn: Connection, tmp_path: Path, bad: IsolatedParser) -> None:
    """Each of the bad files is reported with its reason, and the good ones stand in the index."""
    for name in ("exit", "ok", "sleep", "zz"):
        (tmp_path / f"{name}.md").write_text(name)
    report = index_sources(conn, HashEmbedder(), register_sources(conn, [tmp_path]), max_bytes=1000, parse=bad)
    assert {failure["document"] for failure in report.failures} == {"exit.md", "sleep.md"}
    assert conn.execute("SELECT array_agg(name ORDER BY name) FROM document").fetchone() == (["ok.md", "zz.md"],)
