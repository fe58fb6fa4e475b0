"""Logs go to standard error, one line each: standard output belongs to results."""

import logging
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import structlog
from structlog.typing import Processor

if TYPE_CHECKING:
    from retrieval.answering.answer import Event

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


def configure_logs(level: str, *, structured: bool = False) -> None:
    """Show what is at least as important as `level`, from our own code and from libraries; `structured`: as JSON, a
    line each, for whatever collects logs.
    """
    first: list[Processor] = [structlog.processors.add_log_level, _stamp(structured)]
    last: list[Processor] = [structlog.processors.format_exc_info, _renderer(structured)]
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(WithoutRequests())
        if structured:
            formatter = structlog.stdlib.ProcessorFormatter
            handler.setFormatter(
                formatter(
                    foreign_pre_chain=[*first, structlog.stdlib.add_logger_name],
                    processors=[formatter.remove_processors_meta, *last],
                )
            )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Of what goes wrong behind an error that is told already, such as a rollback after Ctrl-C.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def with_texts(question: str, events: "Iterator[Event]") -> "Generator[Event]":
    """The events of one answer, as they come, with the question and the answer in the log: for whoever asked for it."""
    from retrieval.answering.answer import Done

    log = structlog.get_logger()
    log.info("asked", question=question)
    with closing(cast(Any, events)):
        for event in events:
            if isinstance(event, Done):
                log.info("answered", answer=event.answer.text, abstained=event.answer.abstained)
            yield event


def _stamp(structured: bool) -> Processor:
    if structured:
        return structlog.processors.TimeStamper(fmt="iso", utc=True)
    return structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)


def _renderer(structured: bool) -> Processor:
    if structured:
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
