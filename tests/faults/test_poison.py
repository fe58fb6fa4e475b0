"""A document that kills whoever reads it: it is set aside, and everything else is indexed."""

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from retrieval.indexing.attempts import documents_set_aside
from retrieval.indexing.reindexing import find_target, read_run, request_run
from retrieval.indexing.sources import register_sources
from tests.faults.conftest import ROOT, write_documents

pytestmark = [pytest.mark.slow, pytest.mark.faults]

WORKER = """
import os, signal, sys
import psycopg
from retrieval.loading import load
from retrieval.indexing.reindexing import carry_out
from tests.retrieval.indexing.test_index import HashEmbedder

def parse(name, data, suffix):
    if b"deadly" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return load(name, data, suffix)

with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    carry_out(conn, HashEmbedder(), int(sys.argv[2]), max_bytes=10**6, parse=parse)
"""


def work(database: str, run: int) -> int:
    """A process that carries the run out; its exit code."""
    return subprocess.run([sys.executable, "-c", WORKER, database, str(run)], cwd=ROOT, check=False).returncode


def test_a_document_that_kills_its_worker(database: str, tmp_path: Path) -> None:
    """Three processes die of it, the fourth ends the run; the report names it; once it is changed it is indexed."""
    folder = write_documents(tmp_path / "documents", 40)
    poison = folder / "pump-020.md"
    poison.write_text("# Pump\n\nThis one is deadly.\n")
    with psycopg.connect(database, autocommit=True) as conn:
        register_sources(conn, [folder])
        for expected in ([-signal.SIGKILL] * 3 + [0], [0]):
            target = find_target(conn, "all")
            assert target is not None
            run = request_run(conn, target, started_by="U1")
            codes = []
            while not codes or (codes[-1] != 0 and len(codes) < 6):
                codes.append(work(database, run.id))
                print("processes:", codes, conn.execute("SELECT count(*) FROM document").fetchone())
            assert codes == expected
            ended = read_run(conn, run.id)
            assert ended is not None
            assert ended.state == "done"
            assert ended.report is not None
            (failure,) = ended.report["failures"]
            assert (failure["document"], "set aside after 3 attempts" in failure["error"]) == (poison.name, True)
            assert conn.execute("SELECT count(*) FROM document").fetchone() == (39,)
        assert [found.name for found in documents_set_aside(conn)] == [poison.name]
        poison.write_text("# Pump\n\nThis one is harmless.\n")
        target = find_target(conn, "all")
        assert target is not None
        assert work(database, request_run(conn, target, started_by="U1").id) == 0
        assert documents_set_aside(conn) == []
        assert conn.execute("SELECT count(*) FROM document").fetchone() == (40,)
