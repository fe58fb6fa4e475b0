"""A running task keeps its message: it renews its place among the messages that nobody has acknowledged.

Redis gives a message that was not acknowledged within the visibility timeout to another worker. Without renewal that
timeout has to be longer than the longest task, and a killed worker's task waits for it; with renewal a minute will do.
The place is kombu's: a sorted set of delivery tags by the time of delivery (kombu.transport.redis.QoS). A test holds
that it still is.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
import structlog
from celery import Task

UNACKED_INDEX = "unacked_index"  # kombu's Channel.unacked_index_key

log = structlog.get_logger(__name__)


def leased_task(redis_url: str, seconds: float) -> type[Task]:
    """The base class of tasks whose messages are renewed four times in `seconds`, the visibility timeout."""

    class LeasedTask(Task):  # type: ignore[misc]  # Celery has no types
        """A task that keeps its message while it runs."""

        abstract = True

        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            """Run the task. Called directly, without a message, there is nothing to keep."""
            tag = (self.request.properties or {}).get("delivery_tag")
            if tag is None:
                return super().__call__(*arguments, **keywords)
            with renewed(renewer(redis_url, tag), seconds / 4):
                return super().__call__(*arguments, **keywords)

    return LeasedTask


def renewer(redis_url: str, tag: str) -> Callable[[], bool]:
    """A function that renews the message's place, and says whether it still had one. Raises redis.RedisError."""
    # A connection of its own: the worker's was made before it forked.
    client = redis.Redis.from_url(redis_url, socket_timeout=5)

    def renew() -> bool:
        client.zadd(UNACKED_INDEX, {tag: time.time()}, xx=True)
        return client.zscore(UNACKED_INDEX, tag) is not None

    return renew


@contextmanager
def renewed(renew: Callable[[], bool], every: float) -> Iterator[None]:
    """Renew at once and every so many seconds while the context lasts. Redis may be away meanwhile."""
    end = threading.Event()

    def keep() -> None:
        has_place = True
        while True:
            try:
                if not renew() and has_place:
                    # Redis was emptied, or took the message away: what the task writes says who is first.
                    has_place = False
                    log.warning("message_gone")
            except redis.RedisError as error:
                log.warning("message_not_renewed", error=type(error).__name__)
            if end.wait(every):
                return

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        end.set()
