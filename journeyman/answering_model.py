"""Which model answers and whose words lead, told without loading it: for status, metrics and the rounds."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from bot.operations import ModelState
from finetune.registry import in_use
from journeyman.models import EMBEDDED_MODEL, base_name
from journeyman.settings import Settings
from retrieval.answering.abilities import ability

if TYPE_CHECKING:
    from retrieval.answering.policy import Policy


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What is known of the answering model. `is_loaded()`: whether this process has it in memory. `problem_of(adapter)`
    says why an adapter cannot be served here, None if it can or was not tried.
    """

    settings: Settings
    connect: Callable[[], AbstractContextManager[Connection[Any]]]
    policy: "Policy"
    is_loaded: Callable[[], bool]
    problem_of: Callable[[str | None], str | None]


def model_state(parts: ModelParts) -> ModelState:
    """Which model answers, and with which adapter."""
    settings = parts.settings
    with parts.connect() as conn:
        switch = in_use(conn)
    adapter, leads = switch.active if switch else None, model_leads(parts)
    problem, name = parts.problem_of(adapter), base_name(settings)
    if settings.model_url:
        return ModelState(name, "on the server in JOURNEYMAN_MODEL_URL", adapter, None, problem, leads)
    return ModelState(name, f"in this process ({settings.device})", adapter, parts.is_loaded(), problem, leads)


def model_leads(parts: ModelParts) -> bool:
    """Whether the model's words lead what people are answered now, with the adapter that answers most of them."""
    with parts.connect() as conn:
        switch = in_use(conn)
        measured = ability(conn, _answers_name(parts.settings), switch.active if switch else None).answers
    return parts.policy.leads(measured)


def current_policy(parts: ModelParts) -> "Policy":
    """The policy with what was measured until now, as people are answered."""
    return replace(parts.policy, answers="model" if model_leads(parts) else "quotes")


def _answers_name(settings: Settings) -> str | None:
    """What the answering model is known by in its answers (retrieval.answering.chat_model.name_of), without loading it;
    None where its server names it.
    """
    name = settings.model
    if settings.model_url:
        return None if name == EMBEDDED_MODEL else name
    return Path(name).name if Path(name).is_dir() else name
