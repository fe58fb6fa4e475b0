"""The registry of adapters: what each was made of, whether it proved better, and which one answers whom.

A switch is one added row, which every process reads at its next question. Only an adapter that the gate passed takes
the place of another, unless a person says why it should all the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from finetune.evaluation.gate import Decision
from jobs import locks

Kind = Literal["promote", "try", "rollback"]

_ADD = """
INSERT INTO adapter (name, round_id, parent_id, dataset_id, base, sha256, lineage, metrics, decision, reason)
VALUES (%(name)s, %(round_id)s, (SELECT id FROM adapter WHERE name = %(parent)s), %(dataset_id)s, %(base)s, %(sha256)s,
    %(lineage)s, %(metrics)s, %(decision)s, %(reason)s)
ON CONFLICT (name) DO NOTHING
"""
_COLUMNS = """
a.id, a.name, a.round_id, p.name AS parent, a.dataset_id, a.base, a.sha256, a.lineage, a.metrics, a.decision, a.reason,
a.created_at, d.stale_at,
(SELECT count(*) FROM dataset_example e WHERE e.dataset_id = a.dataset_id AND e.answer_id IS NULL AND NOT e.synthetic)
    AS deleted,
(SELECT count(*) FROM dataset_example e WHERE e.dataset_id = a.dataset_id AND EXISTS (
    SELECT FROM unnest(e.sources) s WHERE NOT EXISTS (SELECT FROM chunk WHERE content_hash = decode(s, 'hex'))))
    AS outdated
"""
_LIST = f"""
SELECT {_COLUMNS} FROM adapter a LEFT JOIN adapter p ON p.id = a.parent_id LEFT JOIN dataset d ON d.id = a.dataset_id
WHERE %(name)s::text IS NULL OR a.name = %(name)s ORDER BY a.id DESC
"""  # noqa: S608
_HISTORY = """
SELECT s.at, s.by, s.kind, a.name AS active, t.name AS trial, s.percent, s.reason
FROM adapter_switch s LEFT JOIN adapter a ON a.id = s.active_id LEFT JOIN adapter t ON t.id = s.trial_id
ORDER BY s.id DESC LIMIT %(limit)s
"""
_SWITCH = """
INSERT INTO adapter_switch (by, kind, active_id, trial_id, percent, reason)
VALUES (%(by)s, %(kind)s, (SELECT id FROM adapter WHERE name = %(active)s),
    (SELECT id FROM adapter WHERE name = %(trial)s), %(percent)s, %(reason)s)
"""
_TRAINING = """
SELECT (lineage->>'examples')::int, (lineage->>'seconds')::float8 FROM adapter WHERE name = %(name)s
"""
_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"


class NotPossible(Exception):
    """A switch that cannot be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """An adapter that was trained, for the registry. `parent` is the name of the one that answered then."""

    name: str
    round_id: int | None
    parent: str | None
    dataset_id: int | None
    base: str
    sha256: str
    lineage: Mapping[str, Any]
    metrics: Mapping[str, Any]
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class Adapter(TrainedAdapter):
    """An adapter of the registry. `stale_at`: somebody in its data had theirs deleted then; `deleted` examples rest on
    answers that are gone since, `outdated` on passages that changed.
    """

    id: int
    created_at: datetime
    stale_at: datetime | None
    deleted: int
    outdated: int

    @property
    def erased(self) -> str | None:
        """What it learnt that should be forgotten since, in a sentence; None where there is nothing."""
        if not (self.stale_at or self.deleted or self.outdated):
            return None
        parts = []
        if self.stale_at or self.deleted:
            when = f" on {self.stale_at:%Y-%m-%d}" if self.stale_at else ""
            parts.append(f"from somebody who had their data deleted{when}")
        if self.outdated:
            parts.append(f"from {self.outdated} examples whose documents changed or went since")
        return f"It learnt {' and '.join(parts)}; the next round trains without that."


@dataclass(frozen=True, slots=True)
class Switch:
    """What answers since `at`: `active` (None: the model as it comes), and `trial` for so many percent of people."""

    at: datetime
    by: str
    kind: Kind
    active: str | None
    trial: str | None
    percent: int
    reason: str

    def adapter_for(self, asker: str | None) -> str | None:
        """Which adapter answers a person: always the same one while a trial lasts."""
        if self.trial is not None and asker is not None and bucket(asker, self.trial) < self.percent:
            return self.trial
        return self.active


def bucket(asker: str, trial: str) -> int:
    """A number from 0 to 99 that stays the same; another trial divides people in another way."""
    return int.from_bytes(hashlib.sha256(f"{trial} {asker}".encode()).digest()[:4]) % 100


def add(conn: Connection[Any], adapter: TrainedAdapter) -> None:
    """Lists an adapter whose folder is whole. One that is listed already stays as it is."""
    values = asdict(adapter) | {"lineage": Jsonb(dict(adapter.lineage)), "metrics": Jsonb(dict(adapter.metrics))}
    conn.execute(_ADD, values)


def adapters(conn: Connection[Any]) -> list[Adapter]:
    """All adapters, newest first."""
    with conn.cursor(row_factory=class_row(Adapter)) as cursor:
        return cursor.execute(_LIST, {"name": None}).fetchall()


def find(conn: Connection[Any], name: str) -> Adapter:
    """The adapter with this name. Raises NotPossible."""
    with conn.cursor(row_factory=class_row(Adapter)) as cursor:
        adapter: Adapter | None = cursor.execute(_LIST, {"name": name}).fetchone()
    if adapter is None:
        raise NotPossible(f"There is no adapter {name!r}: `journeyman model list` names those that there are.")
    return adapter


def training_of(conn: Connection[Any], name: str) -> tuple[int | None, float | None]:
    """On how many examples an adapter was trained, and for how many seconds; None where the registry does not know."""
    row = conn.execute(_TRAINING, {"name": name}).fetchone()
    return (row[0], row[1]) if row else (None, None)


def adapter_folder(conn: Connection[Any], adapters: Path, name: str | None) -> Path | None:
    """The folder of an adapter of the registry, which is in `adapters`, or of one that lies elsewhere; None: of the one
    that answers, if any does. Raises NotPossible.
    """
    if name is not None and Path(name).is_dir():
        return Path(name)
    now = in_use(conn)
    chosen = now.active if name is None and now else name
    return None if chosen is None else adapters / find(conn, chosen).name


def in_use(conn: Connection[Any]) -> Switch | None:
    """What answers now; None before the first switch, when the model answers as it comes."""
    return next(iter(history(conn, 1)), None)


def active_adapter(conn: Connection[Any]) -> str | None:
    """The name of the adapter that answers most people now, if one does."""
    now = in_use(conn)
    return now.active if now else None


def history(conn: Connection[Any], limit: int | None = 20) -> list[Switch]:
    """The last switches, or all of them, newest first."""
    with conn.cursor(row_factory=class_row(Switch)) as cursor:
        return cursor.execute(_HISTORY, {"limit": limit}).fetchall()


def promote(
    conn: Connection[Any],
    name: str,
    *,
    by: str,
    reason: str | None = None,
    percent: int = 100,
    expected: Switch | None = None,
) -> Switch:
    """Have an adapter answer, everybody or so many percent of people.

    One that the gate did not pass needs a `reason`. Raises NotPossible, also if something was switched since what was
    `expected` to answer.
    """
    adapter = find(conn, name)
    if adapter.decision != "promote" and not reason:
        raise NotPossible(
            f"The gate did not pass {name}: {adapter.reason} To promote it all the same, say --reason WHY."
        )
    with conn.transaction():
        conn.execute(_LOCK, {"key": locks.ADAPTER})
        now = _now(conn, expected)
        active = now.active if now else None
        if active == name:
            raise NotPossible(f"{name} answers already.")
        if percent < 100:
            return _switch(conn, by, "try", active, name, percent, reason or adapter.reason)
        return _switch(conn, by, "promote", name, None, 0, reason or adapter.reason)


def rollback(conn: Connection[Any], *, by: str, reason: str, expected: Switch | None = None) -> Switch:
    """End the trial there is, else go back to what answered before. Raises NotPossible if there is neither, or if
    something was switched since `expected`.
    """
    with conn.transaction():
        conn.execute(_LOCK, {"key": locks.ADAPTER})
        now = _now(conn, expected)
        if now is None or (now.active is None and now.trial is None):
            raise NotPossible("There is nothing to roll back: the model answers as it comes, without an adapter.")
        if now.trial is not None:
            return _switch(conn, by, "rollback", now.active, None, 0, reason)
        return _switch(conn, by, "rollback", _before(history(conn, None)), None, 0, reason)


def _before(switches: Sequence[Switch]) -> str | None:
    """What answered before the last promotion that was not gone back on; `switches` are all, newest first."""
    before: list[str | None] = []
    active = trial = None
    for switch in reversed(switches):
        if switch.kind == "promote":
            before.append(active)
        elif switch.kind == "rollback" and trial is None and before:  # with a trial, it ended that alone
            before.pop()
        active, trial = switch.active, switch.trial
    return before[-1] if before else None


def _now(conn: Connection[Any], expected: Switch | None) -> Switch | None:
    """What answers, which is what it was `expected` to be."""
    now = in_use(conn)
    if expected is not None and now != expected:
        raise NotPossible("Something else was switched meanwhile: look at `journeyman model list` again.")
    return now


def _switch(
    conn: Connection[Any], by: str, kind: Kind, active: str | None, trial: str | None, percent: int, reason: str
) -> Switch:
    values = {"by": by, "kind": kind, "active": active, "trial": trial, "percent": percent, "reason": reason}
    conn.execute(_SWITCH, values)
    switched = in_use(conn)
    if switched is None:
        raise RuntimeError("an inserted row was not returned")
    return switched
