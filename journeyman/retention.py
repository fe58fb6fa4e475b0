"""What is forgotten by itself: events, ended jobs, and the files of datasets and rounds that nothing needs any more.

Rows of datasets and rounds stay, because adapters refer to them. What people asked and said is not forgotten here.
"""

import shutil
from pathlib import Path
from typing import Any

from psycopg import Connection

from bot.claims import forget_events
from finetune.dataset.freezing import sweep
from finetune.rounds.rows import ended_rounds
from jobs.rows import forget_jobs

TRAINING_DAYS = 7
"""How long checkpoints and evaluation of a round that has ended stay, for whoever wants to know why."""


def forget(conn: Connection[Any], home: Path) -> dict[str, int]:
    """Deletes what is too old to be of use; returns how many of what. `conn` is in autocommit mode."""
    folders = [home / "training" / row.adapter for row in ended_rounds(conn, TRAINING_DAYS)]
    present = [folder for folder in folders if folder.is_dir()]
    for folder in present:
        shutil.rmtree(folder)
    return {
        "events": forget_events(conn),
        "jobs": forget_jobs(conn),
        "datasets": sweep(conn, home / "datasets"),
        "training_folders": len(present),
    }
