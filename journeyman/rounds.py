"""A round of fine-tuning from votes to verdict: dataset → cost → training → examination → gate → registry.

Each stage leaves a row or files, so that a round whose process died goes on where it was: from the same dataset, the
last checkpoint, the answers that were given already.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from finetune import registry, round_rows
from finetune.dataset.rows import SPLITS
from finetune.evaluation.comparison import cheaper
from finetune.evaluation.gate import Outcome, Verdict, decide
from finetune.evaluation.judging import Judge, calibrated, safely
from finetune.evaluation.judging import guards as judging_guards
from finetune.evaluation.run import (
    DECIDING,
    JUDGED,
    SHOWN,
    Examination,
    Shown,
    documents_alone,
    figures,
    guards_for,
    items_of,
    one_voice,
)
from finetune.files import WEIGHTS, file_sha256
from finetune.lineage import base_hashes, machine
from finetune.loading import Quantize
from finetune.model_card import CARD, CHART, SCORES, card, loss_chart, scores_chart
from finetune.training.process import POLL_SECONDS, probe, run
from finetune.training.run import ADAPTER
from finetune.training.spec import Method, Step, Trained, TrainingFailed, TrainingSpec
from jobs.progress import Progress, Tell

if TYPE_CHECKING:
    from psycopg import Connection

    from finetune.dataset.storage import Stored
    from journeyman.composition import Application

log = structlog.get_logger(__name__)

PACE = 2.0  # seconds between two writes of a round's figures
COST_NAMES = {"none": "LoRA", "4bit": "QLoRA"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked of a round; `now` trains on however little there is. None is what the settings say."""

    method: Method = "sft"
    quantize: "Quantize | None" = None
    dataset: int | None = None
    now: bool = False
    rank: int = 16
    rslora: bool = False
    epochs: float = 2.0
    learning_rate: float | None = None
    max_steps: int | None = None
    seed: int = 0


class Rounds:
    """Carries out the rounds of an installation."""

    def __init__(self, app: "Application") -> None:
        self._app = app

    def request(self, conn: "Connection[Any]", wanted: Wanted, started_by: str) -> round_rows.Round:
        """A new round, or the one that is open already."""
        from jobs.rows import request_job

        round_rows.rounds(conn, 0)  # those whose jobs were given up have ended
        with conn.transaction():
            job = request_job(conn, "finetune", "adapter", started_by=started_by)
            return round_rows.begin(conn, job.id, started_by=started_by, requested=asdict(wanted))

    def costs(self, wanted: Wanted, tell: Tell) -> "dict[Quantize, Trained | str]":
        """What a few steps of LoRA and of QLoRA cost over the same examples; where one cannot be, why."""
        number = wanted.dataset or self._build(wanted, tell)
        if number is None:
            raise TrainingFailed("There are no examples yet: `/journeyman review` makes some of votes and corrections.")
        found: dict[Quantize, Trained | str] = {}
        choices: tuple[Quantize, ...] = ("none", "4bit")
        for quantize in choices:
            tell(Progress(f"Measuring {COST_NAMES[quantize]}", len(found), len(choices)))
            spec = self._spec(replace(wanted, quantize=quantize), self._app.datasets / str(number))
            try:
                folder = self._app.home / "training" / f"cost-{quantize}"
                found[quantize] = probe(folder, spec, environment=self._app.training_environment())
            except TrainingFailed as error:
                found[quantize] = str(error)
        return found

    def carry_out(self, conn: "Connection[Any]", job_id: int, tell: Tell) -> dict[str, Any]:
        """Does the round of a job, or goes on with it; returns its report. Raises what `tell` raises, and failures."""
        found = round_rows.of_job(conn, job_id)
        if found is None:
            found = round_rows.begin(conn, job_id, started_by="schedule", requested=asdict(self._app.wanted()))
        if found.state != "open":
            return {"state": found.state, "reason": found.reason}
        wanted = Wanted(**found.requested)
        try:
            state, reason = self._round(conn, found, wanted, tell)
        except Exception as error:
            self._failed(conn, found, error)
            raise
        round_rows.end(conn, found.id, state, reason)
        log.info("round_ended", round=found.id, state=state)
        return {"state": state, "reason": reason}

    def _round(
        self, conn: "Connection[Any]", found: round_rows.Round, wanted: Wanted, tell: Tell
    ) -> tuple[round_rows.State, str]:
        kept, clusters = self._dataset(conn, found, wanted, tell)
        floor = self._app.settings.finetune_floor
        if kept is None or kept.report.get(f"train.{wanted.method}", 0) == 0:
            return "not enough", f"There are no examples for {wanted.method} yet: `/journeyman review` makes some."
        if clusters < floor and not wanted.now:
            return "not enough", f"{clusters} new clusters of reviewed questions came in, and {floor} are asked for."
        folder = self._app.home / "training" / found.adapter
        spec = self._spec(wanted, self._app.datasets / str(kept.id))
        trained = self._train(conn, found, kept, spec, folder, tell)
        made = self._app.adapters / found.adapter
        place(folder / ADAPTER, made, trained.sha256)
        verdict, metrics = self._examine(conn, found, kept, trained.seconds, tell)
        self._list(conn, found, kept, spec, trained, verdict, metrics)
        return self._decide(conn, found, verdict)

    def _dataset(
        self, conn: "Connection[Any]", found: round_rows.Round, wanted: Wanted, tell: Tell
    ) -> "tuple[Stored | None, int]":
        from finetune.dataset.freezing import DatasetUnusable, find

        number = found.dataset_id or wanted.dataset or self._build(wanted, tell)
        if number is None:
            return None, 0
        try:
            stored = find(conn, self._app.datasets, number)[0]
        except DatasetUnusable:
            if wanted.dataset is not None:
                raise
            # Somebody had their data deleted since: what was learnt of it is thrown away.
            round_rows.note_cost(conn, found.id, stale_dataset=number)
            return self._dataset(conn, replace(found, dataset_id=None), wanted, tell)
        if stored.outdated and found.dataset_id is None and wanted.dataset is not None:
            raise DatasetUnusable(
                f"{stored.outdated} examples of dataset {number} rest on documents that changed or were deleted: make "
                "another with `journeyman dataset build`."
            )
        clusters = round_rows.new_clusters(conn, number, wanted.method)
        round_rows.note_dataset(conn, found.id, number, clusters)
        return stored, clusters

    def _build(self, wanted: Wanted, tell: Tell) -> int | None:
        from finetune.dataset.rows import Options

        making = Progress("Making a dataset of votes and corrections")
        tell(making)
        evaluation = [labelled.question for labelled in self._app.golden()]
        options = Options(seed=wanted.seed)
        _, kept = self._app.build_dataset(options, evaluation, 0, lambda _: tell(making), lambda: None)
        return kept.id if kept else None

    def _spec(self, wanted: Wanted, dataset: Path) -> TrainingSpec:
        settings = self._app.settings
        return TrainingSpec(
            model=str(self._app.model_place()),
            revision=settings.model_revision,
            dataset=str(dataset),
            method=wanted.method,
            quantize=settings.quantize if wanted.quantize is None else wanted.quantize,
            rank=wanted.rank,
            rslora=wanted.rslora,
            epochs=wanted.epochs,
            learning_rate=wanted.learning_rate,
            max_steps=wanted.max_steps,
            seed=wanted.seed,
            device=settings.device,
            dtype=settings.dtype,
            threads=settings.threads,
        )

    def _train(
        self,
        conn: "Connection[Any]",
        found: round_rows.Round,
        kept: "Stored",
        spec: TrainingSpec,
        folder: Path,
        tell: Tell,
    ) -> Trained:
        environment, must_wait = self._app.training_environment(), partial(self._app.card_is_wanted, conn)
        if "estimate" not in found.cost and not (folder / ADAPTER).exists():
            measuring = Progress("Measuring what training will cost")
            tell(measuring)
            cost = estimate(probe(folder, spec, lambda _: tell(measuring), must_wait, environment), spec.max_steps)
            round_rows.note_cost(conn, found.id, estimate=cost | {"examination": self._examination_seconds(conn, kept)})
            found = round_rows.of_job(conn, found.job_id or 0) or found
        last = Progress(told_estimate(found.cost.get("estimate")), counts=found.cost.get("estimate") or {})
        tell(last)
        written = float("-inf")

        def on_step(step: Step | None) -> None:
            nonlocal last, written
            if step is not None:
                last = Progress(told_step(step), step.step, step.steps)
                if time.monotonic() - written > PACE or step.step == step.steps:
                    written = time.monotonic()
                    round_rows.note_cost(
                        conn,
                        found.id,
                        loss=step.loss,
                        step=step.step,
                        steps=step.steps,
                        tokens_per_second=round(step.tokens_per_second, 1),
                        seconds_left=round(seconds_left(step), 1),
                    )
            tell(last)

        trained = run(folder, spec, on_step, must_wait, environment=environment)
        round_rows.note_cost(
            conn,
            found.id,
            seconds=trained.seconds,
            tokens=trained.tokens,
            tokens_per_second=round(trained.tokens_per_second, 1),
            peak_megabytes=trained.peak_megabytes,
            gpu_seconds=trained.seconds if trained.device != "CPU" else 0,
            device=trained.device,
        )
        return trained

    def _examination_seconds(self, conn: "Connection[Any]", kept: "Stored") -> float:
        """What the examination may take: every question is answered by each arm, as fast as people were lately."""
        items = items_of(self._app.datasets / str(kept.id), round_rows.clusters_of(conn, kept.id), self._app.golden())
        now = registry.in_use(conn)
        arms = 2 + bool(now and now.active) + bool(round_rows.learnt_from(conn, kept.id))
        return round(len(items) * arms * round_rows.seconds_an_answer(conn), 1)

    def _examine(
        self,
        conn: "Connection[Any]",
        found: round_rows.Round,
        kept: "Stored",
        training_seconds: float,
        tell: Tell,
    ) -> tuple[Verdict, dict[str, Any]]:
        from finetune.dataset.storage import verified_passages
        from journeyman.composition import USUAL_EXAMPLES
        from retrieval.answering.followup import standalone
        from retrieval.answering.rewriting import rewritten
        from retrieval.indexing.sources import VERIFIED

        app = self._app
        clusters = one_voice(round_rows.clusters_of(conn, kept.id), round_rows.writers_of(conn, kept.id))
        items = items_of(app.datasets / str(kept.id), clusters, app.golden())
        judge, told = self._judge(conn)
        model: Any = app.model
        verified, learnt = verified_passages(conn, VERIFIED), round_rows.learnt_from(conn, kept.id)
        examples = app.examples(app.settings.examples or USUAL_EXAMPLES, verified - learnt) if learnt else None
        exam = Examination(
            app.pool,
            app.embedder,
            documents_alone(app.pool, app.embedder, app.reranker, verified),
            items,
            app.home / "training" / found.adapter / "examination",
            rewrite=partial(rewritten, model=model) if app.rewrites(model) else standalone,
            judge=safely(judge) if judge else None,
            policy=replace(app.policy, answers="model" if app.leads() else "quotes"),
        )
        now = registry.in_use(conn)
        active = now.active if now else None
        arms: dict[str, Any] = {"candidate": model.with_adapter(app.adapters / found.adapter), "base": model}
        if active is not None:
            arms["active"] = model.with_adapter(app.adapters / active)
        if examples is not None:
            arms[SHOWN] = Shown(model, examples)
        done, total = 0, len(items) * len(arms)

        def advance(arm: str) -> None:
            nonlocal done
            done += 1
            progress = Progress(f"Examining {arm}", done, total)
            give_way(partial(app.card_is_wanted, conn), lambda: tell(progress))

        with forgotten_around(arms["candidate"]):
            outcomes = exam.sit(f"beside {active or 'base'}", arms, advance)
        outcomes.setdefault("active", outcomes["base"])
        settings = app.settings
        verdict = decide(
            outcomes["candidate"],
            outcomes["active"],
            [*guards_for(items), *judging_guards(told, [name for name in JUDGED if any(i.set == name for i in items)])],
            margin=settings.finetune_margin,
            least=settings.finetune_questions,
            sets=DECIDING,
            examples=outcomes.get(SHOWN),
        )
        metrics = {"sets": figures(outcomes), "gain": asdict(verdict.gain), "active": active}
        if verdict.over_examples is not None:
            metrics["examples"] = asdict(verdict.over_examples)
            if verdict.over_examples.low <= settings.finetune_margin <= verdict.over_examples.high:
                told_cost = beside_examples(outcomes["candidate"], outcomes[SHOWN], training_seconds)
                verdict = replace(verdict, reason=f"{verdict.reason} {told_cost}")
        return verdict, metrics | ({"judge": told} if told else {})

    def _judge(self, conn: "Connection[Any]") -> tuple[Judge | None, dict[str, Any]]:
        from finetune.dataset.storage import read_answers
        from retrieval.indexing.sources import VERIFIED

        judge = self._app.judge()
        if judge is None:
            return None, {}
        return calibrated(judge, [answer for answer in read_answers(conn, VERIFIED) if answer.everyone])

    def _list(
        self,
        conn: "Connection[Any]",
        found: round_rows.Round,
        kept: "Stored",
        spec: TrainingSpec,
        trained: Trained,
        verdict: Verdict,
        metrics: Mapping[str, Any],
    ) -> None:
        lineage = {
            "base": self._app.base,
            **base_hashes(self._app.model_place(), self._app.settings.model_revision),
            "examples_of_dataset": kept.examples,
            "dataset_sha256": kept.hash,
            "split": {side: kept.report.get(f"{side}.{spec.method}", 0) for side in SPLITS},
            "machine": machine(),
            **asdict(spec),
            **trained.as_dict(),
            "alpha": spec.scale,
            "learning_rate": spec.rate,
            "journeyman": version("journeyman"),
            "spec_sha256": spec.digest,
        }
        lineage |= {"dataset": kept.id, "model": self._app.base}  # ids, where the spec has folders of this machine
        folder = self._app.adapters / found.adapter
        _write(folder / CARD, card(found.adapter, lineage, metrics, verdict.decision, verdict.reason).encode())
        if chart := loss_chart(trained.losses):
            _write(folder / CHART, chart)
        if chart := scores_chart(metrics["sets"]):
            _write(folder / SCORES, chart)
        registry.add(
            conn,
            registry.Made(
                name=found.adapter,
                round_id=found.id,
                parent=metrics["active"],
                dataset_id=kept.id,
                base=self._app.base,
                sha256=trained.sha256,
                lineage=lineage,
                metrics=metrics,
                decision=verdict.decision,
                reason=verdict.reason,
            ),
        )

    def _decide(
        self, conn: "Connection[Any]", found: round_rows.Round, verdict: Verdict
    ) -> tuple[round_rows.State, str]:
        if verdict.decision != "promote":
            return ("refused" if verdict.decision == "refuse" else "inconclusive"), verdict.reason
        settings = self._app.settings
        made = registry.find(conn, found.adapter)
        if made.stale_at or made.deleted:
            return "refused", f"{made.erased} It passed the gate: {verdict.reason}"
        if settings.finetune_promote == "by hand" or made.outdated:
            told = f" {made.erased}" if made.outdated else ""
            verdict = replace(verdict, reason=f"{verdict.reason}{told}")
            return "proved", f"{verdict.reason} To have it answer: journeyman model promote {found.adapter}"
        now = registry.in_use(conn)
        if now and found.adapter in (now.active, now.trial):  # by a process that was killed before it could say so
            return "promoted", verdict.reason
        try:
            if (now.active if now else None) != made.parent:
                raise registry.NotPossible("Another adapter has come to answer since, which it was not compared with.")
            registry.promote(
                conn,
                found.adapter,
                by=found.started_by,
                reason=verdict.reason,
                percent=settings.finetune_trial_percent or 100,
                expected=now,
            )
        except registry.NotPossible as error:
            told = f"{verdict.reason} {error} To have it answer: journeyman model promote {found.adapter}"
            return "proved", told
        return "promoted", verdict.reason

    def _failed(self, conn: "Connection[Any]", found: round_rows.Round, error: Exception) -> None:
        from jobs.execution import Cancelled, HandedBack
        from journeyman.failures import explain

        if conn.closed or isinstance(error, HandedBack):
            return  # another process goes on with it
        if isinstance(error, Cancelled):
            round_rows.end(conn, found.id, "cancelled", "It was cancelled.")
        else:
            round_rows.end(conn, found.id, "failed", explain(error).sentence)


def beside_examples(candidate: Sequence[Outcome], examples: Sequence[Outcome], training_seconds: float) -> str:
    """Which of the two is the cheaper way to the same quality, in a sentence."""
    pairs = [
        (theirs.scores, ours.scores)
        for ours, theirs in zip(candidate, examples, strict=True)
        if {"tokens", "seconds"} <= ours.scores.keys() & theirs.scores.keys()
    ]
    tokens, seconds = (
        sum(theirs[score] - ours[score] for theirs, ours in pairs) / max(len(pairs), 1)
        for score in ("tokens", "seconds")
    )
    return cheaper(tokens, seconds, training_seconds)


def give_way(is_wanted: Callable[[], bool], tell: Callable[[], None], every: float = POLL_SECONDS) -> None:
    """Tells, and goes on telling until nobody wants the card any more. Raises what `tell` raises."""
    tell()
    while is_wanted():
        time.sleep(every)
        tell()


@contextmanager
def forgotten_around(model: Any) -> Iterator[None]:
    """A model server forgets the adapter before, because one trained anew may have the name of an older one that it
    still holds, and after, because it answers nobody yet.
    """
    unload: Callable[[], None] = getattr(model, "unload", lambda: None)
    unload()
    try:
        yield
    finally:
        unload()


def place(made: Path, target: Path, sha256: str) -> None:
    """Moves the adapter to where it is served from: whole, because it is renamed. One that lies there of another spec,
    from before a restart, was never listed and so answers nobody.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if made.exists() and target.exists() and file_sha256(target / WEIGHTS) != sha256:
        shutil.rmtree(target)
    if not target.exists():
        made.rename(target)


def estimate(trained: Trained, max_steps: int | None) -> dict[str, float]:
    """What the whole will cost, from what a few steps did."""
    steps = trained.planned_steps if max_steps is None else min(max_steps, trained.planned_steps)
    seconds = trained.seconds_per_step * steps
    return {"seconds": round(seconds, 1), "steps": steps, "peak_megabytes": trained.peak_megabytes}


def told_estimate(found: Mapping[str, Any] | None) -> str:
    """For people, before it starts."""
    if not found:
        return "Training"
    told = f"Training will take about {duration(found['seconds'])} and {found['peak_megabytes'] / 1000:.1f} GB"
    after = found.get("examination")
    return f"{told}, and the examination about {duration(after)}" if after else told


def told_step(step: Step) -> str:
    """For people, while it lasts."""
    left = duration(seconds_left(step))
    return f"Training: loss {step.loss:.3f}, {step.tokens_per_second:.0f} tokens/s, {left} left"


def seconds_left(step: Step) -> float:
    """Of the training, if the steps to come take as long."""
    return step.seconds * (step.steps - step.step)


def duration(seconds: float) -> str:
    """For people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all."""
    aside = file.with_name(f".{file.name}.writing")
    aside.write_bytes(data)
    aside.rename(file)
