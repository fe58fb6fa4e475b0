"""What `/journeyman status` tells."""

from pathlib import Path

import psycopg

from jobs.rows import finish_job, request_job
from retrieval.indexing.attempts import begin_attempts
from retrieval.indexing.reindexing import Target, request_run
from retrieval.indexing.sources import register_sources
from tests.bot.conftest import Connect, ask
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Person


def told(workspace: Workspace, person: Person, text: str) -> str:
    """What the person alone sees after `/journeyman text`."""
    before = len(workspace.ephemerals(person))
    workspace.slash(person, "maintenance", "/journeyman", text)
    workspace.wait_for(lambda: len(workspace.ephemerals(person)) > before)
    return visible_text(workspace.ephemerals(person)[-1])


def test_status_tells_of_answers_and_of_the_index(workspace: Workspace, connect: Connect) -> None:
    """Everybody may know; nothing indexed is said, too."""
    connect()
    workspace.wait_for_reply(ask(workspace))
    workspace.wait_for(lambda: "1 answered" in told(workspace, workspace.ben, "status"))
    assert "Nothing is indexed yet." in told(workspace, workspace.ben, "status")


def test_status_names_work_and_what_is_set_aside(workspace: Workspace, connect: Connect, database: str) -> None:
    """A document's name comes from outside, so it is escaped."""
    connect()
    with psycopg.connect(database, autocommit=True) as conn:
        job = request_job(conn, "scan", "sources", started_by="schedule")
        finish_job(conn, job.id, "failed", error="the disk is full")
        for model in ("pump-model", "press-model", "mill-model"):
            request_job(conn, "build", model, started_by="console")
        register_sources(conn, [Path(__file__)], "wiki")
        (source,) = register_sources(conn, [Path(__file__).parent])
        for collection in ("default", "wiki"):
            request_run(conn, Target(collection, (collection,)), started_by="console")
        begin_attempts(conn, source.id, ["<!channel>.pdf"], [b"hash"])
        conn.execute("UPDATE document_attempt SET attempts = 3")
    shown = told(workspace, workspace.ben, "status")
    assert "Looking through the sources: failed (the disk is full)" in shown
    assert "Building pump-model: waits for a worker\n" in shown
    assert "Building press-model: waits for a worker, 1 before it\n" in shown
    assert "Building mill-model: waits for a worker, 2 before it\n" in shown
    assert "Being indexed: wiki, waits for a worker, 1 before it, started by" in shown
    assert "Set aside: &lt;!channel&gt;.pdf in default, after 3 attempts (each ended its process)" in shown
