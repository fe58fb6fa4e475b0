"""The composition root: from settings to parts that are ready to use, each built when it is first asked for.

Nothing else in the house builds a pool, an embedder, a model or an app. Imports are inside the functions,
so that `journeyman index` loads no torch and `journeyman --help` loads nothing.
"""

import os
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from journeyman.errors import WrongSetting
from journeyman.models import EMBEDDED_MODEL, build_model, embedding_api, model_place
from journeyman.servers.stack import Stack, running_stack
from journeyman.settings import Settings, reveal, slack_is_set_up

if TYPE_CHECKING:
    from celery import Celery
    from langchain_core.language_models import BaseChatModel
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    from bot.app import SlackApp
    from bot.operations import ModelState
    from finetune.comparison.arms import ComparisonParts
    from finetune.dataset.rows import Dataset, Options
    from finetune.dataset.storage import StoredDataset
    from finetune.evaluation.judging import Judge
    from finetune.rounds.parts import RoundParts, RoundRequest
    from finetune.serving import Serving
    from jobs.progress import Progress
    from journeyman.observing.metrics import Metrics
    from journeyman.observing.monitoring import Check, Monitor
    from journeyman.observing.tracing import Tracing
    from retrieval.answering.answer import Event, Question
    from retrieval.answering.chain import AnswerChain
    from retrieval.answering.examples import Examples
    from retrieval.answering.measuring.evaluation import LabelledQuestion
    from retrieval.answering.policy import Policy
    from retrieval.embedders import Embedders
    from retrieval.indexing.building import BuildProgress
    from retrieval.indexing.preview import Preview
    from retrieval.indexing.reindexing import Run
    from retrieval.indexing.sources import SourceRow
    from retrieval.indexing.tally import IndexReport
    from retrieval.loading.isolated import IsolatedParser
    from retrieval.origins import Access
    from retrieval.searching.reranking import Reranker

P = ParamSpec("P")
R = TypeVar("R")
OUR_SETTINGS = ("JOURNEYMAN_", "SLACK_")
"""What programs that we start need not know."""
SERVED_TOGETHER = 16
"""Questions that a model server answers at a time; a model in this process answers one."""
JUDGE_TOKENS = 4  # for a yes or no
USUAL_EXAMPLES = 2
"""Verified answers that stand in the prompt where examples are compared and the settings name no number."""


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
        from retrieval.indexing.models import active_model

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

        wanted = self.settings.rewrite_followups
        return where_able(self.pool) if wanted == "auto" else lambda _: wanted == "on"

    def examples(self, count: int, hidden: "Collection[str]" = ()) -> "Examples | None":
        """What shows the model so many verified answers beside the passages, none of `hidden`; None for 0."""
        from retrieval.answering.examples import nearest_examples

        return nearest_examples(self.pool, self.embedder, count, hidden) if count else None

    @cached_property
    def reranker(self) -> "Reranker | None":
        """What reorders the passages that were found, unless the settings say none."""
        from retrieval.searching.reranking import LATE_INTERACTION, CrossEncoder, LateInteraction

        named = self.settings.reranker
        if named == LATE_INTERACTION:
            return LateInteraction(self.embedder)
        return None if named in ("", "none") else CrossEncoder(named, self.settings.device)

    def answer(self, question: "Question") -> "Iterator[Event]":
        """Stream the answer to a question."""
        with self._building:
            serving = self.serving
        return self.watched(question.text, self.on_card(serving.chain_for(question).stream(question)))

    def watched(self, question: str, events: "Iterator[Event]") -> "Iterator[Event]":
        """The events of an answer, counted, and traced and logged if the settings say so."""
        events = self.metrics.watch(events)
        if self.tracing:
            events = self.tracing.watch(events)
        if self.settings.log_messages:
            from journeyman.observing.logs import with_texts

            events = with_texts(question, events)
        return events

    @cached_property
    def serving(self) -> "Serving":
        """Which adapter answers whom; the first use loads the model."""
        from finetune.serving import Serving

        return Serving(self.pool, self.chain(), self.model, self.adapters, self.base)

    @property
    def base(self) -> str:
        """The model that adapters are trained over, as the settings name it."""
        revision = self.settings.model_revision
        return f"{self.settings.model}@{revision}" if revision else self.settings.model

    def on_card(self, events: "Iterator[Event]") -> "Generator[Event]":
        """The events of an answer, while which others give way on the GPU: on a model server's, too, which may be the
        one that fine-tuning is on.
        """
        with self._card(self.settings.on_gpu or self.settings.model_url is not None):
            yield from events

    @contextmanager
    def card(self) -> "Iterator[None]":
        """Others give way on the GPU while the context lasts, where there is one and the settings say so."""
        with self._card(self.settings.on_gpu):
            yield

    @contextmanager
    def _card(self, shared: bool) -> "Iterator[None]":
        if not shared or self.settings.gpu_first != "answers":
            yield
            return
        from workers.gpu_priority import wanted

        with self.connect() as conn, wanted(conn):
            yield

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

        return Tracing(self.settings.traces_url)

    def traced(self, work: "Callable[P, R]") -> "Callable[P, R]":
        """The work of a job, in a span if the settings say so."""
        return self.tracing.around(work) if self.tracing else work

    def monitor(self, checks: "Mapping[str, Check]") -> "Monitor":
        """What is served about this process, which has checks of its own, and about what it shares with others."""
        import redis

        from journeyman.observing.monitoring import Monitor
        from workers.topology import QUEUES

        self.metrics.add_shared(self.connect, self.stack.redis_url, QUEUES, self.model_state)

        def database() -> None:
            with self.connect() as conn:
                conn.execute("SELECT 1")

        broker = redis.Redis.from_url(self.stack.redis_url, socket_timeout=5)
        return Monitor(self.metrics.registry, {"postgres": database, "redis": broker.ping, **checks})

    def answering_model(self) -> "BaseChatModel":
        """The model with the adapter that answers most people, if one does."""
        from finetune.registry import in_use

        with self.connect() as conn:
            now = in_use(conn)
        model: Any = self.model
        tuned: BaseChatModel = model.with_adapter(self.adapters / now.active) if now and now.active else model
        return tuned

    def leading_chain(self, model: "BaseChatModel") -> "AnswerChain":
        """The chain of a model whose words lead, whatever was measured of it."""
        from dataclasses import replace

        return self.chain().with_model(model).with_policy(replace(self.policy, answers="model"))

    def comparison_parts(self) -> "ComparisonParts":
        """What answers in a comparison."""
        from finetune.comparison.arms import ComparisonParts

        shown = self.examples(self.settings.examples or USUAL_EXAMPLES)
        return ComparisonParts(
            *(self.pool, self.embedder, self.reranker, self.model), self.rewrites, shown, self.policy
        )

    def build_dataset(
        self,
        options: "Options",
        evaluation: Sequence[str],
        from_documents: int,
        tell: Callable[[str], None],
        advance: Callable[[], None],
    ) -> "tuple[Dataset, StoredDataset | None]":
        """`finetune.dataset.making.make_dataset` of this installation."""
        from finetune.dataset.making import make_dataset

        with self.connect() as conn:
            return make_dataset(
                *(conn, self.pool, self.embedder, self.model, self.datasets),
                options=options,
                plan=self.chain().plan,
                evaluation=evaluation,
                from_documents=from_documents,
                tell=tell,
                advance=advance,
            )

    @property
    def datasets(self) -> Path:
        """The folder of the datasets for fine-tuning."""
        return self.home / "datasets"

    @property
    def adapters(self) -> Path:
        """The folder of the adapters: each is a folder by its name."""
        return self.home / "adapters"

    def golden(self) -> "list[LabelledQuestion]":
        """The questions that every adapter is evaluated with. Raises WrongSetting."""
        from retrieval.answering.measuring.evaluation import QuestionSetError, load_questions

        if self.settings.golden_questions is None:
            return []
        try:
            return load_questions(self.settings.golden_questions)
        except (OSError, QuestionSetError) as error:
            raise WrongSetting(f"JOURNEYMAN_GOLDEN_QUESTIONS cannot be read: {error}") from error

    def judge(self) -> "Judge | None":
        """The model that judges answers, if the settings name one."""
        settings = self.settings
        if settings.judge_url is None:
            return None
        from finetune.evaluation.judging import Judge
        from finetune.model.remote import remote_chat_model

        model = remote_chat_model(
            settings.judge_url, settings.judge_model, reveal(settings.judge_api_key), JUDGE_TOKENS
        )
        return Judge(model, model.model_name)

    def round_parts(self) -> "RoundParts":
        """What a round of fine-tuning works with."""
        from finetune.rounds.parts import Machine, RoundParts, RoundPolicy
        from journeyman.failures import explain

        settings = self.settings
        return RoundParts(
            pool=self.pool,
            embedder=self.embedder,
            reranker=self.reranker,
            base=self.base,
            model=lambda: self.model,
            model_place=self.model_place,
            training=self.home / "training",
            datasets=self.datasets,
            adapters=self.adapters,
            build_dataset=self._dataset_number,
            golden=self.golden,
            examples=self.examples,
            rewrites=self.rewrites,
            judge=self.judge,
            must_wait=self.card_is_wanted,
            environment=self.training_environment(),
            explain=lambda error: explain(error).sentence,
            policy=RoundPolicy(
                method=settings.finetune_method,
                floor=settings.finetune_floor,
                margin=settings.finetune_margin,
                least=settings.finetune_questions,
                by_hand=settings.finetune_promote == "by hand",
                trial_percent=settings.finetune_trial_percent,
                examples=settings.examples or USUAL_EXAMPLES,
            ),
            answering=self.policy_of_now,
            machine=Machine(
                settings.model_revision, settings.quantize, settings.device, settings.dtype, settings.threads
            ),
        )

    def _dataset_number(self, options: "Options", evaluation: Sequence[str], tell: Callable[[], None]) -> int | None:
        _, kept = self.build_dataset(options, evaluation, 0, lambda _: tell(), lambda: None)
        return kept.id if kept else None

    def usual_request(self) -> "RoundRequest":
        """What a round that the schedule starts is to do."""
        from finetune.rounds.parts import RoundRequest

        return RoundRequest(method=self.settings.finetune_method)

    def training_environment(self) -> dict[str, str]:
        """Of the process that trains: one GPU, for several are `accelerate launch`'s; and no secrets of ours."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)}
        return {"CUDA_VISIBLE_DEVICES": "0", **ours, "TOKENIZERS_PARALLELISM": "false"}

    def model_place(self) -> str | Path:
        """The folder or hub id of the model that adapters are trained over."""
        return model_place(self.settings)

    def card_is_wanted(self, conn: "Connection[Any]") -> bool:
        """Whether fine-tuning is to wait, because somebody answers or embeds on the GPU."""
        if not self.settings.on_gpu or self.settings.gpu_first != "answers":
            return False
        from workers.gpu_priority import is_wanted

        return is_wanted(conn)

    def index(
        self,
        paths: "Sequence[str | Path]",
        collection: str,
        progress: "Callable[[Progress], None]",
        audience: "Sequence[str] | None" = None,
    ) -> "IndexReport":
        """Register folders, files or addresses as sources and index what changed in them. A new collection is for
        `audience` from the beginning.
        """
        from retrieval.indexing.sources import register_sources

        with self.connect() as conn:
            sources = register_sources(conn, paths, collection, audience)
            return self.index_sources(conn, sources, progress)

    def index_due(self, conn: "Connection[Any]", progress: "Callable[[Progress], None] | None" = None) -> "IndexReport":
        """Index what changed in the sources whose time has come."""
        from retrieval.indexing.sources import due_sources

        return self.index_sources(conn, due_sources(conn), progress)

    def index_sources(
        self,
        conn: "Connection[Any]",
        sources: "Sequence[SourceRow]",
        progress: "Callable[[Progress], None] | None",
    ) -> "IndexReport":
        """Index what changed in these sources."""
        from retrieval.indexing.index import index_sources

        with self.card():
            return index_sources(
                conn,
                self.embedder,
                sources,
                max_bytes=self.max_file_bytes,
                progress=progress,
                access=self.access,
                parse=self.parser,
            )

    def preview(self, source: "SourceRow", count: int) -> "Preview":
        """What a source holds, and what becomes of its first `count` documents; nothing is written."""
        from retrieval.indexing.preview import preview

        return preview(source, self.access, count, self.max_file_bytes, self.parser)

    @cached_property
    def parser(self) -> "IsolatedParser":
        """What reads files: a process of its own, so that a bad one costs itself alone."""
        from retrieval.loading.isolated import IsolatedParser, ParserLimits

        limits = ParserLimits(self.settings.parse_seconds, self.settings.parse_megabytes)
        path = os.environ.get("PATH", os.defpath)
        return IsolatedParser(limits, path, ocr=self.settings.ocr or "", max_pages=self.settings.max_pdf_pages)

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
            pinned=self._pinned,
            max_bytes=self.max_file_bytes,
        )

    @property
    def _pinned(self) -> "Callable[[str], Sequence[Mapping[str, Any]]] | None":
        token = reveal(self.settings.slack_bot_token)
        if token is None:
            return None
        from slack_sdk import WebClient

        from bot.slack.pins import pinned

        return partial(pinned, WebClient(token=token, base_url=self.settings.slack_api_url, timeout=20))

    def reindex(
        self, conn: "Connection[Any]", run_id: int, progress: "Callable[[Progress], None] | None" = None
    ) -> "Run | None":
        """Carry out a run that somebody asked for, in this process; None if another one does."""
        from retrieval.indexing.reindexing import carry_out

        with self.card():
            return carry_out(
                conn,
                self.embedder,
                run_id,
                max_bytes=self.max_file_bytes,
                progress=progress,
                access=self.access,
                parse=self.parser,
            )

    def build_embedder(
        self, conn: "Connection[Any]", name: str, progress: "Callable[[BuildProgress], None]" = lambda _: None
    ) -> None:
        """Make the vectors of the embedding model with this name beside those that are searched with."""
        from retrieval.indexing.building import build

        with self.card():
            build(conn, self.embedder.named(name), progress)

    def start_build(self, name: str) -> None:
        """Have a worker make the vectors of the embedding model with this name, as soon as one comes."""
        from jobs.rows import request_job
        from journeyman.cli.asking import PERSON
        from workers.app import enqueue_build

        self.embedder.named(name)  # a name that cannot be is told at once
        with self.connect() as conn:
            job = request_job(conn, "build", name, started_by=PERSON)
        self._enqueue(enqueue_build, job.id)

    def start_reindex(self, run_id: int) -> None:
        """Have a worker carry out a run, as soon as one comes."""
        from workers.app import enqueue_reindex

        self._enqueue(enqueue_reindex, run_id)

    def _enqueue(self, enqueue: "Callable[[Celery, int], None]", job_id: int) -> None:
        """Whether a worker is there nobody asks: a busy one would not say so, and the job's row waits in any case."""
        import structlog
        from kombu.exceptions import OperationalError

        try:
            enqueue(self._enqueuing, job_id)
        except OperationalError as error:
            structlog.get_logger().warning("left to the sweep", job=job_id, error=type(error).__name__)

    @cached_property
    def _enqueuing(self) -> "Celery":
        return self.celery()

    def policy_of_now(self) -> "Policy":
        """The policy with what was measured until now, as people are answered."""
        from dataclasses import replace

        return replace(self.policy, answers="model" if self.leads() else "quotes")

    def leads(self) -> bool:
        """Whether the model's words lead what people are answered now, with the adapter that answers most of them."""
        from finetune.registry import in_use
        from retrieval.answering.abilities import ability

        with self.connect() as conn:
            now = in_use(conn)
            measured = ability(conn, self._model_name(), now.active if now else None).answers
        return self.policy.leads(measured)

    def model_state(self) -> "ModelState":
        """Which model answers, and with which adapter, without loading it."""
        from bot.operations import ModelState
        from finetune.registry import in_use

        with self.connect() as conn:
            now = in_use(conn)
        adapter, leads = now.active if now else None, self.leads()
        problem = self.serving.problems.get(adapter or "") if "serving" in self.__dict__ else None
        if self.settings.model_url:
            return ModelState(self.base, "on the server in JOURNEYMAN_MODEL_URL", adapter, None, problem, leads)
        place = f"in this process ({self.settings.device})"
        return ModelState(self.base, place, adapter, "model" in self.__dict__, problem, leads)

    def _model_name(self) -> str | None:
        """What the answering model is known by (`name_of`), without loading it; None where its server names it."""
        named = self.settings.model
        if self.settings.model_url:
            return None if named == EMBEDDED_MODEL else named
        return Path(named).name if Path(named).is_dir() else named

    def schedule(self) -> dict[str, float]:
        """What beat enqueues, and every how many seconds."""
        from workers.schedule import beat_schedule

        entries = beat_schedule(self.settings.scan_minutes * 60.0, self.settings.finetune_hours * 3600.0)
        return {name: float(entry["schedule"]) for name, entry in entries.items()}

    def celery(self) -> "Celery":
        """The app of the workers and of beat."""
        from workers.app import build_app
        from workers.tasks import Work

        return build_app(
            self.stack.redis_url,
            Work(
                connect=self.connect,
                index_due=self.traced(self.index_due),
                reindex=self.traced(self.reindex),
                build_embedder=self.traced(self.build_embedder),
                finetune=self.traced(self.finetune),
                request_round=self._request_round,
                forget=self.forget,
            ),
            scan_seconds=self.settings.scan_minutes * 60.0,
            finetune_seconds=self.settings.finetune_hours * 3600.0,
            index_queue=self.settings.index_queue,
        )

    def finetune(self, conn: "Connection[Any]", job_id: int, tell: "Callable[[Progress], None]") -> dict[str, Any]:
        """Do the round of fine-tuning that a job is about, or go on with it; returns how it ended."""
        from finetune.rounds.run import carry_out_round

        return carry_out_round(self.round_parts(), conn, job_id, tell)

    def _request_round(self, conn: "Connection[Any]") -> int:
        from finetune.rounds.run import request_round

        return request_round(conn, self.usual_request(), "schedule").job_id or 0

    def forget(self, conn: "Connection[Any]") -> dict[str, int]:
        """Delete what nobody needs any more; returns how many of what."""
        from journeyman.retention import forget

        return forget(conn, self.home)

    def start_round(self, person: str, request: "RoundRequest") -> int:
        """Have a worker do a round of fine-tuning, as soon as one comes; returns its number."""
        from finetune.rounds.run import request_round
        from workers.app import enqueue_round

        with self.connect() as conn:
            found = request_round(conn, request, person)
        self._enqueue(enqueue_round, found.job_id or 0)
        return found.id

    def _start_round_for(self, person: str, now: bool) -> int:
        from dataclasses import replace

        return self.start_round(person, replace(self.usual_request(), now=now))

    def slack(self) -> "SlackApp":
        """The Slack app. Raises WrongSetting without a token."""
        token = reveal(self.settings.slack_bot_token)
        if not slack_is_set_up(self.settings) or token is None:
            raise WrongSetting(
                "Slack is not set up: set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN for Socket Mode or "
                "SLACK_SIGNING_SECRET for HTTP (docs/slack.md shows where to find them)."
            )
        from bot.app import build_app
        from bot.operations import Operations
        from bot.questions.limits import QuestionLimits

        return build_app(
            pool=self.pool,
            answer=self.answer,
            embedder=self.embedder,
            token=token,
            signing_secret=reveal(self.settings.slack_signing_secret),
            api_url=self.settings.slack_api_url,
            admins=self.settings.admins,
            operations=Operations(reindex=self.start_reindex, model=self.model_state, finetune=self._start_round_for),
            limits=QuestionLimits(self.settings.questions_per_person, self.settings.questions_per_hour),
            at_a_time=SERVED_TOGETHER if self.settings.model_url else 1,
        )

    def close(self) -> None:
        """Close the pool, end the process that parses and send the last spans, if there are any. The servers stay."""
        if self.__dict__.get("tracing"):
            self.__dict__["tracing"].close()
        if "parser" in self.__dict__:
            self.parser.close()
        if "pool" in self.__dict__:
            self.pool.close()
