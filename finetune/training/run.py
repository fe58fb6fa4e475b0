"""One training run, start to end, in the process that it has to itself: base → LoRA → TRL's trainer → adapter folder.

Everything is in one folder, so that a run that was killed goes on from its last checkpoint with the same losses:
`spec.json`, `progress.jsonl`, `checkpoints/`, and last `adapter/` with `result.json`, each written aside and renamed.
"""

import fcntl
import json
import math
import os
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from finetune.files import ADAPTER_FILES, WEIGHTS, file_sha256
from finetune.model.adapters import LORA_TARGETS
from finetune.model.libraries import quiet_transformers
from finetune.model.loading import LoadedModel, load_model, resolve_device, resolve_dtype
from finetune.training.examples import preferences, read_lines, supervised
from finetune.training.spec import Step, Trained, TrainingFailed, TrainingSpec

LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets", "tokenizers")
ROWS_AT_ONCE = 4
"""Preferences that are read side by side; KTO needs several to compare."""
KEPT_CHECKPOINTS = 2


SPEC, PROGRESS, CHECKPOINTS, ADAPTER, RESULT = "spec.json", "progress.jsonl", "checkpoints", "adapter", "result.json"


def train(folder: Path, wait: Callable[[], None] = lambda: None) -> Trained:
    """Carry out the run that `folder` describes, or go on with it; what is done already is not done again.

    `wait` is called between two steps, and may take its time. Raises TrainingFailed, ModelUnusable, and OSError when
    the disk is full.
    """
    spec = TrainingSpec.load(folder / SPEC)
    with _alone(folder) if _is_first(spec) else nullcontext():
        if (folder / RESULT).is_file():
            return Trained(**json.loads((folder / RESULT).read_text("utf-8")))
        return _TrainingRun(folder, spec, wait).carry_out()


class _TrainingRun:
    def __init__(self, folder: Path, spec: TrainingSpec, wait: Callable[[], None]) -> None:
        self._folder, self._spec, self._wait = folder, spec, wait
        self._device = resolve_device(spec.device)

    def carry_out(self) -> Trained:
        import torch

        torch.set_num_threads(self._spec.threads)
        spec = self._spec
        lines = read_lines(Path(spec.dataset) / f"train.{spec.method}.jsonl")
        loaded = load_model(
            spec.model, revision=spec.revision, device=spec.device, dtype=spec.dtype, quantize=spec.quantize
        )
        with quiet_transformers():
            rows = self._rows(loaded.tokenizer, lines)
            trainer = self._trainer(loaded, rows)
            modules, parameters = adapted(trainer.model, spec.rank)
            trainer.train(resume_from_checkpoint=self._checkpoint(trainer))
            sha256 = self._save(trainer)
        steps = _read_progress(self._folder / PROGRESS)
        result = Trained(
            sha256=sha256,
            examples=len(rows),
            left_out=len(lines) - len(rows),
            steps=trainer.state.global_step,
            losses=[round(step["loss"], 6) for step in steps],
            tokens=sum(step["tokens"] for step in steps),
            seconds=round(sum(step["seconds"] for step in steps), 2),
            # The first one fills caches: those that follow are like the others.
            seconds_per_step=round(statistics.median(step["seconds"] for step in steps[1:] or steps), 3),
            peak_megabytes=peak_megabytes(self._device),
            device=torch.cuda.get_device_name() if self._device == "cuda" else "CPU",
            dtype=str(resolve_dtype(spec.dtype, self._device)).removeprefix("torch."),
            parameters=parameters,
            modules=modules,
            dataset_hash=_dataset_hash(Path(spec.dataset)),
            planned_steps=planned_steps(trainer, spec.epochs),
            versions={name: version(name) for name in LIBRARIES},
        )
        if trainer.is_world_process_zero():
            _write(self._folder / RESULT, json.dumps(asdict(result)))
            shutil.rmtree(self._folder / CHECKPOINTS, ignore_errors=True)
        return result

    def _rows(self, tokenizer: Any, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        spec = self._spec
        rows: list[dict[str, Any]] = (
            list(supervised(tokenizer, lines, spec.max_length))
            if spec.method == "sft"
            else preferences(tokenizer, lines, spec.method, spec.max_length, spec.seed)
        )
        if not rows:
            raise TrainingFailed(f"Every example has more than {spec.max_length} tokens: raise --max-tokens.")
        return rows

    def _trainer(self, loaded: LoadedModel, rows: Sequence[dict[str, Any]]) -> Any:
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        trainer = self._trainer_class()(
            model=loaded.model,
            args=self._arguments(rows),
            train_dataset=Dataset.from_list(list(rows)),
            processing_class=loaded.tokenizer,
            peft_config=lora(self._spec),
            callbacks=[self._callback()],
        )
        if self._device == "cpu":  # TRL makes the weights over a quantized base bfloat16, which is slow here
            for parameter in trainer.model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.float()
        return trainer

    def _trainer_class(self) -> Any:
        import trl

        library: Any = trl
        if self._spec.method == "sft":
            return _by_length(library.SFTTrainer)
        return library.KTOTrainer if self._spec.method == "kto" else library.DPOTrainer

    def _arguments(self, rows: Sequence[dict[str, Any]]) -> Any:
        import trl

        spec, library = self._spec, cast(Any, trl)
        configure = {"sft": library.SFTConfig, "kto": library.KTOConfig, "dpo": library.DPOConfig}[spec.method]
        common = {
            "output_dir": str(self._folder / CHECKPOINTS),
            "learning_rate": spec.rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": spec.warmup,
            "num_train_epochs": spec.epochs,
            "max_steps": spec.max_steps or -1,
            "seed": spec.seed,
            "data_seed": spec.seed,
            "logging_steps": 1,
            "save_steps": spec.checkpoint_steps,
            "save_total_limit": KEPT_CHECKPOINTS,
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_num_workers": 0,
            **precision(str(resolve_dtype(spec.dtype, self._device)).removeprefix("torch."), self._device),
        }
        if spec.method == "sft":
            return configure(**common, **self._batches(rows))
        pairs = {"per_device_train_batch_size": min(ROWS_AT_ONCE, len(rows)), "max_length": None, "beta": spec.beta}
        pairs["gradient_accumulation_steps"] = max(1, 16 // ROWS_AT_ONCE) if len(rows) >= 64 else 1
        if spec.method == "kto":
            pairs |= _weights(rows)
        return configure(**common, **pairs)

    def _batches(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Packed rows of whole examples. TRL keeps those of one row from seeing each other."""
        longest = max(len(row["input_ids"]) for row in rows)
        if self._spec.packing:
            at_once = max(1, round(self._spec.tokens_per_step / longest))
            one_by_one = self._device == "cpu"  # caches hold one row, and memory is the bot's as well
            return {
                "packing": True,
                "packing_strategy": "bfd",
                "max_length": longest,  # no wider: attention runs over the whole row
                "per_device_train_batch_size": 1 if one_by_one else at_once,
                "gradient_accumulation_steps": at_once if one_by_one else 1,
            }
        mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
        return {
            "max_length": None,
            "per_device_train_batch_size": max(1, round(self._spec.tokens_per_step / mean)),
            "gradient_accumulation_steps": 1,
        }

    def _checkpoint(self, trainer: Any) -> str | None:
        """The last whole checkpoint; what was begun anew since it is forgotten, by the first of several processes."""
        from transformers import trainer_utils

        place, last_checkpoint = self._folder / CHECKPOINTS, cast(Any, trainer_utils).get_last_checkpoint
        if trainer.is_world_process_zero():
            place.mkdir(exist_ok=True)
            while (found := last_checkpoint(place)) and not is_whole(Path(found), trainer.args.world_size):
                shutil.rmtree(found)
            _keep_steps(self._folder / PROGRESS, int(found.rpartition("-")[2]) if found else 0)
        trainer.accelerator.wait_for_everyone()
        checkpoint: str | None = last_checkpoint(place)
        return checkpoint

    def _callback(self) -> Any:
        return _told(self._folder / PROGRESS, self._wait)

    def _save(self, trainer: Any) -> str:
        """The adapter's folder: whole or not at all. Of several processes, one writes what all of them hold."""
        aside, target = self._folder / f".{ADAPTER}.writing", self._folder / ADAPTER
        if trainer.is_world_process_zero():
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        trainer.save_model(str(aside))
        if not trainer.is_world_process_zero():
            return ""
        for file in aside.iterdir():  # the rest is the base's, or a form to fill in: the registry writes a model card
            file.unlink() if file.name not in ADAPTER_FILES else _sync(file)
        aside.rename(target)
        _sync(self._folder)
        return file_sha256(target / WEIGHTS)


def lora(spec: TrainingSpec) -> Any:
    """LoRA on all four fused projections of a Phi-3: the well-known list of q, k and v names would train a third."""
    from peft import LoraConfig

    return LoraConfig(
        r=spec.rank,
        lora_alpha=spec.scale,
        lora_dropout=spec.dropout,
        use_rslora=spec.rslora,
        target_modules=sorted(LORA_TARGETS),
        revision=spec.revision,
        task_type="CAUSAL_LM",
    )


def adapted(model: Any, rank: int) -> tuple[list[str], int]:
    """The names of the adapted projections and how many parameters are trained.

    Raises TrainingFailed unless these are the four of Phi-3 in every layer: peft is silent about a part that it misses.
    """
    from peft.tuners.lora import LoraLayer

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


def precision(dtype: str, device: str) -> dict[str, Any]:
    """TRL's arguments for a precision, always said: bfloat16 is its default on a CPU as well."""
    cpu = device == "cpu"
    return {
        "bf16": not cpu and dtype == "bfloat16",
        "fp16": not cpu and dtype == "float16",
        "use_cpu": cpu,
        "gradient_checkpointing": not cpu,
    }


def _by_length(base: Any) -> Any:
    """The trainer with rows of like length side by side, where several are padded to the longest."""

    class ByLength(base):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            if self.args.packing or self.args.per_device_train_batch_size == 1:
                return super()._get_train_sampler(dataset)
            from transformers.trainer_pt_utils import LengthGroupedSampler

            rows = self.train_dataset if dataset is None else dataset
            return LengthGroupedSampler(
                self.args.per_device_train_batch_size, lengths=[len(row["input_ids"]) for row in rows]
            )

    return ByLength


def peak_megabytes(device: str) -> int:
    """The most memory in use so far: the GPU's, else this process's."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated() / 1e6)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def _told(file: Path, wait: Callable[[], None]) -> Any:
    """A callback of the trainer that writes a line for every step."""
    from transformers import TrainerCallback

    class Told(TrainerCallback):
        def __init__(self) -> None:
            self._began, self._tokens = time.monotonic(), 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._began, self._tokens = time.monotonic(), float(_tokens_seen(state))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not state.is_world_process_zero or "loss" not in (logs or {}):
                return
            now, seen = time.monotonic(), float((logs or {}).get("num_tokens", self._tokens))
            step = Step(
                state.global_step, state.max_steps, float(logs["loss"]), int(seen - self._tokens), now - self._began
            )
            self._began, self._tokens = now, seen
            line = {name: getattr(step, name) for name in ("step", "steps", "loss", "tokens", "seconds")}
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            before = time.monotonic()
            wait()
            self._began += time.monotonic() - before

    return Told()


def _tokens_seen(state: Any) -> float:
    """Of the processes before this one, as the trainer's log has them."""
    return max((float(entry.get("num_tokens", 0)) for entry in state.log_history), default=0.0)


def _weights(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """So that good and bad answers weigh the same, as TRL's documentation asks of KTO."""
    good = sum(row["label"] for row in rows)
    bad = len(rows) - good
    return {"desirable_weight": max(1.0, bad / good), "undesirable_weight": max(1.0, good / bad)}


def is_whole(checkpoint: Path, processes: int) -> bool:
    """Whether so many processes can go on from it. The trainer writes its state last, but not aside; the optimizer's is
    `optimizer.pt`, or under FSDP `optimizer.bin` or a folder `optimizer_0`.
    """
    try:
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    chance = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    names = (WEIGHTS, "scheduler.pt", *chance)
    return any(checkpoint.glob("optimizer[._]*")) and all((checkpoint / name).is_file() for name in names)


def _read_progress(file: Path) -> list[dict[str, Any]]:
    """The lines that are whole."""
    if not file.is_file():
        return []
    steps = []
    for line in file.read_text("utf-8").splitlines():
        try:
            steps.append(json.loads(line))
        except ValueError:
            break
    return steps


def _keep_steps(file: Path, last: int) -> None:
    kept = [step for step in _read_progress(file) if step["step"] <= last]
    _write(file, "".join(json.dumps(step) + "\n" for step in kept))


def _dataset_hash(folder: Path) -> str:
    try:
        return str(json.loads((folder / "dataset.json").read_text("utf-8"))["hash"])
    except (OSError, ValueError, KeyError):
        return ""


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    aside = file.with_name(f".{file.name}.writing")
    aside.write_text(text, encoding="utf-8")
    _sync(aside)
    aside.rename(file)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_first(spec: TrainingSpec) -> bool:
    """Whether this is the only process of the run, or the first of those that `accelerate launch` has started."""
    from torch.distributed import is_torchelastic_launched

    if not is_torchelastic_launched():
        return True
    from accelerate import PartialState

    return bool(PartialState(cpu=resolve_device(spec.device) == "cpu").is_main_process)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A run has one process at a time: one that comes while another is at work ends at once."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingFailed(f"Another process is at work on the run in {folder}.") from error
        yield
