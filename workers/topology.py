"""Task names, queues and routes: one table that the worker, beat and whoever enqueues agree on."""

SCAN_SOURCES = "sources.scan"
REINDEX = "sources.reindex"
BUILD_EMBEDDER = "embedder.build"
SWEEP = "work.sweep"

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
    SWEEP: {"queue": CONTROL},
}

# Seconds without a sign of life after which Redis gives a task to another worker; workers/lease.py gives the signs.
VISIBILITY_TIMEOUT = 60.0
