"""What the bot's listeners and workers share: built once by `bot.app` and handed to each of them."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool
from slack_sdk import WebClient

from bot.operations import Operations
from bot.questions.in_flight import InFlight
from bot.questions.limits import QuestionLimits
from bot.questions.recent import RecentKeys
from bot.slack.events import Identity
from bot.slack.workspace import Capabilities
from retrieval.answering.answer import Event, Question
from retrieval.embedding import Embedder

Answerer = Callable[[Question], Iterator[Event]]
Pool = ConnectionPool[Connection[Any]]

INTAKE_TIMEOUT = 5.0  # seconds to wait for Postgres before the person is told that it is down
ACK_TIMEOUT = 2.0  # the same where Slack, which waits three seconds, is told first that we have it


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the listeners need, built once by `bot.app`. `owner` is this process's number: see `bot.presence`."""

    pool: Pool
    answer: Answerer
    client: WebClient
    identity: Identity
    work: Executor
    embedder: Embedder
    operations: Operations = field(default_factory=Operations)
    limits: QuestionLimits = field(default_factory=QuestionLimits)
    capabilities: Capabilities = field(default_factory=Capabilities)
    in_flight: InFlight = field(default_factory=InFlight)
    owner: int = field(default_factory=lambda: secrets.randbits(62))
    stopping: Flag = field(default_factory=Flag)
    recent_posts: RecentKeys = field(default_factory=RecentKeys)
    recent_threads: RecentKeys = field(default_factory=RecentKeys)
