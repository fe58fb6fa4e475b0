"""Fine-tuning in this installation: what a round works with, datasets, the judge, and rounds left to a worker."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from psycopg import Connection

from finetune.comparison.arms import ComparisonParts
from finetune.dataset.making import make_dataset
from finetune.dataset.rows import Dataset, Options
from finetune.dataset.storage import StoredDataset
from finetune.evaluation.judging import Judge
from finetune.model.remote import remote_chat_model
from finetune.rounds.parts import Machine, RoundParts, RoundPolicy, RoundRequest
from finetune.rounds.run import carry_out_round, request_round
from jobs.progress import Tell
from journeyman.answering_model import current_policy
from journeyman.composition import OUR_SETTINGS, Application
from journeyman.enqueueing import EnqueueingParts, send
from journeyman.errors import WrongSetting
from journeyman.failures import explain
from journeyman.models import base_name, model_place
from journeyman.settings import Settings, reveal
from retrieval.answering.measuring.evaluation import LabelledQuestion, QuestionSetError, load_questions
from workers.app import enqueue_round

JUDGE_TOKENS = 4  # for a yes or no
USUAL_EXAMPLES = 2
"""Verified answers that stand in the prompt where examples are compared and the settings name no number."""


def round_parts(app: Application) -> RoundParts:
    """What a round of fine-tuning works with."""
    settings = app.settings
    return RoundParts(
        pool=app.pool,
        embedder=app.embedder,
        reranker=app.reranker,
        base=base_name(settings),
        model=lambda: app.model,
        model_place=partial(model_place, settings),
        training=app.home / "training",
        datasets=app.datasets,
        adapters=app.adapters,
        build_dataset=partial(_dataset_number, app),
        golden=partial(golden_questions, settings),
        examples=app.examples,
        rewrites=app.rewrites,
        judge=partial(judge_model, settings),
        must_wait=app.gpu.must_wait,
        environment=training_environment(),
        explain=lambda error: explain(error).sentence,
        policy=_round_policy(settings),
        answering=lambda: current_policy(app.answering_model),
        machine=Machine(settings.model_revision, settings.quantize, settings.device, settings.dtype, settings.threads),
    )


def comparison_parts(app: Application) -> ComparisonParts:
    """What answers in a comparison of the model with and without documents, examples and an adapter."""
    examples = app.examples(app.settings.examples or USUAL_EXAMPLES)
    return ComparisonParts(app.pool, app.embedder, app.reranker, app.model, app.rewrites, examples, app.policy)


def build_dataset(
    app: Application,
    options: Options,
    evaluation: Sequence[str],
    from_documents: int,
    tell: Callable[[str], None],
    advance: Callable[[], None],
) -> tuple[Dataset, StoredDataset | None]:
    """A dataset of all votes and corrections, as `finetune.dataset.making.make_dataset` makes it."""
    with app.connect() as conn:
        return make_dataset(
            *(conn, app.pool, app.embedder, app.model, app.datasets),
            options=options,
            plan=app.chain().plan,
            evaluation=evaluation,
            from_documents=from_documents,
            tell=tell,
            advance=advance,
        )


def finetune(app: Application, conn: Connection[Any], job_id: int, tell: Tell) -> dict[str, Any]:
    """Does the round of fine-tuning that a job is about, or goes on with it; returns how it ended."""
    return carry_out_round(round_parts(app), conn, job_id, tell)


def usual_request(settings: Settings) -> RoundRequest:
    """What a round that the schedule starts is to do."""
    return RoundRequest(method=settings.finetune_method)


def request_usual_round(settings: Settings, conn: Connection[Any]) -> int:
    """The job of a round that the schedule asks for: a new one, or the one that is open."""
    return request_round(conn, usual_request(settings), "schedule").job_id or 0


def start_round(parts: EnqueueingParts, person: str, request: RoundRequest) -> int:
    """Has a worker do a round of fine-tuning, as soon as one comes; returns its number."""
    with parts.connect() as conn:
        row = request_round(conn, request, person)
    send(enqueue_round, parts.celery, row.job_id or 0)
    return row.id


def start_usual_round(parts: EnqueueingParts, settings: Settings, person: str, now: bool) -> int:
    """Has a worker do a round as the schedule would, `now` whether or not there is much to learn from."""
    return start_round(parts, person, replace(usual_request(settings), now=now))


def judge_model(settings: Settings) -> Judge | None:
    """The model that judges answers, if the settings name one."""
    if settings.judge_url is None:
        return None
    key = reveal(settings.judge_api_key)
    model = remote_chat_model(settings.judge_url, settings.judge_model, key, JUDGE_TOKENS)
    return Judge(model, model.model_name)


def golden_questions(settings: Settings) -> list[LabelledQuestion]:
    """The questions that every adapter is evaluated with. Raises WrongSetting."""
    if settings.golden_questions is None:
        return []
    try:
        return load_questions(settings.golden_questions)
    except (OSError, QuestionSetError) as error:
        raise WrongSetting(f"JOURNEYMAN_GOLDEN_QUESTIONS cannot be read: {error}") from error


def training_environment() -> dict[str, str]:
    """Of the process that trains: one GPU, for several are `accelerate launch`'s; and no secrets of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)}
    return {"CUDA_VISIBLE_DEVICES": "0", **inherited, "TOKENIZERS_PARALLELISM": "false"}


def _round_policy(settings: Settings) -> RoundPolicy:
    return RoundPolicy(
        method=settings.finetune_method,
        floor=settings.finetune_floor,
        margin=settings.finetune_margin,
        least=settings.finetune_questions,
        by_hand=settings.finetune_promote == "by hand",
        trial_percent=settings.finetune_trial_percent,
        examples=settings.examples or USUAL_EXAMPLES,
    )


def _dataset_number(
    app: Application, options: Options, evaluation: Sequence[str], tell: Callable[[], None]
) -> int | None:
    _, stored = build_dataset(app, options, evaluation, 0, lambda _: tell(), lambda: None)
    return stored.id if stored else None
