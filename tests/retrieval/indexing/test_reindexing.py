"""Runs that somebody asked for: what they are about, one at a time, progress, stopping, and processes that die."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs.execution import ATTEMPTS
from jobs.rows import cancel_job, is_worked_on
from retrieval.indexing.index import index_sources
from retrieval.indexing.reindexing import (
    AlreadyRunning,
    Run,
    Target,
    carry_out,
    find_target,
    open_runs,
    read_run,
    request_run,
)
from retrieval.indexing.sources import list_sources, register_sources
from retrieval.indexing.tally import IndexReport
from retrieval.loading import ParsedDocument, load
from retrieval.origins import Access
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.site import running_site

LIMIT = 1_000_000
Conn = psycopg.Connection[Any]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Two manuals and one that cannot be read, for the collection "default"; one for "rules"."""
    for folder in ("manuals", "rules"):
        (tmp_path / folder).mkdir()
    (tmp_path / "manuals" / "pump.md").write_text("# Pump\n\nThe pump is blue and stands in hall 3.\n")
    (tmp_path / "manuals" / "press.md").write_text("# Press\n\nThe press is green and stands in hall 4.\n")
    (tmp_path / "manuals" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing of use")
    (tmp_path / "rules" / "night.md").write_text("# Night\n\nNobody works alone at night.\n")
    return tmp_path


@pytest.fixture
def db(database: str, docs: Path) -> Any:
    """A connection as a worker has it, with both sources indexed."""
    with psycopg.connect(database, autocommit=True) as conn:
        register_sources(conn, [docs / "manuals"])
        register_sources(conn, [docs / "rules"], "rules")
        index_sources(conn, HashEmbedder(), list_sources(conn), max_bytes=LIMIT)
        yield conn


def target(conn: Conn, named: str) -> Target:
    found = find_target(conn, named)
    assert found is not None
    return found


def do(conn: Conn, named: str = "all", embedder: HashEmbedder | None = None, **how: bool) -> Run:
    """Asks for a run and carries it out."""
    run = request_run(conn, target(conn, named), started_by="U0ADA", **how)
    done = carry_out(conn, embedder or HashEmbedder(), run.id, max_bytes=LIMIT)
    assert done is not None
    return done


def counts(run: Run) -> dict[str, int]:
    assert run.report is not None
    return {name: number for part in ("documents", "chunks") for name, number in run.report[part].items() if number}


def state_of(conn: Conn, run: Run) -> str:
    found = read_run(conn, run.id)
    assert found is not None
    return found.state


def test_a_target_is_all_a_collection_or_documents(db: Conn, docs: Path) -> None:
    """Documents are known by name, file name, title, path and URL."""
    db.execute("UPDATE document SET url = 'https://wiki.example/night' WHERE name = 'night.md'")
    assert target(db, "all").collections == target(db, "").collections == ("default", "rules")
    assert target(db, "rules") == Target("rules", ("rules",))
    night = [target(db, name) for name in ("night.md", "night", "https://wiki.example/night")]
    night.append(target(db, str(docs / "rules" / "night.md")))
    assert {found.collections for found in night} == {("rules",)}
    assert len({found.documents for found in night}) == 1
    assert find_target(db, "nonsense") is None


def test_a_run_brings_the_index_up_to_date(db: Conn, docs: Path) -> None:
    """What changed is embedded, the rest reused, what is gone removed, what cannot be read reported."""
    (docs / "manuals" / "press.md").unlink()
    (docs / "rules" / "night.md").write_text("# Night\n\nTwo people work at night.\n")
    run = do(db)
    assert counts(run) == {"changed": 1, "unchanged": 1, "failed": 1, "embedded": 1, "reused": 1, "removed": 2}
    assert (run.state, run.done, run.total, run.counts["embedded"], run.counts["failed"]) == ("done", 3, 3, 1, 1)
    assert run.report is not None
    assert [failure["document"] for failure in run.report["failures"]] == ["broken.pdf"]


def test_a_dry_run_foretells_and_writes_nothing(db: Conn, docs: Path) -> None:
    """Its report is that of the run which follows."""
    (docs / "manuals" / "press.md").unlink()
    (docs / "manuals" / "pump.md").rename(docs / "manuals" / "blue.md")
    (docs / "rules" / "night.md").write_text("# Night\n\nTwo people work at night.\n")
    (docs / "rules" / "day.md").write_text("# Day\n\nFour people work by day.\n")
    tables = "SELECT array_agg(d ORDER BY id) FROM document d", "SELECT count(*), max(id) FROM chunk"
    before = [db.execute(query).fetchall() for query in (*tables, "SELECT count(*) FROM embedding")]
    embedder = HashEmbedder()
    foretold = do(db, embedder=embedder, dry_run=True)
    assert [db.execute(query).fetchall() for query in (*tables, "SELECT count(*) FROM embedding")] == before
    assert embedder.texts == []
    assert counts(foretold) == counts(do(db))


def test_force_embeds_again_what_has_not_changed(db: Conn) -> None:
    """Every chunk is made and embedded anew, and each stands in the index once."""
    embedder = HashEmbedder()
    assert counts(do(db, "rules", dry_run=True, force=True)) == {"unchanged": 1, "embedded": 1, "removed": 1}
    run = do(db, "rules", embedder, force=True)
    assert counts(run) == {"unchanged": 1, "embedded": 1, "removed": 1}
    assert len(embedder.texts) == 2  # the chunk and its sentence
    assert db.execute("SELECT count(*) FROM chunk").fetchone() == (3,)
    assert counts(do(db, "rules")) == {"unchanged": 1, "reused": 1}


def test_a_document_alone(db: Conn, docs: Path) -> None:
    """The other documents of its source are neither read nor taken for gone."""
    (docs / "manuals" / "pump.md").write_text("# Pump\n\nThe pump is red now.\n")
    (docs / "manuals" / "press.md").unlink()
    run = do(db, "pump.md")
    assert counts(run) == {"changed": 1, "embedded": 1, "removed": 1}
    assert (run.done, run.total) == (1, 1)
    assert counts(do(db, "press.md")) == {"removed": 1}
    assert find_target(db, "press.md") is None


def test_one_run_at_a_time_for_each_collection(db: Conn) -> None:
    """A second one learns who started the first; another collection is free."""
    first = request_run(db, target(db, "rules"), started_by="U0ADA")
    for named in ("rules", "night.md", "all"):
        with pytest.raises(AlreadyRunning) as error:
            request_run(db, target(db, named), started_by="U0BEN")
        assert error.value.run == first
    request_run(db, target(db, "default"), started_by="U0BEN")
    assert [run.started_by for run in open_runs(db)] == ["U0ADA", "U0BEN"]


def test_a_run_is_carried_out_once(db: Conn) -> None:
    """A task that is delivered again finds nothing to do."""
    run = do(db)
    assert carry_out(db, HashEmbedder(), run.id, max_bytes=LIMIT) is None


class Waiting(HashEmbedder):
    """Says when it was first asked, and goes on when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_go_on = threading.Event(), threading.Event()

    def embed(self, texts: Any) -> Any:
        self.asked.set()
        assert self.may_go_on.wait(20)
        return super().embed(texts)


@pytest.fixture
def under_way(db: Conn, database: str) -> Any:
    """Starts a run in another session, which waits in the middle of its first document."""
    threads: list[threading.Thread] = []
    embedder = Waiting()

    def work(run: Run) -> None:
        with psycopg.connect(database, autocommit=True) as conn:
            carry_out(conn, embedder, run.id, max_bytes=LIMIT)

    def start(named: str = "all") -> tuple[Run, Callable[[], None]]:
        run = request_run(db, target(db, named), started_by="U0ADA", force=True)
        threads.append(threading.Thread(target=work, args=[run]))
        threads[0].start()
        assert embedder.asked.wait(20)

        def finish() -> None:
            embedder.may_go_on.set()
            threads[0].join(20)

        return run, finish

    yield start
    embedder.may_go_on.set()
    for thread in threads:
        thread.join(20)


def test_a_run_under_way_can_be_cancelled(db: Conn, under_way: Any) -> None:
    """It ends after the passages at hand; what was finished stays; and then another one may start."""
    run, finish = under_way()
    assert is_worked_on(db, run.id)
    assert not is_worked_on(db, run.id + 1)
    assert cancel_job(db, run.id, "U0BEN")
    assert state_of(db, run) == "running"
    finish()
    ended = read_run(db, run.id)
    assert ended is not None
    assert (ended.state, ended.cancelled_by) == ("cancelled", "U0BEN")
    assert not cancel_job(db, run.id, "U0BEN")
    assert db.execute("SELECT count(*) FROM chunk").fetchone() == (3,)
    assert do(db).state == "done"


def test_a_queued_run_is_cancelled_at_once(db: Conn) -> None:
    """And whoever takes it from the queue later finds nothing to do."""
    run = request_run(db, target(db, "all"), started_by="U0ADA")
    assert cancel_job(db, run.id, "U0ADA")
    assert state_of(db, run) == "cancelled"
    assert carry_out(db, HashEmbedder(), run.id, max_bytes=LIMIT) is None


def test_two_processes_do_not_share_a_run(db: Conn, under_way: Any) -> None:
    """The second one leaves it to the first."""
    run, finish = under_way()
    assert carry_out(db, HashEmbedder(), run.id, max_bytes=LIMIT) is None
    finish()
    assert state_of(db, run) == "done"


def test_a_dead_process_does_not_stand_in_the_way(db: Conn) -> None:
    """Its run can be gone on with, and a new one can be asked for."""
    run = request_run(db, target(db, "all"), started_by="U0ADA")
    db.execute("UPDATE job SET state = 'running', started_at = now()")
    assert not is_worked_on(db, run.id)
    again = request_run(db, target(db, "all"), started_by="U0BEN")
    assert state_of(db, run) == "failed"
    db.execute("UPDATE job SET state = 'running', started_at = now() WHERE id = %s", [again.id])
    assert carry_out(db, HashEmbedder(), again.id, max_bytes=LIMIT) is not None


def test_an_error_is_recorded_and_rises(db: Conn) -> None:
    """So that the person who asked is told, and the operator finds it in the log."""
    run = request_run(db, target(db, "all"), started_by="U0ADA", force=True)
    with pytest.raises(RuntimeError):
        carry_out(db, HashEmbedder(fail_at=1), run.id, max_bytes=LIMIT)
    failed = read_run(db, run.id)
    assert failed is not None
    assert (failed.state, failed.error) == ("failed", "something failed (RuntimeError); the log says more")


def test_a_run_that_ends_its_processes_is_given_up(db: Conn) -> None:
    """After a few attempts."""
    run = request_run(db, target(db, "all"), started_by="U0ADA")
    db.execute("UPDATE job SET attempts = %s", [ATTEMPTS])
    assert carry_out(db, HashEmbedder(), run.id, max_bytes=LIMIT) is None
    assert state_of(db, run) == "failed"


class Died(BaseException):
    """A process was killed."""


def test_a_forced_run_sets_aside_what_ends_its_processes(db: Conn, database: str) -> None:
    """Force forgets the attempts of before the run, not its own; and everything else is indexed."""

    def work(run: Run) -> Run | None:
        with psycopg.connect(database, autocommit=True) as conn:

            def deadly(name: str, data: bytes, suffix: str) -> ParsedDocument:
                if name == "pump.md":
                    conn.close()  # as if the process were killed: it writes nothing any more
                    raise Died
                return load(name, data, suffix)

            return carry_out(conn, HashEmbedder(), run.id, max_bytes=LIMIT, parse=deadly)

    for _ in range(2):
        run = request_run(db, target(db, "all"), started_by="U0ADA", force=True)
        for _ in range(3):
            with pytest.raises(Died):
                work(run)
        done = work(run)
        assert done is not None
        assert (done.state, done.done) == ("done", 4)
        assert done.report is not None
        aside = [failure["document"] for failure in done.report["failures"] if "set aside after 3" in failure["error"]]
        assert aside == ["pump.md"]


def test_the_remaining_time_follows_the_pace(db: Conn) -> None:
    """Two of eight documents in ten seconds leave thirty; before the first one nobody knows."""
    run = request_run(db, target(db, "all"), started_by="U0ADA")
    assert run.seconds_left(run.queued_at) is None
    db.execute("UPDATE job SET state = 'running', started_at = queued_at, done = 2, total = 8")
    found = read_run(db, run.id)
    assert found is not None
    assert found.seconds_left(run.queued_at + timedelta(seconds=10)) == pytest.approx(30)


def test_the_report_is_the_indexs(db: Conn) -> None:
    """As `journeyman index --json` gives it."""
    run = do(db)
    assert run.report is not None
    assert set(run.report) == set(IndexReport.__dataclass_fields__)


def test_a_web_page_and_its_source_are_targets(db: Conn) -> None:
    """By the address that a person copies, with or without its last slash; the source stands for its documents."""
    with running_site() as site:
        for path in ("/pump", "/night/"):
            site.article(path, path, "The pump is blue and stands in hall 3.")
        site.sitemap("/sitemap.xml", {"/pump": "", "/night/": ""})
        access = Access(delay=0.0, private_hosts=True)
        index_sources(
            db,
            HashEmbedder(),
            register_sources(db, [site.url + "/sitemap.xml"], "wiki"),
            max_bytes=LIMIT,
            access=access,
        )
        for named, count in {"/pump": 1, "/night": 1, "/night/": 1, "/sitemap.xml": 2}.items():
            found = target(db, site.url + named)
            assert (found.collections, len(found.documents or ())) == (("wiki",), count)
        site.article("/pump", "/pump", "The pump is green and stands in hall 3.")
        site.answers()
        run = request_run(db, target(db, site.url + "/pump"), started_by="U0ADA")
        done = carry_out(db, HashEmbedder(), run.id, max_bytes=LIMIT, access=access)
        assert site.answers() == [("/sitemap.xml", 200), ("/pump", 200)]
    assert done is not None
    assert counts(done) == {"changed": 1, "embedded": 1, "removed": 1}
