"""Task names, queues and routes: one table that the worker, beat and whoever enqueues agree on."""

SCAN_SOURCES = "sources.scan"
REINDEX = "sources.reindex"

INGEST = "ingest"

ROUTES = {SCAN_SOURCES: {"queue": INGEST}, REINDEX: {"queue": INGEST}}
QUEUES = tuple(sorted({route["queue"] for route in ROUTES.values()}))

# Seconds after which Redis gives a task that nobody has acknowledged to another worker. It must be longer
# than the longest task, or two workers run it at once; the scan's lock makes the second one a no-op.
VISIBILITY_TIMEOUT = 6 * 3600
