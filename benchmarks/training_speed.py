"""Training tokens a second: this product's run beside TRL's plain defaults, over the same examples.

    python benchmarks/training_speed.py DATASET --threads 4

DATASET is a folder with train.sft.jsonl, as `journeyman dataset build` makes it. Each side is a process of its own and
they take turns. Counted are tokens of examples, padding is none of them; the first step is left out. TRL's defaults are
8 padded examples in the order they come, gradient checkpointing, loss on the answer, and bfloat16, which a CPU without
its instructions computes slowly: so they are measured in float32, too, and without checkpointing, to tell which of
these defaults makes how much of the difference.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

SIDES = {
    "ours": None,
    "TRL's defaults in float32": {"bf16": False},
    "TRL's defaults in float32 without gradient checkpointing": {"bf16": False, "gradient_checkpointing": False},
    "TRL's defaults": {},
}
SLOWEST = "TRL's defaults"


def ours(dataset: Path, threads: int, steps: int) -> float:
    from finetune.training.folder import read_progress
    from finetune.training.run import train
    from finetune.training.spec import TrainingSpec

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        TrainingSpec(
            model=model(),
            dataset=str(dataset.resolve()),
            rank=16,
            max_steps=steps,
            threads=threads,
            checkpoint_steps=1000,
            device="cpu",
        ).save(place / "spec.json")
        train(place)
        done = read_progress(place)[1:]
    return sum(step.tokens for step in done) / sum(step.seconds for step in done)


def plain(dataset: Path, threads: int, steps: int, **arguments: Any) -> float:
    import torch
    import trl
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    torch.set_num_threads(threads)
    lines = [json.loads(line) for line in (dataset / "train.sft.jsonl").read_text().splitlines()]
    rows = [{name: line[name] for name in ("prompt", "completion")} for line in lines]
    ends: list[tuple[float, float]] = []

    class Clock(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "num_tokens" in (logs or {}) and "loss" in logs:
                ends.append((time.perf_counter(), float(logs["num_tokens"])))

    library: Any = trl
    with tempfile.TemporaryDirectory() as folder:
        trainer = library.SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(model(), dtype=torch.float32),
            args=library.SFTConfig(
                output_dir=folder, max_steps=steps, logging_steps=1, report_to="none", use_cpu=True, **arguments
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(model()),
            peft_config=LoraConfig(r=16, target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]),
            callbacks=[Clock()],
        )
        trainer.train()
    (first, before), (last, after) = ends[0], ends[-1]
    return (after - before) / (last - first)


def model() -> str:
    from journeyman.models import model_place
    from journeyman.settings import Settings

    return str(model_place(Settings()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        arguments = SIDES[options.side]
        common = (options.dataset, options.threads, options.steps)
        print(ours(*common) if arguments is None else plain(*common, **arguments))
        return
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for repeat in range(options.repeats):
        for side in SIDES:
            if side == SLOWEST and repeat:  # once is enough to see it, and it takes minutes
                continue
            command = [sys.executable, __file__, str(options.dataset), "--side", side]
            command += ["--threads", str(options.threads), "--steps", str(options.steps if side != SLOWEST else 2)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[side].append(float(done.stdout.split()[-1]))
            print(f"{side}: {found[side][-1]:.0f} tokens/s", flush=True)
    medians = {side: statistics.median(values) for side, values in found.items()}
    for side in SIDES:
        print(f"ours over {side}: {medians['ours'] / medians[side]:.2f}")
    _, single, free, whole = medians.values()
    print(f"of which float32 gives {single / whole:.2f}, no gradient checkpointing {free / single:.2f}")
    print(f"and packing, with the examples in order of their length, {medians['ours'] / free:.2f}")
    print(f"{platform.machine()}, {options.threads} threads, {options.repeats} repeats")


if __name__ == "__main__":
    main()
