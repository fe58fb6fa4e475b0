"""Watching over an adapter that has just begun to answer: people's votes take it back, or end its trial well.

Only a difference that chance hardly makes counts, and only with a minimum of votes or answers: one angry person takes
nothing back.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from finetune.registry import NotPossible, Switch, in_use, promote, rollback
from finetune.significance import wilson

LEAST_VOTES = 20
LEAST_ENDS = 50
"""Texts of the model whose end is known, from which on their ends tell something."""
WORSE = 0.1
"""How much worse a share must be, apart from chance, for an adapter to be taken back."""
USUAL_DOWN = 0.2
"""The share of thumbs down that is taken for usual where those before had none to compare with."""
WATCHED = timedelta(days=14)
TRIAL = timedelta(days=7)
BY = "watch"

_RECEPTION = """
SELECT coalesce(sum(v.down), 0)::int AS down, coalesce(sum(v.votes), 0)::int AS votes,
    count(*) FILTER (WHERE a.finish = 'stop') AS stopped, count(*) FILTER (WHERE a.finish IS NOT NULL) AS ended
FROM answer a LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE vote = -1) AS down, count(*) AS votes FROM feedback WHERE answer_id = a.id) v ON true
WHERE a.adapter IS NOT DISTINCT FROM %(adapter)s AND a.state = 'answered'
    AND a.asked_at BETWEEN %(since)s AND %(until)s
"""
_BEFORE = """
SELECT a.name, s.at FROM adapter_switch s LEFT JOIN adapter a ON a.id = s.active_id
WHERE s.at < %(at)s ORDER BY s.id DESC LIMIT 1
"""
_NOW = "SELECT now()"


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of the answers of an adapter: thumbs down of so many votes, texts that it ended itself of so many."""

    down: int
    votes: int
    stopped: int
    ended: int


def worse(since: Reception, before: Reception) -> str | None:
    """Why the adapter is taken back, in a sentence; None if it is not."""
    usual = before.down / before.votes if before.votes >= LEAST_VOTES else USUAL_DOWN
    low, _ = wilson(since.down, since.votes)
    if since.votes >= LEAST_VOTES and low > usual + WORSE:
        return f"{since.down} of {since.votes} votes are thumbs down, and {usual:.0%} were before."
    if since.ended >= LEAST_ENDS and before.ended >= LEAST_ENDS:
        share = before.stopped / before.ended
        _, high = wilson(since.stopped, since.ended)
        if high < share - WORSE:
            return f"It ended {since.stopped} of {since.ended} texts by itself, and {share:.0%} were before."
    return None


def watch(conn: Connection[Any]) -> Switch | None:
    """Take back what proved worse with people, or have everybody answered by what was tried well; None: no change."""
    now = in_use(conn)
    if now is None or now.kind == "rollback":
        return None
    (moment,) = conn.execute(_NOW).fetchone() or (now.at,)
    if moment - now.at > WATCHED and now.trial is None:
        return None
    since = reception(conn, now.trial or now.active, now.at, moment)
    reason = worse(since, _before(conn, now, moment))
    try:
        if reason is not None:
            return rollback(conn, by=BY, reason=reason, expected=now)
        if now.trial is not None and moment - now.at > TRIAL and since.votes >= LEAST_VOTES:
            votes = f"{since.down} of {since.votes} votes down"
            reason = f"Tried on {now.percent} % of people for {TRIAL.days} days: {votes}."
            return promote(conn, now.trial, by=BY, reason=reason, expected=now)
    except NotPossible:
        return None  # somebody was quicker
    return None


def reception(conn: Connection[Any], adapter: str | None, since: Any, until: Any) -> Reception:
    """What became of an adapter's answers between two moments."""
    with conn.cursor(row_factory=class_row(Reception)) as cursor:
        values = {"adapter": adapter, "since": since, "until": until}
        return cursor.execute(_RECEPTION, values).fetchone() or Reception(0, 0, 0, 0)


def _before(conn: Connection[Any], now: Switch, moment: Any) -> Reception:
    """The reception of what everybody else is answered with while a trial lasts; else of what answered before."""
    if now.trial is not None:
        return reception(conn, now.active, now.at, moment)
    row = conn.execute(_BEFORE, {"at": now.at}).fetchone()
    return reception(conn, row[0] if row else None, now.at - timedelta(days=30), now.at)
