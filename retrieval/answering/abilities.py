"""What a model was found able to do, per adapter: `journeyman calibrate` measures it, and the chain goes by it.

A decision holds for the model and the adapter that it was measured with. Of one that was not measured nothing is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from psycopg import Connection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from retrieval.answering.chat_model import adapter_of, name_of

Lead = Literal["model", "quotes"]
"""Whose words lead an answer: the model's, or those of the documents."""

_NOTE = """
INSERT INTO model_ability (model, adapter, answers, rewrites, figures)
VALUES (%(model)s, %(adapter)s, %(answers)s, %(rewrites)s, %(figures)s)
"""
_KNOWN = """
SELECT answers, rewrites, figures FROM model_ability
WHERE (model = %(model)s OR %(model)s::text IS NULL)
    AND adapter IS NOT DISTINCT FROM %(adapter)s AND taken_back_at IS NULL
ORDER BY id DESC
"""
_TAKE_BACK = """
UPDATE model_ability SET taken_back_at = now() WHERE taken_back_at IS NULL AND measured_at >= %(since)s
"""


@dataclass(frozen=True, slots=True)
class Ability:
    """What is known of a model: `answers` says whose words lead, the model's or the documents', `rewrites` whether it
    rewrites follow-ups; each with the figures that decided it. None: not measured.
    """

    answers: Lead | None = None
    rewrites: bool | None = None
    answers_figures: Mapping[str, Any] | None = None
    rewrites_figures: Mapping[str, Any] | None = None


def ability(conn: Connection[Any], model: str | None, adapter: str | None) -> Ability:
    """What holds for the model of this name with this adapter; without a name, for whichever was measured last."""
    rows = conn.execute(_KNOWN, {"model": model, "adapter": adapter}).fetchall()
    answers, of_answers = next(((row[0], row[2]) for row in rows if row[0] is not None), (None, None))
    rewrites, of_rewrites = next(((row[1], row[2]) for row in rows if row[1] is not None), (None, None))
    return Ability(answers, rewrites, of_answers, of_rewrites)


def ability_of(conn: Connection[Any], model: BaseChatModel) -> Ability:
    """What holds for a chat model, with its adapter if it has one."""
    return ability(conn, name_of(model), adapter_of(model))


def where_able(pool: ConnectionPool[Any]) -> Callable[[BaseChatModel], bool]:
    """Whether a model was found able to rewrite follow-ups, as it is known at the moment of the question."""

    def rewrites(model: BaseChatModel) -> bool:
        with pool.connection() as conn:
            return ability_of(conn, model).rewrites is True

    return rewrites


def note_ability(
    conn: Connection[Any],
    model: str,
    adapter: str | None,
    *,
    answers: Lead | None = None,
    rewrites: bool | None = None,
    figures: Mapping[str, Any],
) -> None:
    """Keeps what was measured: it holds from the next question on, in every process. Raises CheckViolation for neither
    of the two.
    """
    values = {"model": model, "adapter": adapter, "answers": answers, "rewrites": rewrites}
    with conn.transaction():
        conn.execute(_NOTE, {**values, "figures": Jsonb(dict(figures))})


def take_back(conn: Connection[Any], since: datetime) -> int:
    """What was measured before that time holds again; returns how many decisions were taken back."""
    with conn.transaction():
        return conn.execute(_TAKE_BACK, {"since": since}).rowcount
