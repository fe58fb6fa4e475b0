"""The composition root: from settings to parts that are ready to use, each built when it is first asked for.

Nothing else in the house builds a pool, an embedder, a model or a chain. What is done with the parts stands elsewhere:
`answering`, `indexing`, `rounds`, `enqueueing` and the commands. Imports within a method are of what some processes
never need and all would pay for: LangChain (a second), model libraries, metrics, tracing, Slack.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg_pool import ConnectionPool

from journeyman import __version__
from journeyman.lazily import Lazily
from journeyman.models import EMBEDDED_MODEL, base_name, build_model, embedding_api
from journeyman.servers.stack import Stack, running_stack
from journeyman.settings import Settings, reveal
from migrations import migrate
from retrieval.embedders import Embedders, embedder_named
from retrieval.indexing.models import active_model
from retrieval.loading.isolated import IsolatedParser, ParserLimits
from retrieval.origins import Access
from workers.gpu_priority import GpuPriority

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from finetune.serving import Serving
    from journeyman.answering_model import ModelParts
    from journeyman.indexing import IndexingParts
    from journeyman.observing.metrics import Metrics
    from journeyman.observing.tracing import Tracing
    from journeyman.observing.watching import Watching
    from retrieval.answering.answer import Event, Question
    from retrieval.answering.chain import AnswerChain
    from retrieval.answering.examples import Examples
    from retrieval.answering.policy import Policy
    from retrieval.searching.reranking import Reranker

OUR_SETTINGS = ("JOURNEYMAN_", "SLACK_")
"""What programs that we start need not know."""


@contextmanager
def running_servers(settings: Settings) -> Iterator["Application"]:
    """The application on running servers. Closes what was built, then leaves the servers."""
    database, redis = reveal(settings.database_url), reveal(settings.redis_url)
    with running_stack(settings.home, database_url=database, redis_url=redis) as stack:
        app = Application(settings, stack)
        try:
            yield app
        finally:
            app.close()


@contextmanager
def application(settings: Settings) -> Iterator["Application"]:
    """The application on running servers and a current schema."""
    with running_servers(settings) as app:
        update_schema(app.stack)
        yield app


def update_schema(stack: Stack) -> list[str]:
    """Brings the schema up to date; returns the names of the migrations that were applied."""
    with psycopg.connect(stack.database_url, autocommit=True, connect_timeout=10) as conn:
        return migrate(conn)


class Application:
    """The parts of a running Journeyman. Safe to share between threads."""

    def __init__(self, settings: Settings, stack: Stack) -> None:
        self.settings, self.stack = settings, stack
        self.home = settings.home.expanduser().absolute()
        self.datasets, self.adapters = self.home / "datasets", self.home / "adapters"
        self._closing = ExitStack()
        lock = threading.RLock()  # two first questions at once must not load the model twice
        self._model = Lazily(partial(build_model, settings), lock)
        self._chain = Lazily(self._build_chain, lock)
        self._serving = Lazily(self._build_serving, lock)

    def close(self) -> None:
        """Closes the pool, ends the process that parses and sends the last spans, as far as they are there. The servers
        stay.
        """
        self._closing.close()

    @contextmanager
    def connect(self) -> Iterator[Connection[Any]]:
        """A connection of one's own, in autocommit mode, that knows the vector types."""
        with psycopg.connect(self.stack.database_url, autocommit=True, connect_timeout=10) as conn:
            register_vector(conn)
            yield conn

    @cached_property
    def pool(self) -> ConnectionPool[Any]:
        """Connections for questions that come at once."""
        pool: ConnectionPool[Any] = ConnectionPool(
            self.stack.database_url,
            min_size=1,
            max_size=24,  # more than the bot answers at once, so that a thumb does not wait for an answer
            timeout=20,
            open=True,
            configure=register_vector,
            check=ConnectionPool.check_connection,
        )
        self._closing.callback(pool.close)
        return pool

    @cached_property
    def embedder(self) -> Embedders:
        """The embedder of the model that the index is searched with, whichever that is at the moment."""
        settings = self.settings
        make = partial(embedder_named, api=embedding_api(settings), device=settings.device)
        return Embedders(make, self._active_embedder, settings.embedder)

    def _active_embedder(self) -> str | None:
        with self.pool.connection() as conn:
            model = active_model(conn)
        return None if model is None else model.name

    @property
    def model(self) -> "BaseChatModel":
        """The chat model that the settings name; the first use loads it."""
        return self._model()

    def chain(self) -> "AnswerChain":
        """The chain from a question to a cited answer; the first call loads the model."""
        return self._chain()

    def _build_chain(self) -> "AnswerChain":
        from retrieval.answering.chain import AnswerChain

        return AnswerChain(
            *(self.pool, self.embedder, self.model),
            reranker=self.reranker,
            rewrites=self.rewrites,
            examples=self.examples(self.settings.examples),
            policy=self.policy,
        )

    @property
    def policy(self) -> "Policy":
        """Whose words lead. The embedded model is known to be too weak for it; of another one it is measured."""
        from retrieval.answering.policy import Policy

        settings = self.settings
        embedded = settings.model == EMBEDDED_MODEL and settings.model_url is None
        return Policy(
            answers=settings.answers,
            untried="quotes" if embedded else "model",
            passage_tokens=settings.passage_tokens,
            model_judges=settings.model_judges,
        )

    @property
    def rewrites(self) -> "Callable[[BaseChatModel], bool]":
        """Whether a model rewrites follow-ups: as the settings say, or as was measured of it."""
        from retrieval.answering.abilities import where_able

        choice = self.settings.rewrite_followups
        return where_able(self.pool) if choice == "auto" else lambda _: choice == "on"

    def examples(self, count: int, hidden: Collection[str] = ()) -> "Examples | None":
        """What shows the model so many verified answers beside the passages, none of `hidden`; None for 0."""
        from retrieval.answering.examples import nearest_examples

        return nearest_examples(self.pool, self.embedder, count, hidden) if count else None

    @cached_property
    def reranker(self) -> "Reranker | None":
        """What reorders the passages that were found, unless the settings say none."""
        from retrieval.searching.reranking import LATE_INTERACTION, CrossEncoder, LateInteraction

        name = self.settings.reranker
        if name == LATE_INTERACTION:
            return LateInteraction(self.embedder)
        return None if name in ("", "none") else CrossEncoder(name, self.settings.device)

    def _build_serving(self) -> "Serving":
        from finetune.serving import Serving

        return Serving(self.pool, self.chain(), self.model, self.adapters, base_name(self.settings))

    @cached_property
    def answer(self) -> "Callable[[Question], Iterator[Event]]":
        """What streams the answer to a question; its first call loads the model."""
        from journeyman.answering import AnsweringParts, answer

        return partial(answer, AnsweringParts(self._serving, self.watching, self.gpu))

    @cached_property
    def answering_model(self) -> "ModelParts":
        """What is known of the model that answers, without loading it."""
        from journeyman.answering_model import ModelParts

        def problem_of(adapter: str | None) -> str | None:
            return self._serving().problems.get(adapter or "") if self._serving.is_built else None

        return ModelParts(self.settings, self.connect, self.policy, lambda: self._model.is_built, problem_of)

    @cached_property
    def gpu(self) -> GpuPriority:
        """Who goes first on the GPU: on a model server's, too, which may be the one that fine-tuning is on."""
        settings = self.settings
        on_server = settings.model_url is not None
        return GpuPriority(self.connect, settings.gpu_first == "answers", settings.on_gpu, on_server)

    @cached_property
    def metrics(self) -> "Metrics":
        """What this process counts."""
        from journeyman.observing.metrics import Metrics

        return Metrics()

    @cached_property
    def tracing(self) -> "Tracing | None":
        """Where spans go, if the settings name a collector."""
        if self.settings.traces_url is None:
            return None
        from journeyman.observing.tracing import Tracing

        tracing = Tracing(self.settings.traces_url)
        self._closing.callback(tracing.close)
        return tracing

    @property
    def watching(self) -> "Watching":
        """What sees each answer for the operator."""
        from journeyman.observing.watching import Watching

        return Watching(self.metrics, self.tracing, self.settings.log_messages)

    @cached_property
    def indexing(self) -> "IndexingParts":
        """What indexes documents."""
        from journeyman.indexing import IndexingParts

        return IndexingParts(self.connect, self.embedder, self.access, self.parser, self.max_file_bytes, self.gpu)

    @property
    def max_file_bytes(self) -> int:
        """The size of the largest document that is read."""
        return self.settings.max_file_megabytes * 1_000_000

    @cached_property
    def parser(self) -> IsolatedParser:
        """What reads files: a process of its own, so that a bad one costs itself alone."""
        limits = ParserLimits(self.settings.parse_seconds, self.settings.parse_megabytes)
        path = os.environ.get("PATH", os.defpath)
        parser = IsolatedParser(limits, path, ocr=self.settings.ocr or "", max_pages=self.settings.max_pdf_pages)
        self._closing.callback(parser.close)
        return parser

    @cached_property
    def access(self) -> Access:
        """How sources are read that lie elsewhere."""
        settings = self.settings
        return Access(
            secret=lambda name: reveal(settings.source_secrets.get(name.lower())),
            cache=self.home / "cache",
            agent=f"Journeyman/{__version__}",
            delay=settings.web_delay_seconds,
            private_hosts=settings.web_private_hosts,
            environment={name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)},
            pinned=self._pinned,
            max_bytes=self.max_file_bytes,
        )

    @property
    def _pinned(self) -> Callable[[str], Sequence[Mapping[str, Any]]] | None:
        token = reveal(self.settings.slack_bot_token)
        if token is None:
            return None
        from slack_sdk import WebClient

        from bot.slack.pins import pinned

        return partial(pinned, WebClient(token=token, base_url=self.settings.slack_api_url, timeout=20))
