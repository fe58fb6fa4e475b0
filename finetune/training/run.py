"""One training run, start to end, in the process that it has to itself: base → LoRA → TRL's trainer → adapter folder.

Everything is in one folder, so that a run that was killed goes on from its last checkpoint with the same losses:
`spec.json`, `progress.jsonl`, `checkpoints/`, and last `adapter/` with `result.json`, each written aside and renamed.
Loads torch and what is built on it, so that only the process of a training run imports it.
"""

import fcntl
import json
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from accelerate import PartialState
from torch.distributed import is_torchelastic_launched
from transformers import trainer_utils

from finetune.files import ADAPTER_FILES, WEIGHTS, file_sha256
from finetune.model.libraries import quiet_transformers
from finetune.model.loading import load_model, resolve_device, resolve_dtype
from finetune.training.examples import preferences, read_lines, supervised
from finetune.training.folder import (
    ADAPTER,
    CHECKPOINTS,
    RESULT,
    SPEC,
    is_whole,
    keep_steps,
    read_progress,
    sync,
    write_whole,
)
from finetune.training.spec import Trained, TrainingFailed, TrainingSpec
from finetune.training.trainer import Row, adapted, planned_steps, trainer_of

LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets", "tokenizers")


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
    """A run by its folder and its spec, on the device of this process."""

    def __init__(self, folder: Path, spec: TrainingSpec, wait: Callable[[], None]) -> None:
        self._folder, self._spec, self._wait = folder, spec, wait
        self._device = resolve_device(spec.device)

    def carry_out(self) -> Trained:
        """Trains, saves the adapter, and then its result; what lay there for going on is thrown away."""
        spec = self._spec
        torch.set_num_threads(spec.threads)
        lines = read_lines(Path(spec.dataset) / f"train.{spec.method}.jsonl")
        loaded = load_model(
            spec.model, revision=spec.revision, device=spec.device, dtype=spec.dtype, quantize=spec.quantize
        )
        with quiet_transformers():
            rows = self._rows(loaded.tokenizer, lines)
            trainer = trainer_of(spec, self._folder, self._device, loaded, rows, self._wait)
            modules, parameters = adapted(trainer.model, spec.rank)
            trainer.train(resume_from_checkpoint=self._checkpoint(trainer))
            sha256 = self._save(trainer)
        trained = self._result(trainer, sha256, len(rows), len(lines) - len(rows), modules, parameters)
        if trainer.is_world_process_zero():
            write_whole(self._folder / RESULT, json.dumps(asdict(trained)))
            shutil.rmtree(self._folder / CHECKPOINTS, ignore_errors=True)
        return trained

    def _rows(self, tokenizer: Any, lines: Sequence[dict[str, Any]]) -> list[Row]:
        spec = self._spec
        rows: list[Row] = (
            list(supervised(tokenizer, lines, spec.max_length))
            if spec.method == "sft"
            else preferences(tokenizer, lines, spec.method, spec.max_length, spec.seed)
        )
        if not rows:
            raise TrainingFailed(f"Every example has more than {spec.max_length} tokens: raise --max-tokens.")
        return rows

    def _checkpoint(self, trainer: Any) -> str | None:
        """The last whole checkpoint; what was begun anew since it is forgotten, by the first of several processes."""
        place, last_checkpoint = self._folder / CHECKPOINTS, cast(Any, trainer_utils).get_last_checkpoint
        if trainer.is_world_process_zero():
            place.mkdir(exist_ok=True)
            while (checkpoint := last_checkpoint(place)) and not is_whole(Path(checkpoint), trainer.args.world_size):
                shutil.rmtree(checkpoint)
            keep_steps(self._folder, int(checkpoint.rpartition("-")[2]) if checkpoint else 0)
        trainer.accelerator.wait_for_everyone()
        last: str | None = last_checkpoint(place)
        return last

    def _save(self, trainer: Any) -> str:
        """Writes the adapter's folder aside and renames it. Of several processes, one writes what all of them hold."""
        aside, target = self._folder / f".{ADAPTER}.writing", self._folder / ADAPTER
        if trainer.is_world_process_zero():
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        trainer.save_model(str(aside))
        if not trainer.is_world_process_zero():
            return ""
        for file in aside.iterdir():  # the rest is the base's, or a form to fill in: the registry writes a model card
            file.unlink() if file.name not in ADAPTER_FILES else sync(file)
        aside.rename(target)
        sync(self._folder)
        return file_sha256(target / WEIGHTS)

    def _result(
        self, trainer: Any, sha256: str, examples: int, left_out: int, modules: list[str], parameters: int
    ) -> Trained:
        steps = read_progress(self._folder)
        return Trained(
            sha256=sha256,
            examples=examples,
            left_out=left_out,
            steps=trainer.state.global_step,
            losses=[round(step.loss, 6) for step in steps],
            tokens=sum(step.tokens for step in steps),
            seconds=round(sum(step.seconds for step in steps), 2),
            # The first one fills caches: those that follow are like the others.
            seconds_per_step=round(median(step.seconds for step in steps[1:] or steps), 3),
            peak_megabytes=peak_megabytes(self._device),
            device=torch.cuda.get_device_name() if self._device == "cuda" else "CPU",
            dtype=str(resolve_dtype(self._spec.dtype, self._device)).removeprefix("torch."),
            parameters=parameters,
            modules=modules,
            dataset_hash=_dataset_hash(Path(self._spec.dataset)),
            planned_steps=planned_steps(trainer, self._spec.epochs),
            versions={name: version(name) for name in LIBRARIES},
        )


def peak_megabytes(device: str) -> int:
    """The most memory in use so far: the GPU's, else this process's."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated() / 1e6)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def _dataset_hash(folder: Path) -> str:
    """The hash of a dataset; '' of a folder that is none of ours."""
    try:
        return str(json.loads((folder / "dataset.json").read_text("utf-8"))["hash"])
    except (OSError, ValueError, KeyError):
        return ""


def _is_first(spec: TrainingSpec) -> bool:
    """Whether this is the only process of the run, or the first of those that `accelerate launch` has started."""
    if not is_torchelastic_launched():
        return True
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
