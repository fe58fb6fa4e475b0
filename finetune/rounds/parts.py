"""What a round of fine-tuning is asked to do, and what it needs of the installation, as frozen records."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.dataset.rows import Options
from finetune.evaluation.judging import Judge
from finetune.model.loading import Device, Dtype, Quantize
from finetune.rounds.rows import Round
from finetune.training.spec import Method, TrainingSpec
from jobs.progress import Tell
from retrieval.answering.examples import Examples
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.policy import Policy
from retrieval.embedding import Embedder
from retrieval.searching.reranking import Reranker

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """What was asked of a round; `now` trains on however little there is. None is what the settings say."""

    method: Method = "sft"
    quantize: Quantize | None = None
    dataset: int | None = None
    now: bool = False
    rank: int = 16
    rslora: bool = False
    epochs: float = 2.0
    learning_rate: float | None = None
    max_steps: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RoundPolicy:
    """What an operator decides about rounds.

    The schedule asks for rounds of `method`. A round needs `floor` new clusters of reviewed questions. Its adapter must
    gain `margin` over the active one on `least` questions or more; it is then promoted for `trial_percent` of the
    people first (0: for all at once), or kept until a person promotes it, `by_hand`. `examples` verified answers are
    what it must be better than.
    """

    method: Method = "sft"
    floor: int = 0
    margin: float = 0.0
    least: int = 0
    by_hand: bool = False
    trial_percent: int = 0
    examples: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how the base model is loaded for training."""

    revision: str | None = None
    quantize: Quantize = "none"
    device: Device = "auto"
    dtype: Dtype = "auto"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class RoundParts:
    """What a round works with. Functions stand for what is heavy to build or may have changed since.

    `base` names the model that adapters are trained over, `model_place()` is its folder or hub id and `model()` is it,
    loaded. `training`, `datasets` and `adapters` are folders. `build_dataset(options, evaluation,
    tell)` keeps a dataset of all votes, without the questions of `evaluation`, and returns its number, None without
    examples. `golden()` are the operator's questions; `examples(count,
    hidden)` shows verified answers but those whose hashes are hidden; `rewrites(model)` says whether it rewrites
    follow-ups; `judge()` is the model that judges, if there is one. `must_wait(conn)` says whether somebody goes first
    on the GPU. `environment` is that of the training process. `explain(error)` is a sentence for
    people; `answering()` is how people's questions are answered.
    """

    pool: "ConnectionPool[Any]"
    embedder: Embedder
    reranker: Reranker | None
    base: str
    model: Callable[[], Any]
    model_place: Callable[[], str | Path]
    training: Path
    datasets: Path
    adapters: Path
    build_dataset: Callable[[Options, Sequence[str], Callable[[], None]], int | None]
    golden: Callable[[], list[LabelledQuestion]]
    examples: Callable[[int, Collection[str]], Examples | None]
    rewrites: Callable[[Any], bool]
    judge: Callable[[], Judge | None]
    must_wait: "Callable[[Connection[Any]], bool]"
    environment: Mapping[str, str]
    explain: Callable[[Exception], str]
    policy: RoundPolicy
    answering: Callable[[], Policy]
    machine: Machine

    def spec(self, request: RoundRequest, dataset: Path) -> TrainingSpec:
        """The training run that a request comes to, over the dataset in this folder."""
        machine = self.machine if request.quantize is None else replace(self.machine, quantize=request.quantize)
        return TrainingSpec(
            model=str(self.model_place()),
            revision=machine.revision,
            dataset=str(dataset),
            method=request.method,
            quantize=machine.quantize,
            rank=request.rank,
            rslora=request.rslora,
            epochs=request.epochs,
            learning_rate=request.learning_rate,
            max_steps=request.max_steps,
            seed=request.seed,
            device=machine.device,
            dtype=machine.dtype,
            threads=machine.threads,
        )


@dataclass(frozen=True, slots=True)
class OpenRound:
    """A round while a process carries it out: its parts, a connection in autocommit mode, its row as it was read, and
    whom its progress is told.
    """

    parts: RoundParts
    conn: "Connection[Any]"
    row: Round
    tell: Tell

    @property
    def training_folder(self) -> Path:
        """The folder of the training run, and of what the evaluation keeps."""
        return self.parts.training / self.row.adapter

    @property
    def adapter_folder(self) -> Path:
        """Where the adapter is served from."""
        return self.parts.adapters / self.row.adapter
