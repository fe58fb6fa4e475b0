"""Workers are killed, Redis is lost, or there is very much to do: every document is indexed once, every run ends, and
memory stays flat.
"""

import os
import random
import re
import threading
import time
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from pgvector.psycopg import register_vector

from bot.feedback.votes import vote
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from jobs.rows import read_job, request_job
from retrieval.answering.answer import Question
from retrieval.embedding import MiniLM
from retrieval.indexing.models import active_model
from retrieval.indexing.reindexing import find_target, read_run, request_run
from retrieval.indexing.sources import register_sources
from retrieval.searching.search import search
from tests.bot.samples import answer_to
from tests.faults.conftest import PATIENCE, Services, wait_until, write_documents
from tests.retrieval.embedders.embedding_server import embedding_server
from tests.workers.work import work
from workers.app import build_app, enqueue_build, enqueue_reindex

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(3000)]

COUNTS = """
SELECT (SELECT count(*) FROM document), (SELECT count(DISTINCT (source_id, name)) FROM document),
    (SELECT count(*) FROM chunk)
"""


def counts(services: Services) -> tuple[int, int, int]:
    """Documents, the different ones among them, chunks."""
    with services.connect() as conn:
        return conn.execute(COUNTS).fetchone() or (0, 0, 0)


PEOPLE = "SELECT (SELECT count(*) FROM answer WHERE state = 'answered'), (SELECT count(*) FROM feedback)"
HALF = """
SELECT d.name FROM document d WHERE 2 <> (
    SELECT count(*) FROM chunk c JOIN chunk_vector v ON v.chunk_id = c.id WHERE c.document_id = d.id)
"""
SECTION = (
    "The {what} of pump {number} is looked after {often} a year. Two people do it, and the drive is locked before."
)


def sender(services: Services) -> Celery:
    """An app that enqueues."""
    return build_app(
        services.redis.url,
        work(services.connect),
        scan_seconds=900,
    )


class Searcher(threading.Thread):
    """Searches until it is told to stop; `half` are documents that were seen in part, `found` counts results."""

    def __init__(self, services: Services) -> None:
        super().__init__(daemon=True)
        self.services, self.half, self.found, self.times = services, set[str](), 0, 0
        self.stopping = threading.Event()

    def run(self) -> None:
        embedder = MiniLM()
        with self.services.connect() as conn:
            register_vector(conn)
            while not self.stopping.wait(0.2):
                self.half |= {name for (name,) in conn.execute(HALF)}
                if active_model(conn) is not None:
                    self.found += len(search(conn, embedder, "Who looks after the seal of pump 77?", k=5))
                self.times += 1


def attempts(conn: psycopg.Connection, job: int) -> int:
    """Processes that began a job since it last got on."""
    (count,) = conn.execute("SELECT attempts FROM job WHERE id = %s", [job]).fetchone() or (0,)
    return int(count)


def test_worker_is_killed_20_times(services: Services) -> None:
    """kill -9 at random moments while 500 documents are embedded: each is there once, and was never there in part."""
    folder = services.folder / "pumps"
    folder.mkdir()
    for number in range(500):
        sections = [SECTION.format(what=what, number=number, often=number % 9) for what in ("seal", "bearing")]
        text = "\n\n".join(f"## Part {place}\n\n{section}" for place, section in enumerate(sections))
        (folder / f"pump-{number:03}.md").write_text(f"# Pump {number}\n\n{text}\n")
    with services.connect() as conn:
        register_sources(conn, [folder])
        target = find_target(conn, "all")
        assert target is not None
        run = request_run(conn, target, started_by="U1")
    app, dice, killed = sender(services), random.Random(), 0
    searcher = Searcher(services)
    searcher.start()
    print("before:", counts(services))
    started = time.monotonic()
    while killed < 20:
        begun = services.log.read_text().count("job_begun") if services.log.exists() else 0
        worker = services.start("worker", "--queues", "ingest")
        enqueue_reindex(app, run.id)  # what the sweep does within a minute
        wait_until(lambda begun=begun: services.log.read_text().count("job_begun") > begun, "the run is begun")
        time.sleep(dice.uniform(0.3, 1.8))
        with services.connect() as conn:
            # Ten deaths without getting on end a run, rightly; on a busy machine the moments are too short to get on.
            wait_until(lambda: attempts(conn, run.id) < 8, "the run gets on")
        services.kill(worker)
        killed += 1
        print(f"killed {killed}:", counts(services), f"{time.monotonic() - started:.0f} s")
    with services.connect() as conn:
        now = read_run(conn, run.id)
        assert now is not None
        assert now.state == "running", "the kills came too late to prove anything"
        services.start("worker", "--queues", "ingest")
        enqueue_reindex(app, run.id)
        wait_until(lambda: (now := read_run(conn, run.id)) and now.state == "done", "the run is done")
        (left,) = conn.execute("SELECT count(*) FROM document_attempt").fetchone() or (-1,)
    searcher.stopping.set()
    searcher.join()
    print(f"after: {counts(services)}, {searcher.times} looks, {searcher.found} results")
    assert counts(services) == (500, 500, 1000)
    assert (searcher.half, left) == (set(), 0)
    assert searcher.found > 0


def resident(process: int) -> int:
    """Kilobytes of memory of a process and its children."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    status = [Path(f"/proc/{each}/status").read_text() for each in (process, *children)]
    return sum(int(found[1]) for text in status if (found := re.search(r"VmRSS:\s+(\d+)", text)))


def test_memory_stays_flat(services: Services) -> None:
    """2,000 documents (or FAULT_DOCUMENTS) are queued: at the end the worker has no more memory than after the first
    300 and a little.
    """
    count = int(os.environ.get("FAULT_DOCUMENTS", "2000"))
    folder = write_documents(services.folder / "many", count)
    with services.connect() as conn:
        register_sources(conn, [folder])
        target = find_target(conn, "all")
        assert target is not None
        run = request_run(conn, target, started_by="U1")
        worker = services.start("worker", "--queues", "ingest")
        enqueue_reindex(sender(services), run.id)
        wait_until(lambda: (now := read_run(conn, run.id)) and now.done > 300, "300 documents are done")
        early, most = resident(worker.pid), 0
        print(f"before: {early // 1024} MB after 300 documents")
        deadline = time.monotonic() + PATIENCE + count * 0.25
        while (now := read_run(conn, run.id)) and now.state == "running":
            assert time.monotonic() < deadline
            most = max(most, resident(worker.pid))
            time.sleep(0.5)
    print(f"after: {most // 1024} MB at the most, {counts(services)}")
    assert counts(services) == (count, count, count)
    assert most < early * 1.15


def answer_and_vote(services: Services, count: int) -> None:
    """So many people are answered, and each gives a thumb."""
    with services.connect() as conn:
        for number in range(count):
            answer = begin_answer(conn, asked_by=f"U{number}", question=Question("Which pump is it?"))
            assert answer is not None
            finish_answer(conn, answer, answer_to("Which pump is it?"))
            assert vote(conn, answer, f"U{number}", 1)


def test_redis_is_lost_and_starts_empty(services: Services) -> None:
    """Redis away for 30 seconds in the middle of a run, and empty afterwards: the run that was at work, and the run and
    the build whose messages were lost, come to their end; answers and votes of before, meanwhile and after are there.
    """
    first = write_documents(services.folder / "first", 200)
    second = write_documents(services.folder / "second", 20)
    with services.connect() as conn, embedding_server() as server:
        register_sources(conn, [first], collection="first")
        register_sources(conn, [second], collection="second")
        at_work, waiting = (
            request_run(conn, target, started_by="U1").id
            for target in (find_target(conn, "first"), find_target(conn, "second"))
            if target is not None
        )
        build = request_job(conn, "build", "openai:some", started_by="U1").id
        app = sender(services)
        enqueue_reindex(app, at_work)
        enqueue_reindex(app, waiting)
        enqueue_build(app, build)
        answer_and_vote(services, 20)
        print("before:", counts(services), conn.execute(PEOPLE).fetchone(), "answers and votes")
        key = {"JOURNEYMAN_EMBEDDER_URL": server.url, "JOURNEYMAN_EMBEDDER_API_KEY": "sk-1"}
        services.start("worker", "--queues", "ingest,embed,control", **key)
        services.start("beat")
        wait_until(lambda: (run := read_run(conn, at_work)) and run.done > 5, "the first run is under way")
        services.lose_redis(30, lambda: answer_and_vote(services, 20))
        answer_and_vote(services, 20)
        for job in (at_work, waiting, build):
            wait_until(lambda job=job: (now := read_job(conn, job)) and now.state == "done", f"job {job} is done")
        people = conn.execute(PEOPLE).fetchone()
    print("after:", counts(services), people, "answers and votes, 3 of 3 jobs")
    assert counts(services) == (220, 220, 220)
    assert people == (60, 60)
