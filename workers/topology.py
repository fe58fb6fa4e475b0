"""Task names, queues and routes: one table that the worker, beat and whoever enqueues agree on."""

from collections.abc import Iterable

SCAN_SOURCES = "sources.scan"
REINDEX = "sources.reindex"
BUILD_EMBEDDER = "embedder.build"
FINETUNE_ROUND = "adapter.round"
FINETUNE_DUE = "adapter.due"
WATCH_ADAPTER = "adapter.watch"
SWEEP = "work.sweep"
PRUNE_VECTORS = "vectors.prune"
STATISTICS = "index.statistics"
RETENTION = "work.retention"

INGEST = "ingest"
EMBED = "embed"
FINETUNE = "finetune"
CONTROL = "control"

QUEUES = (INGEST, EMBED, FINETUNE, CONTROL)
GPU_QUEUES = frozenset({EMBED, FINETUNE})
"""Their tasks may use a GPU, which a process that was forked from one that has used it cannot."""

ROUTES = {
    SCAN_SOURCES: {"queue": INGEST},
    REINDEX: {"queue": INGEST},
    BUILD_EMBEDDER: {"queue": EMBED},
    FINETUNE_ROUND: {"queue": FINETUNE},
    FINETUNE_DUE: {"queue": CONTROL},
    WATCH_ADAPTER: {"queue": CONTROL},
    SWEEP: {"queue": CONTROL},
    PRUNE_VECTORS: {"queue": INGEST},
    STATISTICS: {"queue": CONTROL},
    RETENTION: {"queue": CONTROL},
}


def routes(indexing: str = INGEST) -> dict[str, dict[str, str]]:
    """The table, with documents indexed on this queue: EMBED where the embedding model is on that worker's GPU."""
    return ROUTES | {task: {"queue": indexing} for task in (SCAN_SOURCES, REINDEX)}


TASKS = {"scan": SCAN_SOURCES, "reindex": REINDEX, "build": BUILD_EMBEDDER, "finetune": FINETUNE_ROUND}
"""Which task does a job of a kind (jobs/rows.py); it takes the job's id."""

# Seconds without a sign of life after which Redis gives a task to another worker; workers/lease.py gives the signs.
VISIBILITY_TIMEOUT = 60.0


def is_solo(queues: Iterable[str], *, on_gpu: bool) -> bool:
    """Whether a worker on these queues does its tasks in its own process."""
    return on_gpu and not GPU_QUEUES.isdisjoint(queues)
