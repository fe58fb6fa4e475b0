"""Rounds of fine-tuning over the real database, with a real training process and a tiny Phi-3."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from bot.home.personal_data import delete_data
from finetune import registry
from finetune.dataset.freezing import DatasetUnusable
from finetune.dataset.rows import Options
from finetune.evaluation.gate import Outcome, Verdict
from finetune.files import file_sha256
from finetune.model.chat_model import Phi3Chat
from finetune.rounds.costs import cheaper_than_examples, describe_estimate, estimate
from finetune.rounds.data import dataset_of
from finetune.rounds.parts import OpenRound, RoundPolicy, RoundRequest
from finetune.rounds.promotion import switch_to
from finetune.rounds.rows import begin, end, new_clusters, note_dataset, of_job, rounds
from finetune.rounds.run import measure_costs, request_round
from finetune.rounds.training import place
from finetune.significance import Interval
from finetune.training.spec import Trained, TrainingFailed
from jobs.execution import carry_out_job
from jobs.rows import request_job
from journeyman.answering_model import model_state
from journeyman.cli.asking import ask
from journeyman.cli.finetune import describe_costs
from journeyman.composition import Application
from journeyman.indexing import index_paths
from journeyman.rounds import build_dataset, finetune, round_parts
from journeyman.servers.stack import Stack
from retrieval.answering.answer import Question
from tests.finetune.rounds.company import company, vote_and_correct

pytestmark = pytest.mark.slow
WANTED = RoundRequest(rank=2, max_steps=4, epochs=20, learning_rate=2e-2)


@pytest.fixture
def app(home: Path, database: str, stack: Stack) -> Iterator[Application]:
    with company(home, database, stack.redis_url, finetune_floor=3) as running:
        yield running


def do_round(app: Application, wanted: RoundRequest) -> tuple[Any, list[str]]:
    """The round as it ended, and what it told meanwhile."""
    told: list[str] = []
    with app.connect() as conn:
        found = request_round(conn, wanted, "UADMIN")
        job = found.job_id or 0
        carry_out_job(
            conn, job, lambda tell: finetune(app, conn, job, tell), lambda progress: told.append(progress.message)
        )
        return of_job(conn, job), told


def asked_adapter(app: Application) -> str | None:
    """Which adapter answers a question now."""
    answer = ask(app.pool, app.answer, Question("When is the belt of the mill looked after?"), lambda _: None)
    with app.connect() as conn:
        row = conn.execute("SELECT adapter FROM answer WHERE id = %s", [answer.answer_id]).fetchone()
    assert row is not None
    return row[0]


def test_nothing_to_learn_from_is_said(app: Application) -> None:
    """Without votes a round ends at once."""
    ended, _ = do_round(app, WANTED)
    assert (ended.state, ended.dataset_id) == ("not enough", None)
    assert "no examples" in ended.reason


def test_from_corrections_to_an_answer_and_back(
    app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained, evaluated, refused for want of questions, promoted by a person with a reason, rolled back, erased."""
    unloaded: list[str | None] = []
    monkeypatch.setattr(Phi3Chat, "unload", lambda model: unloaded.append(model.adapter), raising=False)
    vote_and_correct(app, tmp_path / "documents")
    assert asked_adapter(app) is None
    ended, told = do_round(app, WANTED)
    assert ended.state == "inconclusive", ended.reason
    assert "Too few questions" in ended.reason
    assert ended.clusters >= 3
    assert any(line.startswith("Training will take about") and "evaluation" in line for line in told)
    assert any(line.startswith("Training: loss") for line in told)
    assert {"Evaluating candidate", "Evaluating base"} <= set(told)
    cost = ended.cost
    assert cost["tokens"] > 0
    assert cost["peak_megabytes"] > 100
    assert cost["estimate"]["steps"] == 4
    assert cost["estimate"]["evaluation"] > 0
    assert (cost["step"], cost["seconds_left"]) == (4, 0)

    name = ended.adapter
    assert unloaded == [name, name], "a model server would keep it, or evaluate an older one of its name"
    folder = app.adapters / name
    assert {file.name for file in folder.iterdir()} == {
        "README.md",
        "loss.png",
        "scores.png",
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    with app.connect() as conn:
        made = registry.find(conn, name)
        assert made.lineage["dataset"] == ended.dataset_id
        assert len(made.lineage["losses"]) == 4
        assert made.lineage["versions"]["peft"]
        assert len(made.lineage["base_sha256"]) == len(made.lineage["template_sha256"]) == 64
        assert made.lineage["split"]["train"] > 0
        assert {"held out", "general"} <= set(made.metrics["sets"])
        card = (folder / "README.md").read_text()
        assert made.sha256 in card
        assert str(app.datasets) not in json.dumps(dict(made.lineage)) + card
        assert registry.in_use(conn) is None
        with pytest.raises(registry.NotPossible, match="did not pass"):
            registry.promote(conn, name, by="UADMIN")
        registry.promote(conn, name, by="UADMIN", reason="it reads better")
    assert asked_adapter(app) == name
    assert model_state(app.answering_model).adapter == name

    # What was trained on is not new any more.
    again, _ = do_round(app, WANTED)
    assert again.state == "not enough"
    assert again.reason == "0 new clusters of reviewed questions came in, and 3 are asked for."

    with app.connect() as conn:
        registry.rollback(conn, by="UADMIN", reason="?")
    assert asked_adapter(app) is None

    with app.connect() as conn:
        delete_data(conn, "U1")
        assert "had their data deleted" in (registry.find(conn, name).erased or "")
        assert len(rounds(conn)) == 2
    later, _ = do_round(app, replace(WANTED, now=True))
    assert later.dataset_id != ended.dataset_id
    with app.connect() as conn:
        persons = conn.execute("SELECT unnest(persons) FROM dataset_example WHERE dataset_id = %s", [later.dataset_id])
        assert "U1" not in {person for (person,) in persons.fetchall()}
        assert registry.find(conn, later.adapter).erased is None


def test_what_was_erased_during_a_round_is_not_promoted(app: Application, tmp_path: Path) -> None:
    """The gate may pass it: it learnt from what should be forgotten, or from what no document says any more. And no
    round begins on a dataset whose documents went.
    """
    vote_and_correct(app, tmp_path / "documents")
    passed = Verdict("promote", "Better.", Interval(0.2, 0.1, 0.3, 40))
    _, kept = build_dataset(app, Options(oracle_share=1), [], 0, lambda _: None, lambda: None)
    assert kept
    with app.connect() as conn:
        found = request_round(conn, WANTED, "UADMIN")
        made = registry.TrainedAdapter(
            found.adapter, found.id, None, kept.id, "tiny", "ab" * 32, {}, {}, "promote", "Better."
        )
        registry.add(conn, made)
        (tmp_path / "documents" / "mill.md").unlink()
        index_paths(app.indexing, [tmp_path / "documents"], "default", lambda _: None)
        state, reason = switch_to(round_parts(app).policy, conn, found, passed)
        assert (state, registry.in_use(conn)) == ("proved", None)
        assert "documents changed or went" in reason
        with pytest.raises(DatasetUnusable, match="changed or were deleted"):
            dataset_of(OpenRound(round_parts(app), conn, found, lambda _: None), replace(WANTED, dataset=kept.id))
        delete_data(conn, "U1")
        state, reason = switch_to(round_parts(app).policy, conn, found, passed)
        assert (state, registry.in_use(conn)) == ("refused", None)
        assert "had their data deleted" in reason


@pytest.mark.parametrize("kept", [True, False])
def test_an_adapter_of_another_spec_is_not_taken_for_this_one(tmp_path: Path, kept: bool) -> None:
    """After a restart with other settings the run begins anew, and its adapter takes the place of the old."""
    made, target = tmp_path / "run" / "adapter", tmp_path / "adapters" / "round-1"
    for folder, text in ((made, "new"), (target, "old")):
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_text(text)
    wanted = file_sha256((target if kept else made) / "adapter_model.safetensors")
    place(made, target, wanted)
    assert (target / "adapter_model.safetensors").read_text() == ("old" if kept else "new")
    place(tmp_path / "gone", target, wanted)  # taken up again after it was moved
    assert target.is_dir()


def test_cost_is_of_the_steps_that_follow() -> None:
    """The first one warms up and does not count; without a max of steps the epochs say how many there are."""
    zero = dict.fromkeys(("sha256", "device", "dtype", "dataset_hash"), "") | {"losses": [], "modules": []}
    numbers = dict.fromkeys(("examples", "left_out", "tokens", "parameters"), 0)
    trained: Any = Trained(
        **zero, **numbers, steps=3, seconds=9.0, peak_megabytes=900, planned_steps=40, seconds_per_step=2.0
    )
    assert estimate(trained, None) == {"seconds": 80.0, "steps": 40, "peak_megabytes": 900}
    assert estimate(trained, 5)["seconds"] == 10.0
    assert describe_estimate(estimate(trained, None)) == "Training will take about 80 s and 0.9 GB"
    told = describe_estimate(estimate(trained, None) | {"evaluation": 1200})
    assert told == "Training will take about 80 s and 0.9 GB, and the evaluation about 20 min"


def test_examples_and_an_adapter_cost_different_things() -> None:
    """Tokens and time at each question, or training: of answers that both gave."""

    def answered(tokens: float, seconds: float) -> list[Outcome]:
        told = {"answer": 1.0, "tokens": tokens, "seconds": seconds}
        return [Outcome("a", told), Outcome("b", told), Outcome("c", {"answer": 0.0})]

    told = cheaper_than_examples(answered(600, 2.0), answered(750, 2.5), 600.0)
    assert "+150 tokens and +0.50 s a question" in told
    assert "up to 1,200 questions" in told


def test_one_round_at_a_time(app: Application) -> None:
    """Who asks while one is open is given that one."""
    with app.connect() as conn:
        first = request_round(conn, WANTED, "UADA")
        assert request_round(conn, replace(WANTED, now=True), "UBEN").id == first.id


def test_lora_and_qlora_side_by_side(app: Application, tmp_path: Path) -> None:
    """What each would take is measured, and nothing else happens; without examples it says where they come from."""
    with pytest.raises(TrainingFailed, match="no examples yet"):
        measure_costs(round_parts(app), WANTED, lambda _: None)
    vote_and_correct(app, tmp_path / "documents")
    measured = measure_costs(round_parts(app), WANTED, lambda _: None)
    told = describe_costs(measured, WANTED.max_steps).splitlines()
    assert [line.split()[0] for line in told] == ["memory", "LoRA", "QLoRA", "QLoRA"]
    assert all(not isinstance(one, str) and one.peak_megabytes > 100 for one in measured.values())
    assert "of LoRA's memory" in told[-1]
    with app.connect() as conn:
        assert rounds(conn) == []
    assert not any(path.is_dir() for path in (app.home / "training").iterdir())


@pytest.mark.parametrize(
    ("switched", "state"),
    [([], "promoted"), (["other"], "proved"), (["other", "round"], "promoted")],
    ids=["nothing", "another one answers", "it answers already"],
)
def test_what_was_compared_with_another_is_not_promoted(conn: Connection, switched: list[str], state: str) -> None:
    """An evaluation takes hours: what came to answer meanwhile has not been beaten; nor is a switch made twice."""
    job = request_job(conn, "finetune", "adapter", started_by="UADMIN")
    found = begin(conn, job.id, started_by="UADMIN", requested={})
    for name in ("other", found.adapter):
        registry.add(
            conn, registry.TrainedAdapter(name, None, None, None, "tiny", "ab" * 32, {}, {}, "promote", "Better.")
        )
    for name in switched:
        registry.promote(conn, found.adapter if name == "round" else name, by="UADMIN")
    verdict = Verdict("promote", "Better.", Interval(0.1, 0.05, 0.15, 40))
    ended, told = switch_to(RoundPolicy(), conn, found, verdict)
    assert ended == state
    now = registry.in_use(conn)
    assert now is not None
    assert now.active == (found.adapter if state == "promoted" else "other")
    assert ("not compared with" in told) == (state == "proved")


def test_what_one_method_has_learnt_is_new_to_another(conn: Connection) -> None:
    """A dataset holds examples of all kinds, and a round learns from one."""
    (dataset,) = conn.execute("INSERT INTO dataset (hash, report) VALUES ('ab', '{}') RETURNING id").fetchone() or (0,)
    for kind in ("sft", "dpo"):
        conn.execute(
            "INSERT INTO dataset_example (dataset_id, example, kind, split, cluster, persons, sources, synthetic) "
            "VALUES (%s, %s, %s, 'train', '1', '{}', '{}', false)",
            [dataset, f"{kind}:1", kind],
        )
    job = request_job(conn, "finetune", "adapter", started_by="UADMIN")
    found = begin(conn, job.id, started_by="UADMIN", requested={"method": "sft"})
    note_dataset(conn, found.id, dataset, 1)
    assert new_clusters(conn, dataset, "sft") == 1
    end(conn, found.id, "refused", "Not better.")
    assert new_clusters(conn, dataset, "sft") == 0
    assert new_clusters(conn, dataset, "dpo") == 1
