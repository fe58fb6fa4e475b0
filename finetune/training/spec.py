"""What a training run is: every choice, written down before it starts, from which the run can begin or go on."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from finetune.model.loading import Device, Dtype, Quantize

Method = Literal["sft", "kto", "dpo"]
LEARNING_RATES: dict[Method, float] = {"sft": 2e-4, "kto": 5e-6, "dpo": 5e-6}
"""Ten times those of full fine-tuning, as TRL advises for LoRA."""


class TrainingFailed(Exception):
    """A run cannot begin or go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """A training run. The same spec over the same files gives the same adapter on the same machine.

    `model` is a folder or hub id, `dataset` a folder with `train.<method>.jsonl`. `alpha` None is twice the rank.
    `max_length` is the most tokens of prompt and answer: a longer example is left out whole. `tokens_per_step` is how
    many tokens, about, one step of the optimizer reads; `epochs` how often every example is seen, where `max_steps`
    does not end it sooner. `checkpoint_steps`: steps between two checkpoints.
    """

    model: str
    dataset: str
    method: Method = "sft"
    revision: str | None = None
    quantize: Quantize = "none"
    rank: int = 16
    alpha: int | None = None
    rslora: bool = False
    dropout: float = 0.0
    learning_rate: float | None = None
    warmup: float = 0.05
    epochs: float = 2.0
    max_steps: int | None = None
    tokens_per_step: int = 4096
    max_length: int = 2048
    packing: bool = True
    beta: float = 0.1
    seed: int = 0
    device: Device = "auto"
    dtype: Dtype = "auto"
    threads: int = 1
    checkpoint_steps: int = 10

    @property
    def rate(self) -> float:
        """The highest learning rate of the run."""
        return LEARNING_RATES[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def scale(self) -> int:
        """LoRA's alpha, which the weights of the adapter are scaled by."""
        return 2 * self.rank if self.alpha is None else self.alpha

    @property
    def digest(self) -> str:
        """SHA-256 of all choices: a checkpoint of another spec is not gone on from."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def save(self, file: Path) -> None:
        """Writes the spec into a file as JSON."""
        file.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "TrainingSpec":
        """The spec that `save` wrote into a file."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run is after a step of `steps`, in the seconds of this process. `loss` is that step's."""

    step: int
    steps: int
    loss: float
    tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run gave and what it cost. `sha256` is that of the adapter's weights; `seconds` and `tokens` are of all
    its processes, `peak_megabytes` of the last: of the GPU's memory where there is one, else of the process.
    `seconds_per_step` is the median of those after the first. `planned_steps` is what the epochs come to where
    `max_steps` ended it sooner.
    """

    sha256: str
    examples: int
    left_out: int
    steps: int
    losses: list[float]
    tokens: int
    seconds: float
    peak_megabytes: int
    device: str
    dtype: str
    parameters: int
    modules: list[str]
    dataset_hash: str
    planned_steps: int
    versions: dict[str, str] = field(default_factory=dict)
    seconds_per_step: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON can hold."""
        return asdict(self) | {"tokens_per_second": round(self.tokens_per_second, 1)}
