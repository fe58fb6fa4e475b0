"""Redis is lost, and there are two of everything: every document is indexed once, every run comes to its end."""

import re

import pytest

from retrieval.index import IndexReport, register_sources
from retrieval.reindexing import find_target, read_run, request_run
from tests.faults.conftest import Services, wait_until, write_documents
from workers.app import build_app, enqueue_reindex

pytestmark = [pytest.mark.slow, pytest.mark.faults]

COUNTS = """
SELECT (SELECT count(*) FROM document), (SELECT count(DISTINCT (source_id, name)) FROM document),
    (SELECT count(*) FROM chunk)
"""


def counts(services: Services) -> tuple[int, int, int]:
    """Documents, the different ones among them, chunks."""
    with services.connect() as conn:
        return conn.execute(COUNTS).fetchone() or (0, 0, 0)


def test_redis_is_lost_and_starts_empty(services: Services) -> None:
    """Redis away for 30 seconds in the middle of a run, and empty afterwards: the run that was at work and the one
    whose message was lost come to their end.
    """
    first = write_documents(services.folder / "first", 200)
    second = write_documents(services.folder / "second", 20)
    with services.connect() as conn:
        register_sources(conn, [first], collection="first")
        register_sources(conn, [second], collection="second")
        at_work, waiting = (
            request_run(conn, target, started_by="U1")
            for target in (find_target(conn, "first"), find_target(conn, "second"))
            if target is not None
        )
    app = build_app(
        services.redis.url,
        connect=services.connect,
        index_due=lambda conn: IndexReport(),
        reindex=lambda conn, run: None,
        scan_seconds=900,
    )
    enqueue_reindex(app, at_work.id)
    enqueue_reindex(app, waiting.id)
    print("before:", counts(services))
    services.start("worker", "--queues", "ingest,control")
    services.start("beat")
    with services.connect() as conn:
        wait_until(lambda: (run := read_run(conn, at_work.id)) and run.done > 5, 60, "the first run is under way")
        services.lose_redis(30)
        for run in (at_work, waiting):
            wait_until(lambda run=run: (now := read_run(conn, run.id)) and now.state == "done", 150, "the run is done")
    print("after:", counts(services))
    assert counts(services) == (220, 220, 220)


def test_two_workers_and_two_beats(services: Services) -> None:
    """What is due twice is done once: each document is counted as new by one scan alone."""
    with services.connect() as conn:
        register_sources(conn, [write_documents(services.folder / "documents", 60)])
    for _ in range(2):
        services.start("worker", "--queues", "ingest,control")
    for _ in range(2):
        services.start("beat")
    print("before:", counts(services))
    wait_until(lambda: counts(services)[0] == 60, 90, "all documents are indexed")
    wait_until(lambda: services.log.read_text().count("scan") >= 2, 60, "both scans were taken")
    print("after:", counts(services))
    assert counts(services) == (60, 60, 60)
    assert sum(map(int, re.findall(r"scanned.*?\bnew=(\d+)", services.log.read_text()))) == 60
