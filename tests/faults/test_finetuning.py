"""A round of fine-tuning whose processes are killed, whose disk is full, or that is cancelled: one run, one adapter, or
none, and what answers stays as it is.
"""

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from finetune import registry
from finetune.files import file_sha256
from finetune.rounds.parts import RoundRequest
from finetune.rounds.rows import of_job, rounds
from finetune.rounds.run import request_round
from finetune.training.process import run
from finetune.training.spec import TrainingFailed, TrainingSpec
from jobs.execution import carry_out_job
from jobs.rows import cancel_job, read_job
from journeyman.cli.asking import ask
from journeyman.composition import Application
from journeyman.rounds import finetune
from journeyman.worker_app import celery_app
from retrieval.answering.answer import Question
from tests.conftest import clone
from tests.faults.conftest import Services, wait_until
from tests.finetune.rounds.company import company, vote_and_correct
from workers.app import enqueue_round

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(3000)]
WANTED = RoundRequest(rank=8, max_steps=60, epochs=200, learning_rate=1e-2, now=True)


@pytest.fixture(scope="module")
def learnt_from(stack: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A database with votes and corrections, and a home with the model; built once."""
    folder = tmp_path_factory.mktemp("company")
    database = clone(stack, template)
    (folder / "home").mkdir()
    with company(folder / "home", database, stack.redis_url) as app:
        vote_and_correct(app, folder / "documents")
    return psycopg.conninfo.conninfo_to_dict(database)["dbname"], folder / "home"


@pytest.fixture
def database(stack: Any, learnt_from: tuple[str, Path]) -> str:
    """A copy of it for each test."""
    return clone(stack, learnt_from[0])


@pytest.fixture
def app(services: Services, learnt_from: tuple[str, Path]) -> Iterator[Application]:
    """The application in this process, over the workers' home and Redis."""
    home = services.folder / "home"
    home.mkdir()
    (home / "tiny").symlink_to(learnt_from[1] / "tiny")
    with company(home, services.database_url, services.redis.url) as running:
        yield running


def start_worker(services: Services, app: Application) -> Any:
    model = str(app.settings.model)
    return services.start(
        "worker", "--queues", "finetune", home=app.home, JOURNEYMAN_MODEL=model, JOURNEYMAN_MAX_ANSWER_TOKENS="16"
    )


def trainers(folder: Path) -> list[int]:
    """The processes at work on the run in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"finetune.training" in words and str(folder).encode() in words:
            found.append(int(place.name))
    return found


def steps(folder: Path) -> list[dict[str, Any]]:
    """The steps that a run has written down."""
    file = folder / "progress.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def asked_adapter(app: Application) -> str | None:
    """Which adapter answers a question now."""
    answer = ask(app.pool, app.answer, Question("When is the belt of the mill looked after?"), lambda _: None)
    with app.connect() as conn:
        row = conn.execute("SELECT adapter FROM answer WHERE id = %s", [answer.answer_id]).fetchone()
    assert row is not None
    return row[0]


def test_killed_child_and_killed_worker(services: Services, app: Application) -> None:
    """kill -9 of the training process, then of its worker: the losses go on, and the adapter is that of a run which
    nobody disturbed.
    """
    with app.connect() as conn:
        found = request_round(conn, WANTED, "UADMIN")
        job = found.job_id or 0
        folder = app.home / "training" / found.adapter
        worker = start_worker(services, app)
        enqueue_round(celery_app(app), job)
        wait_until(lambda: len(steps(folder)) >= 12, "12 steps")
        (child,) = trainers(folder)
        print(
            "before:",
            len(steps(folder)),
            "steps,",
            len(rounds(conn)),
            "round,",
            len(registry.adapters(conn)),
            "adapters",
        )
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: trainers(folder) not in ([], [child]), "another child")
        wait_until(lambda: len(steps(folder)) >= 25, "25 steps")
        services.kill(worker)
        wait_until(lambda: trainers(folder) == [], "the child's end with its worker")
        assert 25 <= len(steps(folder)) < 60, "killed too late to prove anything"
        start_worker(services, app)
        enqueue_round(celery_app(app), job)  # what the sweep does within a minute
        wait_until(lambda: (now := of_job(conn, job)) and now.state != "open", "the round's end")
        ended = of_job(conn, job)
        assert ended is not None
        assert ended.state == "inconclusive", ended.reason
        (adapter,) = registry.adapters(conn)
        print("after:", adapter.lineage["steps"], "steps,", len(rounds(conn)), "round,", 1, "adapter")
        assert len(rounds(conn)) == 1
        assert [step["step"] for step in steps(folder)] == list(range(1, 61))
    undisturbed = run(services.folder / "undisturbed", TrainingSpec.load(folder / "spec.json"))
    assert undisturbed.losses == adapter.lineage["losses"]
    assert (
        undisturbed.sha256 == adapter.sha256 == file_sha256(app.adapters / adapter.name / "adapter_model.safetensors")
    )


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, in this process and its children."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def carry_out(app: Application, wanted: RoundRequest) -> Any:
    with app.connect() as conn:
        job = request_round(conn, wanted, "UADMIN").job_id or 0
        try:
            carry_out_job(conn, job, lambda tell: finetune(app, conn, job, tell))
        finally:
            ended = of_job(conn, job)
    return ended


def test_full_disk(app: Application) -> None:
    """While the adapter is written: the old one answers on, the reason is told, and nothing half is listed."""
    short = RoundRequest(rank=64, max_steps=3, epochs=50, now=True)  # no checkpoint: the adapter is written first
    first = carry_out(app, short)
    with app.connect() as conn:
        registry.promote(conn, first.adapter, by="UADMIN", reason="it is to be the old one")
    assert asked_adapter(app) == first.adapter
    before = sorted(path.name for path in app.adapters.iterdir())
    print("before:", before, "answers with", asked_adapter(app))
    with full_disk(300_000), pytest.raises(TrainingFailed, match="could not be written"):
        carry_out(app, short)
    with app.connect() as conn:
        failed, _ = rounds(conn)
        print("after:", sorted(path.name for path in app.adapters.iterdir()), failed.state, failed.reason)
        assert failed.state == "failed"
        assert "could not be written" in (failed.reason or "")
        assert [adapter.name for adapter in registry.adapters(conn)] == [first.adapter]
    assert sorted(path.name for path in app.adapters.iterdir()) == before == [first.adapter]
    assert asked_adapter(app) == first.adapter
    assert carry_out(app, short).state == "inconclusive"


def test_cancelled_at_once(services: Services, app: Application) -> None:
    """In the middle of training: the process is gone within seconds, and so is the job; nothing is listed."""
    with app.connect() as conn:
        found = request_round(conn, RoundRequest(max_steps=100_000, epochs=1e6, now=True), "UADMIN")
        job = found.job_id or 0
        folder = app.home / "training" / found.adapter
        start_worker(services, app)
        enqueue_round(celery_app(app), job)
        wait_until(lambda: len(steps(folder)) >= 3, "three steps")
        began = time.monotonic()
        assert cancel_job(conn, job, "UADMIN")
        wait_until(lambda: trainers(folder) == [], "the end of the child")
        took = time.monotonic() - began
        wait_until(lambda: (now := read_job(conn, job)) and now.state == "cancelled", "the job's end")
        ended = of_job(conn, job)
        assert ended is not None
        assert ended.state == "cancelled"
        assert registry.adapters(conn) == []
        print(f"the process was gone after {took:.1f} s")
        assert took < 5
