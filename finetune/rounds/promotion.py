"""Whether a round's adapter comes to answer: its verdict, and what an operator has decided about rounds."""

from dataclasses import replace
from typing import Any

from psycopg import Connection

from finetune import registry
from finetune.evaluation.gate import Verdict
from finetune.rounds.parts import RoundPolicy
from finetune.rounds.rows import Round, State


def switch_to(policy: RoundPolicy, conn: Connection[Any], row: Round, verdict: Verdict) -> tuple[State, str]:
    """Has the adapter answer if its verdict and the policy say so; returns how the round ended, and why."""
    if verdict.decision != "promote":
        return ("refused" if verdict.decision == "refuse" else "inconclusive"), verdict.reason
    adapter = registry.find(conn, row.adapter)
    if adapter.stale_at or adapter.deleted:
        return "refused", f"{adapter.erased} It passed the gate: {verdict.reason}"
    if adapter.outdated:
        verdict = replace(verdict, reason=f"{verdict.reason} {adapter.erased}")
    if policy.by_hand or adapter.outdated:
        return "proved", _by_hand(row, verdict.reason)
    now = registry.in_use(conn)
    if now and row.adapter in (now.active, now.trial):  # by a process that was killed before it could say so
        return "promoted", verdict.reason
    try:
        _promote(policy, conn, row, adapter.parent, verdict.reason)
    except registry.NotPossible as error:
        return "proved", _by_hand(row, f"{verdict.reason} {error}")
    return "promoted", verdict.reason


def _promote(policy: RoundPolicy, conn: Connection[Any], row: Round, parent: str | None, reason: str) -> None:
    """Raises registry.NotPossible, also where what answers now is not the `parent` that it was compared with."""
    now = registry.in_use(conn)
    if (now.active if now else None) != parent:
        raise registry.NotPossible("Another adapter has come to answer since, which it was not compared with.")
    percent = policy.trial_percent or 100
    registry.promote(conn, row.adapter, by=row.started_by, reason=reason, percent=percent, expected=now)


def _by_hand(row: Round, reason: str) -> str:
    return f"{reason} To have it answer: journeyman model promote {row.adapter}"
