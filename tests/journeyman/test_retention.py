"""What nobody needs any more is forgotten; what something refers to stays."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from journeyman.retention import forget

DATASET = "INSERT INTO dataset (hash, report, created_at) VALUES (%s, '{}', now() - %s * interval '1 day') RETURNING id"
ROUND = """
INSERT INTO training_round (started_by, requested, state, dataset_id, ended_at)
VALUES ('U1', '{}', %s, %s, now() - %s * interval '1 day') RETURNING id
"""
JOB = """
INSERT INTO job (kind, target, started_by, state, queued_at, finished_at)
VALUES (%s, 'all', 'U1', 'done', now() - interval '1 year', now() - %s * interval '1 day')
"""


def number(conn: Connection[Any], statement: str, *values: object) -> int:
    row = conn.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])


def folders(home: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in home.glob("*/*")}


def test_what_is_old_and_unused_is_forgotten(database: str, tmp_path: Path) -> None:
    """Events and jobs as rows; of datasets and rounds the files alone, for others refer to their rows."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("INSERT INTO event (id, received_at) VALUES ('old', now() - interval '8 days'), ('new', now())")
        for kind, days in (("scan", 8), ("scan", 6), ("reindex", 91), ("reindex", 89)):
            conn.execute(JOB, (kind, days))
        unused, learnt, trained, recent, stale, newest = (
            number(conn, DATASET, name, days)
            for name, days in (("a", 91), ("b", 91), ("c", 91), ("d", 89), ("e", 1), ("f", 91))
        )
        conn.execute("UPDATE dataset SET stale_at = now() WHERE id = %s", [stale])
        old, fresh, under_way = (
            number(conn, ROUND, *values)
            for values in (("inconclusive", unused, 8), ("failed", unused, 6), ("open", trained, 8))
        )
        conn.execute("UPDATE training_round SET ended_at = NULL WHERE state = 'open'")
        conn.execute(
            "INSERT INTO adapter (name, round_id, dataset_id, base, sha256, lineage, metrics, decision, reason) "
            "VALUES ('one', %s, %s, 'phi', 'x', '{}', '{}', 'promote', '')",
            [old, learnt],
        )
        for each in (unused, learnt, trained, recent, stale, newest):
            (tmp_path / "datasets" / str(each)).mkdir(parents=True)
        for each in (old, fresh, under_way):
            (tmp_path / "training" / f"round-{each}" / "checkpoints").mkdir(parents=True)
        before = folders(tmp_path)
        counts = {"events": 1, "jobs": 2, "datasets": 2, "training_folders": 1}
        assert forget(conn, tmp_path) == counts
        assert before - folders(tmp_path) == {f"datasets/{unused}", f"datasets/{stale}", f"training/round-{old}"}
        assert forget(conn, tmp_path) == dict.fromkeys(counts, 0)
