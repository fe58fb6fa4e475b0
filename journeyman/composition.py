"""The composition root: from settings to parts that are ready to use, each built when it is first asked for.

Nothing else in the house builds a pool, an embedder, a model or an app. Imports are inside the functions,
so that `journeyman index` loads no torch and `journeyman --help` loads nothing.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeyman.errors import WrongInput, WrongSetting
from journeyman.settings import Settings
from journeyman.stack import Stack, running_stack

if TYPE_CHECKING:
    from celery import Celery
    from langchain_core.language_models import BaseChatModel
    from psycopg import Connection
    from psycopg_pool import ConnectionPool
    from pydantic import SecretStr

    from bot.app import SlackApp
    from bot.operations import ModelState
    from finetune.comparison import Comparison
    from journeyman.metrics import Metrics
    from journeyman.monitoring import Monitor
    from retrieval.answer import Event, Passage, Question
    from retrieval.building import Progress as Built
    from retrieval.calibration import Fitted
    from retrieval.chain import AnswerChain
    from retrieval.embedders import Api, Embedders
    from retrieval.evaluation import LabelledQuestion
    from retrieval.index import IndexReport, Progress, SourceRow
    from retrieval.origins import Access
    from retrieval.preview import Preview
    from retrieval.reindexing import Run

EMBEDDED_MODEL = "embedded"
OUR_SETTINGS = ("JOURNEYMAN_", "SLACK_")
"""What programs that we start need not know."""
SERVED_TOGETHER = 16
"""Questions that a model server answers at a time; a model in this process answers one."""


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
        app.migrate()
        yield app


class Application:
    """The parts of a running Journeyman. Safe to share between threads."""

    def __init__(self, settings: Settings, stack: Stack) -> None:
        self.settings, self.stack = settings, stack
        self._building = threading.RLock()  # two first questions at once must not load the model twice

    @property
    def home(self) -> Path:
        """The folder of all state outside the database."""
        return self.settings.home.expanduser().absolute()

    @contextmanager
    def connect(self) -> Iterator["Connection[Any]"]:
        """A connection of one's own, in autocommit mode, that knows the vector types."""
        import psycopg
        from pgvector.psycopg import register_vector

        with psycopg.connect(self.stack.database_url, autocommit=True, connect_timeout=10) as conn:
            register_vector(conn)
            yield conn

    def migrate(self) -> list[str]:
        """Bring the schema up to date; returns the names of the migrations that were applied."""
        import psycopg

        from migrations import migrate

        with psycopg.connect(self.stack.database_url, autocommit=True, connect_timeout=10) as conn:
            return migrate(conn)

    @cached_property
    def pool(self) -> "ConnectionPool[Any]":
        """Connections for questions that come at once."""
        from pgvector.psycopg import register_vector
        from psycopg_pool import ConnectionPool

        return ConnectionPool(
            self.stack.database_url,
            min_size=1,
            max_size=24,  # more than the bot answers at once, so that a thumb does not wait for an answer
            timeout=20,
            open=True,
            configure=register_vector,
            check=ConnectionPool.check_connection,
        )

    @cached_property
    def embedder(self) -> "Embedders":
        """The embedder of the model that the index is searched with, whichever that is at the moment."""
        from retrieval.embedders import Embedders, embedder_named

        settings = self.settings
        make = partial(embedder_named, api=embedding_api(settings), device=settings.device)
        return Embedders(make, self._active_embedder, settings.embedder)

    def _active_embedder(self) -> str | None:
        from retrieval.models import active_model

        with self.pool.connection() as conn:
            model = active_model(conn)
        return None if model is None else model.name

    @cached_property
    def model(self) -> "BaseChatModel":
        return build_model(self.settings)

    def chain(self) -> "AnswerChain":
        """The chain from a question to a cited answer; the first call loads the model."""
        with self._building:
            return self._chain

    @cached_property
    def _chain(self) -> "AnswerChain":
        from retrieval.chain import AnswerChain

        return AnswerChain(self.pool, self.embedder, self.model)

    def answer(self, question: "Question") -> "Iterator[Event]":
        """Stream the answer to a question."""
        events: Iterator[Event] = self.chain().stream(question)
        return self.metrics.watch(events)

    @cached_property
    def metrics(self) -> "Metrics":
        """What this process counts."""
        from journeyman.metrics import Metrics

        return Metrics()

    def monitor(self) -> "Monitor":
        """What is served about this process and about what it shares with others."""
        import redis

        from journeyman.monitoring import Monitor
        from workers.topology import QUEUES

        self.metrics.add_shared(self.connect, self.stack.redis_url, QUEUES, self.model_state())

        def database() -> None:
            with self.connect() as conn:
                conn.execute("SELECT 1")

        broker = redis.Redis.from_url(self.stack.redis_url, socket_timeout=5)
        return Monitor(self.metrics.registry, {"postgres": database, "redis": broker.ping})

    def search(self, text: str, *, k: int, collections: Sequence[str] | None) -> "list[Passage]":
        """The `k` best passages."""
        from retrieval.scope import Scope
        from retrieval.search import search

        scope = Scope(None if collections is None else tuple(collections))
        with self.pool.connection() as conn:
            self.check_collections(conn, collections)
            return search(conn, self.embedder, text, k=k, scope=scope)

    def calibrate(
        self,
        questions: "Sequence[LabelledQuestion]",
        collection: str | None,
        target_risk: float | None,
        progress: Callable[[], None],
    ) -> "Fitted":
        """Fit abstention to labelled questions, and go by it from now on."""
        from retrieval.answer import Question
        from retrieval.calibration import calibrate, store
        from retrieval.chain import PASSAGES
        from retrieval.followup import standalone
        from retrieval.scope import Scope
        from retrieval.search import search

        scope = Scope((collection,) if collection else None)
        with self.pool.connection() as conn:
            self.check_collections(conn, scope.collections)

            def find(labelled: "LabelledQuestion") -> "list[Passage]":
                asked = standalone(Question(labelled.question, labelled.history))
                return search(conn, self.embedder, asked, k=PASSAGES, scope=scope)

            fitted = calibrate(find, questions, target_risk, progress)
            store(conn, fitted)
        return fitted

    def compare(
        self,
        questions: "Sequence[LabelledQuestion]",
        arms: Sequence[str],
        adapter: Path | None,
        collection: str | None,
        name: str,
        progress: Callable[[], None],
    ) -> "Comparison":
        """Ask the questions of every arm, over the same passages, and keep what comes out under this name."""
        from finetune.comparisons import store
        from journeyman.comparing import run
        from retrieval.chain import AnswerChain, remembered
        from retrieval.unaided import unaided

        names = [collection] if collection else None
        with self.pool.connection() as conn:
            self.check_collections(conn, names)
        find = remembered(AnswerChain(self.pool, self.embedder, self.model).find)
        tuned = build_model(self.settings, adapter) if any("finetuned" in arm for arm in arms) else self.model
        models = {arm: tuned if "finetuned" in arm else self.model for arm in arms}
        streams = {
            arm: AnswerChain(self.pool, self.embedder, model, find).stream if "rag" in arm else unaided(model)
            for arm, model in models.items()
        }
        found = run(streams, questions, names, progress)
        with self.pool.connection() as conn:
            store(conn, found, questions=name, model=self.settings.model, adapter=adapter.name if adapter else None)
        return found

    def check_collections(self, conn: "Connection[Any]", names: Sequence[str] | None) -> None:
        """Raise WrongInput when one of the collections does not exist."""
        if names is None:
            return
        known = [name for (name,) in conn.execute("SELECT name FROM collection ORDER BY name").fetchall()]
        for name in names:
            if name not in known:
                there = f"there are: {', '.join(known)}" if known else "nothing has been indexed yet"
                raise WrongInput(f"There is no collection named {name!r}: {there}.")

    def index(
        self, paths: "Sequence[str | Path]", collection: str, progress: "Callable[[Progress], None]"
    ) -> "IndexReport":
        """Register folders, files or addresses as sources and index what changed in them."""
        from retrieval.index import register_sources

        with self.connect() as conn:
            sources = register_sources(conn, paths, collection=collection)
            return self.index_sources(conn, sources, progress)

    def index_due(self, conn: "Connection[Any]") -> "IndexReport":
        """Index what changed in the sources whose time has come."""
        from retrieval.sources import due_sources

        return self.index_sources(conn, due_sources(conn), None)

    def index_sources(
        self,
        conn: "Connection[Any]",
        sources: "Sequence[SourceRow]",
        progress: "Callable[[Progress], None] | None",
    ) -> "IndexReport":
        """Index what changed in these sources."""
        from retrieval.index import index_sources

        return index_sources(
            conn, self.embedder, sources, max_bytes=self.max_file_bytes, progress=progress, access=self.access
        )

    def preview(self, source: "SourceRow", count: int) -> "Preview":
        """What a source holds, and what becomes of its first `count` documents; nothing is written."""
        from retrieval.preview import preview

        return preview(source, self.access, count, self.max_file_bytes)

    @property
    def max_file_bytes(self) -> int:
        """The size of the largest document that is read."""
        return self.settings.max_file_megabytes * 1_000_000

    @cached_property
    def access(self) -> "Access":
        """How sources are read that lie elsewhere."""
        from journeyman import __version__
        from retrieval.origins import Access

        settings = self.settings
        return Access(
            secret=lambda name: reveal(settings.source_secrets.get(name.lower())),
            cache=self.home / "cache",
            agent=f"Journeyman/{__version__}",
            delay=settings.web_delay_seconds,
            private_hosts=settings.web_private_hosts,
            environment={name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)},
        )

    def reindex(
        self, conn: "Connection[Any]", run_id: int, progress: "Callable[[Progress], None] | None" = None
    ) -> "Run | None":
        """Carry out a run that somebody asked for, in this process; None if another one does."""
        from retrieval.reindexing import carry_out

        return carry_out(
            conn, self.embedder, run_id, max_bytes=self.max_file_bytes, progress=progress, access=self.access
        )

    def build_embedder(
        self, conn: "Connection[Any]", name: str, progress: "Callable[[Built], None]" = lambda _: None
    ) -> None:
        """Make the vectors of the embedding model with this name beside those that are searched with."""
        from retrieval.building import build

        build(conn, self.embedder.named(name), progress)

    def start_build(self, name: str) -> None:
        """Have a worker make the vectors of the embedding model with this name. Raises WrongInput if none answers."""
        from workers.app import enqueue_build, has_worker

        self.embedder.named(name)  # a name that cannot be is told at once
        if not has_worker(self._enqueuing):
            raise WrongInput("No worker answers: start `journeyman worker`, or leave --worker out.")
        enqueue_build(self._enqueuing, name)

    def start_reindex(self, run_id: int) -> None:
        """Have a worker carry out a run; where none answers, a thread of this process does."""
        from workers.app import enqueue_reindex, has_worker

        if has_worker(self._enqueuing):
            enqueue_reindex(self._enqueuing, run_id)
        else:
            threading.Thread(target=self._reindex_here, args=(run_id,), name="reindex", daemon=True).start()

    @cached_property
    def _enqueuing(self) -> "Celery":
        return self.celery()

    def _reindex_here(self, run_id: int) -> None:
        import structlog

        from journeyman.failures import explain

        try:
            with self.connect() as conn:
                self.reindex(conn, run_id)
        except Exception as error:  # noqa: BLE001 - a thread's edge: the run's row tells the person
            structlog.get_logger().error("the run failed", run=run_id, reason=explain(error).sentence)

    def model_state(self) -> "ModelState":
        """Which model answers, without loading it."""
        from bot.operations import ModelState

        if self.settings.model_url:
            return ModelState(self.settings.model, "on the server in JOURNEYMAN_MODEL_URL", None, loaded=None)
        loaded = "model" in self.__dict__
        return ModelState(self.settings.model, f"in this process ({self.settings.device})", None, loaded)

    def celery(self) -> "Celery":
        """The app of the workers and of beat."""
        from workers.app import build_app

        return build_app(
            self.stack.redis_url,
            connect=self.connect,
            index_due=self.index_due,
            reindex=self.reindex,
            build_embedder=self.build_embedder,
            scan_seconds=self.settings.scan_minutes * 60.0,
        )

    def slack(self) -> "SlackApp":
        """The Slack app. Raises WrongSetting without a token."""
        token = reveal(self.settings.slack_bot_token)
        if not slack_is_set_up(self.settings) or token is None:
            raise WrongSetting(
                "Slack is not set up: set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN for Socket Mode or "
                "SLACK_SIGNING_SECRET for HTTP (docs/slack.md shows where to find them)."
            )
        from bot.app import build_app
        from bot.limits import Limits
        from bot.operations import Operations

        return build_app(
            pool=self.pool,
            answer=self.answer,
            embedder=self.embedder,
            token=token,
            signing_secret=reveal(self.settings.slack_signing_secret),
            api_url=self.settings.slack_api_url,
            admins=self.settings.admins,
            operations=Operations(reindex=self.start_reindex, model=self.model_state),
            limits=Limits(self.settings.questions_per_person, self.settings.questions_per_hour),
            at_a_time=SERVED_TOGETHER if self.settings.model_url else 1,
        )

    def close(self) -> None:
        """Close the pool, if there is one. The servers stay."""
        if "pool" in self.__dict__:
            self.pool.close()


def embedding_api(settings: Settings) -> "Api":
    """The server of embedding models that the settings name."""
    from retrieval.embedders import Api

    key, per_minute = reveal(settings.embedder_api_key), settings.embedder_requests_per_minute
    return Api(settings.embedder_url, key, per_minute)


def build_model(settings: Settings, adapter: Path | None = None) -> "BaseChatModel":
    """The chat model that the settings name: a server's, the embedded one, a local folder's or the hub's; with an
    adapter's folder over it, which a server knows by the folder's name.
    """
    if settings.model_url:
        from finetune.remote import remote_chat_model

        named = None if settings.model == EMBEDDED_MODEL else settings.model
        if adapter is not None:
            named = adapter.name
        key = reveal(settings.model_api_key)
        return remote_chat_model(settings.model_url, named, key, settings.max_answer_tokens)
    if settings.model == EMBEDDED_MODEL or Path(settings.model).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: no look-ups for a model that lies here
    from finetune.base_model import build_embedded_model
    from finetune.chat_model import load_chat_model

    embedded = settings.model == EMBEDDED_MODEL
    return load_chat_model(
        build_embedded_model(embedded_model_folder(settings.home)) if embedded else settings.model,
        revision=settings.model_revision,
        device=settings.device,
        dtype=settings.dtype,
        quantize=settings.quantize,
        threads=settings.threads,
        max_tokens=settings.max_answer_tokens,
        adapter=adapter,
    )


def embedded_model_folder(home: Path) -> Path:
    """Where the embedded model is built, once per home."""
    return home.expanduser().absolute() / "models" / EMBEDDED_MODEL


def slack_is_set_up(settings: Settings) -> bool:
    """Whether there are tokens enough to run the bot, in Socket Mode or over HTTP."""
    return bool(settings.slack_bot_token and (settings.slack_app_token or settings.slack_signing_secret))


def reveal(secret: "SecretStr | None") -> str | None:
    """The text of a secret setting, for the part that must send it."""
    return secret.get_secret_value() if secret else None
