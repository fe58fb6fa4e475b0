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

from journeyman.errors import WrongInput, WrongSetting
from journeyman.servers.stack import Stack, running_stack
from journeyman.settings import Settings

if TYPE_CHECKING:
    from celery import Celery
    from langchain_core.language_models import BaseChatModel
    from psycopg import Connection
    from psycopg_pool import ConnectionPool
    from pydantic import SecretStr

    from bot.app import SlackApp
    from bot.operations import ModelState
    from finetune.dataset.rows import Dataset, Options
    from finetune.dataset.storage import Stored
    from finetune.evaluation.comparison import Comparison
    from finetune.evaluation.judging import Judge
    from finetune.serving import Serving
    from jobs.progress import Progress
    from journeyman.observing.metrics import Metrics
    from journeyman.observing.monitoring import Check, Monitor
    from journeyman.observing.tracing import Tracing
    from journeyman.rounds import Rounds, Wanted
    from retrieval.answering.answer import Event, Passage, Question
    from retrieval.answering.calibration import Fitted
    from retrieval.answering.chain import AnswerChain, Policy
    from retrieval.answering.evaluation import LabelledQuestion
    from retrieval.answering.examples import Examples
    from retrieval.answering.leading import Lead
    from retrieval.answering.trial import Trial
    from retrieval.embedders import Api, Embedders
    from retrieval.indexing.building import BuildProgress
    from retrieval.indexing.index import IndexReport, SourceRow
    from retrieval.indexing.preview import Preview
    from retrieval.indexing.reindexing import Run
    from retrieval.loading.isolated import IsolatedParser
    from retrieval.origins import Access
    from retrieval.searching.reranking import Reranker

P = ParamSpec("P")
R = TypeVar("R")
EMBEDDED_MODEL = "embedded"
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
        from retrieval.answering.chain import Policy

        settings = self.settings
        embedded = settings.model == EMBEDDED_MODEL and settings.model_url is None
        return Policy(settings.answers, "quotes" if embedded else "model", settings.passage_tokens)

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

    def search(self, text: str, *, k: int, collections: Sequence[str] | None) -> "list[Passage]":
        """The `k` best passages."""
        from retrieval.searching.reranking import search_and_rerank
        from retrieval.searching.scope import Scope

        scope = Scope(None if collections is None else tuple(collections))
        with self.pool.connection() as conn:
            self.check_collections(conn, collections)
        return search_and_rerank(self.pool, self.embedder, self.reranker, text, k=k, scope=scope)

    def calibrate(
        self,
        questions: "Sequence[LabelledQuestion]",
        collection: str | None,
        target_risk: float | None,
        progress: Callable[[], None],
    ) -> "Fitted":
        """Fit abstention to labelled questions, and go by it from now on."""
        from retrieval.answering.answer import Question
        from retrieval.answering.calibration import calibrate, store
        from retrieval.answering.chain import passages_for
        from retrieval.answering.followup import meaning_of, standalone
        from retrieval.searching.scope import Scope

        scope = Scope((collection,) if collection else None)
        with self.pool.connection() as conn:
            self.check_collections(conn, scope.collections)

            def find(labelled: "LabelledQuestion") -> "list[Passage]":
                question = Question(labelled.question, labelled.history)
                asked = standalone(question)
                meaning = meaning_of(question, asked)
                return passages_for(conn, self.embedder, self.reranker, asked, scope=scope, meaning=meaning)

            fitted = calibrate(find, questions, target_risk, progress)
            store(conn, fitted)
        return fitted

    def try_rewrites(
        self, questions: "Sequence[LabelledQuestion]", collection: str | None, progress: Callable[[], None]
    ) -> "Trial | None":
        """Whether the model that answers rewrites follow-ups better than the plain way, and go by it from now on; None
        if the questions cannot tell, or the settings leave nothing to decide.
        """
        from retrieval.answering.abilities import name_of, note_ability
        from retrieval.answering.answer import Question
        from retrieval.answering.chain import passages_for
        from retrieval.answering.followup import meaning_of
        from retrieval.answering.trial import LEAST, follow_ups, try_rewrites
        from retrieval.searching.scope import Scope

        if self.settings.rewrite_followups != "auto" or len(follow_ups(questions)) < LEAST:
            return None
        scope, model = Scope((collection,) if collection else None), self.answering_model()
        with self.pool.connection() as conn:

            def find(labelled: "LabelledQuestion", asked: str) -> "list[Passage]":
                meaning = meaning_of(Question(labelled.question, labelled.history), asked)
                return passages_for(conn, self.embedder, self.reranker, asked, scope=scope, meaning=meaning)

            found = try_rewrites(find, model, questions, progress)
            if found is not None:
                adapter = getattr(model, "adapter", None)
                note_ability(conn, name_of(model), adapter, rewrites=found.able, figures=found.as_dict())
        return found

    def try_leading(
        self, questions: "Sequence[LabelledQuestion]", collection: str | None, progress: Callable[[], None]
    ) -> "Lead | None":
        """Whose words lead an answer, tried with the model that answers, and go by it from now on.

        None if the questions cannot tell, or the settings leave nothing to decide.
        """
        from dataclasses import replace

        from retrieval.answering.abilities import name_of, note_ability
        from retrieval.answering.answer import Question
        from retrieval.answering.leading import LEAST, tellable, try_leading

        if self.settings.answers != "auto" or len(tellable(questions)) < LEAST:
            return None
        model, names = self.answering_model(), [collection] if collection else None
        chain = self.chain().with_model(model).with_policy(replace(self.policy, answers="model"))

        def ask(labelled: "LabelledQuestion") -> Question:
            return Question(labelled.question, labelled.history, names)

        def led(labelled: "LabelledQuestion") -> str:
            return "".join(getattr(event, "text", "") for event in chain.stream(ask(labelled)))

        found = try_leading(led, lambda labelled: chain.quoted(ask(labelled)), questions, progress)
        if found is not None:
            with self.pool.connection() as conn:
                adapter = getattr(model, "adapter", None)
                note_ability(conn, name_of(model), adapter, answers=found.answers, figures=found.as_dict())
        return found

    def answering_model(self) -> "BaseChatModel":
        """The model with the adapter that answers most people, if one does."""
        from finetune.registry import in_use

        with self.connect() as conn:
            now = in_use(conn)
        model: Any = self.model
        tuned: BaseChatModel = model.with_adapter(self.adapters / now.active) if now and now.active else model
        return tuned

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
        from finetune.dataset.learning import like
        from finetune.evaluation.comparison import EXAMPLES
        from finetune.evaluation.comparison_rows import store
        from finetune.registry import training_of
        from journeyman.comparing import run
        from retrieval.answering.chain import AnswerChain, remembered
        from retrieval.answering.closed_book import unaided

        names = [collection] if collection else None
        with self.pool.connection() as conn:
            self.check_collections(conn, names)
        find = remembered(AnswerChain(self.pool, self.embedder, self.model, reranker=self.reranker).find)
        model: Any = self.model
        tuned = model.with_adapter(adapter) if any("finetuned" in arm for arm in arms) else model
        models = {arm: tuned if "finetuned" in arm else self.model for arm in arms}
        shown = {EXAMPLES: self.settings.examples or USUAL_EXAMPLES}
        streams = {
            arm: AnswerChain(
                *(self.pool, self.embedder, model, find),
                rewrites=self.rewrites,
                examples=self.examples(shown.get(arm, 0)),
                policy=self.policy,
            ).stream
            if "rag" in arm
            else unaided(model)
            for arm, model in models.items()
        }
        with self.pool.connection() as conn:
            examples, seconds = training_of(conn, adapter.name) if adapter else (None, None)
        clusters = like(self.embedder, [labelled.question for labelled in questions])
        count = getattr(model, "count_tokens", None)
        found = run(streams, questions, names, progress, examples, clusters, training_seconds=seconds, count=count)
        with self.pool.connection() as conn:
            store(conn, found, questions=name, model=self.settings.model, adapter=adapter.name if adapter else None)
        return found

    def has_examples(self) -> bool:
        """Whether there is a verified answer that could be shown as an example."""
        from finetune.dataset.storage import verified_passages
        from retrieval.indexing.sources import VERIFIED

        with self.pool.connection() as conn:
            return bool(verified_passages(conn, VERIFIED))

    def adapter_named(self, name: str | None) -> Path | None:
        """The folder of an adapter of the registry, or of one that lies elsewhere; None: of the one that answers, if
        any does. Raises NotPossible.
        """
        from finetune.registry import find, in_use

        if name is not None and Path(name).is_dir():
            return Path(name)
        with self.connect() as conn:
            now = in_use(conn)
            chosen = now.active if name is None and now else name
            return None if chosen is None else self.adapters / find(conn, chosen).name

    def build_dataset(
        self,
        options: "Options",
        evaluation: Sequence[str],
        from_documents: int,
        tell: Callable[[str], None],
        advance: Callable[[], None],
    ) -> "tuple[Dataset, Stored | None]":
        """Make a dataset of all votes and corrections, and keep it; None for one without examples.

        `evaluation` are questions that it must not hold. `from_documents` passages are asked about by the model itself.
        """
        from collections import Counter

        from finetune.dataset.build import build
        from finetune.dataset.freezing import freeze, sweep
        from finetune.dataset.learning import judges, writer
        from finetune.dataset.storage import read_answers, read_splits, sample_passages
        from finetune.dataset.synthetic import written_from
        from retrieval.indexing.sources import VERIFIED

        judged, counts = judges(self.pool, self.embedder, self.model), Counter[str]()
        with self.connect() as conn:
            sweep(conn, self.datasets)
            sample = sample_passages(conn, VERIFIED, from_documents, options.seed) if from_documents else []
            synthetic = list(written_from(sample, writer(self.model), judged, counts, advance))
            dataset = build(
                read_answers(conn, VERIFIED),
                judged,
                options=options,
                evaluation=evaluation,
                decided=read_splits(conn),
                synthetic=synthetic,
                counts=counts,
                tell=tell,
            )
            return dataset, freeze(conn, self.datasets, dataset) if dataset.placed else None

    @property
    def datasets(self) -> Path:
        """The folder of the datasets for fine-tuning."""
        return self.home / "datasets"

    @property
    def adapters(self) -> Path:
        """The folder of the adapters: each is a folder by its name."""
        return self.home / "adapters"

    def golden(self) -> "list[LabelledQuestion]":
        """The questions that every adapter is examined with. Raises WrongSetting."""
        from retrieval.answering.evaluation import QuestionSetError, load_questions

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
        from finetune.remote import remote_chat_model

        model = remote_chat_model(
            settings.judge_url, settings.judge_model, reveal(settings.judge_api_key), JUDGE_TOKENS
        )
        return Judge(model, model.model_name)

    @cached_property
    def rounds(self) -> "Rounds":
        """What carries out rounds of fine-tuning."""
        from journeyman.rounds import Rounds

        return Rounds(self)

    def wanted(self) -> "Wanted":
        """What a round that the schedule starts is to do."""
        from journeyman.rounds import Wanted

        return Wanted(method=self.settings.finetune_method)

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
        self,
        paths: "Sequence[str | Path]",
        collection: str,
        progress: "Callable[[Progress], None]",
        audience: "Sequence[str] | None" = None,
    ) -> "IndexReport":
        """Register folders, files or addresses as sources and index what changed in them. A new collection is for
        `audience` from the beginning.
        """
        from retrieval.indexing.index import register_sources

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
        from retrieval.loading.isolated import IsolatedParser, Limits

        limits = Limits(self.settings.parse_seconds, self.settings.parse_megabytes)
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
                request_round=lambda conn: self.rounds.request(conn, self.wanted(), "schedule").job_id or 0,
                forget=self.forget,
            ),
            scan_seconds=self.settings.scan_minutes * 60.0,
            finetune_seconds=self.settings.finetune_hours * 3600.0,
            index_queue=self.settings.index_queue,
        )

    def finetune(self, conn: "Connection[Any]", job_id: int, tell: "Callable[[Progress], None]") -> dict[str, Any]:
        """Do the round of fine-tuning that a job is about, or go on with it; returns how it ended."""
        return self.rounds.carry_out(conn, job_id, tell)

    def forget(self, conn: "Connection[Any]") -> dict[str, int]:
        """Delete what nobody needs any more; returns how many of what."""
        from journeyman.retention import forget

        return forget(conn, self.home)

    def start_round(self, person: str, wanted: "Wanted") -> int:
        """Have a worker do a round of fine-tuning, as soon as one comes; returns its number."""
        from workers.app import enqueue_round

        with self.connect() as conn:
            found = self.rounds.request(conn, wanted, person)
        self._enqueue(enqueue_round, found.job_id or 0)
        return found.id

    def _start_round_for(self, person: str, now: bool) -> int:
        from dataclasses import replace

        return self.start_round(person, replace(self.wanted(), now=now))

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
        from bot.questions.limits import Limits

        return build_app(
            pool=self.pool,
            answer=self.answer,
            embedder=self.embedder,
            token=token,
            signing_secret=reveal(self.settings.slack_signing_secret),
            api_url=self.settings.slack_api_url,
            admins=self.settings.admins,
            operations=Operations(reindex=self.start_reindex, model=self.model_state, finetune=self._start_round_for),
            limits=Limits(self.settings.questions_per_person, self.settings.questions_per_hour),
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


def embedding_api(settings: Settings) -> "Api":
    """The server of embedding models that the settings name."""
    from retrieval.embedders import Api

    key, per_minute = reveal(settings.embedder_api_key), settings.embedder_requests_per_minute
    return Api(settings.embedder_url, key, per_minute)


def build_model(settings: Settings) -> "BaseChatModel":
    """The chat model that the settings name: a server's, the embedded one, a local folder's or the hub's."""
    if settings.model_url:
        from finetune.remote import remote_chat_model

        named = None if settings.model == EMBEDDED_MODEL else settings.model
        key = reveal(settings.model_api_key)
        return remote_chat_model(settings.model_url, named, key, settings.max_answer_tokens)
    if settings.model == EMBEDDED_MODEL or Path(settings.model).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: no look-ups for a model that lies here
    from finetune.chat_model import load_chat_model

    return load_chat_model(
        model_place(settings),
        revision=settings.model_revision,
        device=settings.device,
        dtype=settings.dtype,
        quantize=settings.quantize,
        threads=settings.threads,
        max_tokens=settings.max_answer_tokens,
    )


def model_place(settings: Settings) -> str | Path:
    """The folder or hub id of the settings' model; the embedded one is built when it is first asked for."""
    if settings.model != EMBEDDED_MODEL:
        return settings.model
    from finetune.base_model import build_embedded_model

    return build_embedded_model(embedded_model_folder(settings.home))


def embedded_model_folder(home: Path) -> Path:
    """Where the embedded model is built, once per home."""
    return home.expanduser().absolute() / "models" / EMBEDDED_MODEL


def slack_is_set_up(settings: Settings) -> bool:
    """Whether there are tokens enough to run the bot, in Socket Mode or over HTTP."""
    return bool(settings.slack_bot_token and (settings.slack_app_token or settings.slack_signing_secret))


def reveal(secret: "SecretStr | None") -> str | None:
    """The text of a secret setting, for the part that must send it."""
    return secret.get_secret_value() if secret else None
