"""TRL's trainer for a run: LoRA on Phi-3's four projections, batches and precision for the machine, steps as they go.

Loads torch, transformers, peft and trl, so that only the process of a training run imports it.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import trl
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from transformers import TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from finetune.model.adapters import LORA_TARGETS
from finetune.model.loading import LoadedModel, resolve_dtype
from finetune.training.folder import CHECKPOINTS, add_step
from finetune.training.spec import Step, TrainingFailed, TrainingSpec

Row = dict[str, Any]

ROWS_AT_ONCE = 4
"""Preferences that are read side by side; KTO needs several to compare."""
KEPT_CHECKPOINTS = 2
_TRL = cast(Any, trl)  # loads its parts when they are asked for, which a type checker does not see


def trainer_of(
    spec: TrainingSpec, folder: Path, device: str, loaded: LoadedModel, rows: Sequence[Row], wait: Callable[[], None]
) -> Any:
    """The trainer of a run in `folder`; `wait` is called between two steps."""
    disable_progress_bars()
    trainer = _trainer_class(spec)(
        model=loaded.model,
        args=_arguments(spec, folder, device, rows),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=loaded.tokenizer,
        peft_config=_lora(spec),
        callbacks=[ProgressWriter(folder, wait)],
    )
    if device == "cpu":  # TRL makes the weights over a quantized base bfloat16, which is slow here
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return trainer


def adapted(model: Any, rank: int) -> tuple[list[str], int]:
    """The names of the adapted projections and how many parameters are trained.

    Raises TrainingFailed unless these are the four of Phi-3 in every layer: peft is silent about a part that it misses.
    """
    parts = [(name.rpartition(".")[2], part) for name, part in model.named_modules()]
    layers: list[tuple[str, Any]] = [(name, part) for name, part in parts if isinstance(part, LoraLayer)]
    names = {name for name, _ in layers}
    depth = model.config.num_hidden_layers
    expected = sum(rank * (part.in_features + part.out_features) for _, part in layers)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if names != LORA_TARGETS or len(layers) != depth * len(LORA_TARGETS) or trained != expected:
        raise TrainingFailed(
            f"The adapter reaches {sorted(names)} with {trained} parameters in {len(layers)} places; it must reach "
            f"{sorted(LORA_TARGETS)} in all {depth} layers. Is the model a Phi-3?"
        )
    return sorted(names), trained


def planned_steps(trainer: Any, epochs: float) -> int:
    """How many steps a trainer would take if nothing but the epochs limited it."""
    an_epoch: int = math.ceil(len(trainer.get_train_dataloader()) / trainer.args.gradient_accumulation_steps)
    return math.ceil(an_epoch * epochs)


class ProgressWriter(TrainerCallback):
    """Writes a line for every step into the run's folder, and has the run wait between two steps."""

    def __init__(self, folder: Path, wait: Callable[[], None]) -> None:
        self._folder, self._wait = folder, wait
        self._began, self._tokens = time.monotonic(), 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began, self._tokens = time.monotonic(), _tokens_before(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        now, tokens = time.monotonic(), float(logs.get("num_tokens", self._tokens))
        seconds = now - self._began
        add_step(
            self._folder,
            Step(state.global_step, state.max_steps, float(logs["loss"]), int(tokens - self._tokens), seconds),
        )
        self._began, self._tokens = now, tokens

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        before = time.monotonic()
        self._wait()
        self._began += time.monotonic() - before


def _trainer_class(spec: TrainingSpec) -> Any:
    if spec.method == "sft":
        return _by_length(_TRL.SFTTrainer)
    return _TRL.KTOTrainer if spec.method == "kto" else _TRL.DPOTrainer


def _by_length(base: Any) -> Any:
    """The trainer with rows of like length side by side, where several are padded to the longest."""

    class ByLength(base):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            if self.args.packing or self.args.per_device_train_batch_size == 1:
                return super()._get_train_sampler(dataset)
            rows = self.train_dataset if dataset is None else dataset
            return LengthGroupedSampler(
                self.args.per_device_train_batch_size, lengths=[len(row["input_ids"]) for row in rows]
            )

    return ByLength


def _lora(spec: TrainingSpec) -> Any:
    """LoRA on all four fused projections of a Phi-3: the well-known list of q, k and v names would train a third."""
    return LoraConfig(
        r=spec.rank,
        lora_alpha=spec.scale,
        lora_dropout=spec.dropout,
        use_rslora=spec.rslora,
        target_modules=sorted(LORA_TARGETS),
        revision=spec.revision,
        task_type="CAUSAL_LM",
    )


def _arguments(spec: TrainingSpec, folder: Path, device: str, rows: Sequence[Row]) -> Any:
    configure = {"sft": _TRL.SFTConfig, "kto": _TRL.KTOConfig, "dpo": _TRL.DPOConfig}[spec.method]
    batches = _supervised_batches(spec, device, rows) if spec.method == "sft" else _preference_batches(spec, rows)
    return configure(
        output_dir=str(folder / CHECKPOINTS),
        learning_rate=spec.rate,
        lr_scheduler_type="cosine",
        warmup_steps=spec.warmup,
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        seed=spec.seed,
        data_seed=spec.seed,
        logging_steps=1,
        save_steps=spec.checkpoint_steps,
        save_total_limit=KEPT_CHECKPOINTS,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        **_precision(str(resolve_dtype(spec.dtype, device)).removeprefix("torch."), device),
        **batches,
    )


def _precision(dtype: str, device: str) -> dict[str, Any]:
    """TRL's arguments for a precision, always said: bfloat16 is its default on a CPU as well."""
    cpu = device == "cpu"
    return {
        "bf16": not cpu and dtype == "bfloat16",
        "fp16": not cpu and dtype == "float16",
        "use_cpu": cpu,
        "gradient_checkpointing": not cpu,
    }


def _supervised_batches(spec: TrainingSpec, device: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Packed rows of whole examples, which TRL keeps from seeing each other; or, without packing, several rows padded
    to the longest.
    """
    lengths = [len(row["input_ids"]) for row in rows]
    if spec.packing:
        at_once = max(1, round(spec.tokens_per_step / max(lengths)))
        one_by_one = device == "cpu"  # caches hold one row, and memory is the bot's as well
        return {
            "packing": True,
            "packing_strategy": "bfd",
            "max_length": max(lengths),  # no wider: attention runs over the whole row
            "per_device_train_batch_size": 1 if one_by_one else at_once,
            "gradient_accumulation_steps": at_once if one_by_one else 1,
        }
    return {
        "max_length": None,
        "per_device_train_batch_size": max(1, round(spec.tokens_per_step / fmean(lengths))),
        "gradient_accumulation_steps": 1,
    }


def _preference_batches(spec: TrainingSpec, rows: Sequence[Row]) -> dict[str, Any]:
    arguments = {
        "per_device_train_batch_size": min(ROWS_AT_ONCE, len(rows)),
        "gradient_accumulation_steps": max(1, 16 // ROWS_AT_ONCE) if len(rows) >= 64 else 1,
        "max_length": None,
        "beta": spec.beta,
    }
    return arguments | (_class_weights(rows) if spec.method == "kto" else {})


def _class_weights(rows: Sequence[Row]) -> dict[str, float]:
    """Weights by which good and bad answers count the same, as TRL's documentation asks of KTO."""
    good = sum(row["label"] for row in rows)
    bad = len(rows) - good
    return {"desirable_weight": max(1.0, bad / good), "undesirable_weight": max(1.0, good / bad)}


def _tokens_before(state: Any) -> float:
    """How many tokens the processes of the run before this one have read, as the trainer's log has them."""
    return max((float(entry.get("num_tokens", 0)) for entry in state.log_history), default=0.0)
