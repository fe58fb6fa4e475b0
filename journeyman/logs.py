"""Logs go to standard error, one line each: standard output belongs to results."""

import logging
import sys

import structlog

# Libraries that tell at INFO, or at DEBUG with tokens and message texts in it, what concerns only their
# authors.
QUIET = (
    "slack_sdk",
    "slack_bolt",
    "urllib3",
    "httpx",
    "httpcore",
    "openai",
    "pypdf",
    "kombu",
    "amqp",
    "asyncio",
)


class WithoutRequests(logging.Filter):
    """Bolt logs the whole of a request with a wrong signature, which may be a message that a wrong secret refused."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes; this one says less."""
        if record.name.endswith("RequestVerification"):
            record.msg, record.args = "A request with a wrong signature was refused: check SLACK_SIGNING_SECRET", ()
        return True


def configure_logs(level: str) -> None:
    """Show what is at least as important as `level`, from our own code and from libraries."""
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(WithoutRequests())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
