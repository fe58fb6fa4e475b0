"""Training on a tiny Phi-3: what is learnt from, what it gives, and that a run survives its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.files import file_sha256
from finetune.model.chat_model import load_chat_model
from finetune.training.examples import IGNORED, preferences, supervised, tokenized
from finetune.training.folder import CHECKPOINTS, PROGRESS, RESULT, is_whole
from finetune.training.process import probe, run
from finetune.training.run import train
from finetune.training.spec import Step, TrainingFailed, TrainingSpec
from tests.finetune.conftest import tiny_tokenizer
from tests.finetune.model.likelihood import mean_log_likelihood
from tests.finetune.training.conftest import said, turns

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
MODULES = ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]


@pytest.fixture
def spec(tiny_phi3: Path, orders: Path) -> TrainingSpec:
    """Twelve steps that learn visibly."""
    return TrainingSpec(
        model=str(tiny_phi3),
        dataset=str(orders),
        rank=4,
        learning_rate=2e-2,
        epochs=50,
        max_steps=12,
        tokens_per_step=512,
        max_length=512,
        device="cpu",
        checkpoint_steps=4,
    )


def begun(folder: Path, spec: TrainingSpec) -> Path:
    """A run's folder with its spec."""
    folder.mkdir(parents=True)
    spec.save(folder / "spec.json")
    return folder


@pytest.mark.parametrize(("method", "rslora"), [("sft", False), ("sft", True), ("kto", False), ("dpo", False)])
def test_every_method_trains_all_four_projections(
    spec: TrainingSpec, method: Any, rslora: bool, tmp_path: Path
) -> None:
    """The adapter is whole, can be served, and writes otherwise than the base; its scale is the root's with rsLoRA."""
    from peft.tuners.lora import LoraLayer

    folder = begun(tmp_path / "run", replace(spec, method=method, rslora=rslora))
    trained = train(folder)
    # 4 x (64+128 + 64+64 + 64+256 + 128+64) x 2 layers
    assert (trained.modules, trained.parameters) == (MODULES, 4 * 832 * 2)
    assert (trained.steps, len(trained.losses), trained.dataset_hash) == (12, 12, "abc")
    assert (trained.device, trained.dtype) == ("CPU", "float32")
    if method == "sft":
        assert trained.losses[-1] < 0.7 * trained.losses[0]
    assert trained.tokens > 0
    assert trained.peak_megabytes > 100
    base = load_chat_model(spec.model, device="cpu", max_tokens=12)
    tuned = load_chat_model(spec.model, device="cpu", max_tokens=12, adapter=folder / "adapter")
    pair = "How often is the belt of the saw checked?", "Every 500 hours."
    assert mean_log_likelihood(tuned, *pair) != mean_log_likelihood(base, *pair)
    scales = {part.scaling["adapter1"] for part in tuned._loaded.model.modules() if isinstance(part, LoraLayer)}
    assert scales == {8 / 4**0.5 if rslora else 8 / 4}


def test_qlora_trains_on_nf4(spec: TrainingSpec, tmp_path: Path) -> None:
    """Over a base in 4 bits the loss falls, too, and the adapter is float32 on a CPU."""
    from safetensors.torch import load_file

    folder = begun(tmp_path / "run", replace(spec, quantize="4bit"))
    trained = train(folder)
    assert trained.losses[-1] < 0.7 * trained.losses[0]
    weights = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.float32"}


def test_loss_is_on_the_answer_and_its_end_alone() -> None:
    """The prompt's tokens are those that serving renders, and the answer ends as a turn does."""
    tokenizer = tiny_tokenizer()
    line = {"prompt": turns("mill", "belt"), "completion": said("Every 500 hours.")}
    [row] = supervised(tokenizer, [line], 512)
    prompt, answer = tokenized(tokenizer, line["prompt"], "Every 500 hours.")
    assert row == {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}
    rendered = tokenizer.apply_chat_template(line["prompt"], tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(prompt) == rendered
    assert tokenizer.decode(answer) == "Every 500 hours.<|end|>\n<|endoftext|>"


def test_answers_are_never_cut() -> None:
    """An example that is too long is left out whole."""
    tokenizer = tiny_tokenizer()
    lines = [{"prompt": turns("mill", "belt"), "completion": said("word " * n)} for n in (1, 200)]
    assert len(supervised(tokenizer, lines, 300)) == 1
    pairs = [line | {"chosen": line["completion"], "rejected": said("no")} for line in lines]
    assert len(preferences(tokenizer, pairs, "dpo", 300, seed=0)) == 1


def test_kto_sees_good_and_bad_together() -> None:
    """Of 3 good and 9 bad answers no four in a row are of one kind; one kind alone is refused."""
    tokenizer = tiny_tokenizer()
    lines = [{"prompt": turns("mill", str(n)), "completion": said("yes"), "label": n < 3} for n in range(12)]
    labels = [row["label"] for row in preferences(tokenizer, lines, "kto", 512, seed=1)]
    assert sum(labels) == 3
    assert all(any(labels[start : start + 4]) for start in range(0, 12, 4))
    with pytest.raises(TrainingFailed, match="only one kind"):
        preferences(tokenizer, [line for line in lines if line["label"]], "kto", 512, seed=1)


@pytest.mark.parametrize(("method", "quantize"), [("sft", "none"), ("sft", "4bit"), ("kto", "none"), ("dpo", "none")])
def test_kill_and_resume_give_the_same_adapter(spec: TrainingSpec, method: Any, quantize: Any, tmp_path: Path) -> None:
    """Killed after a checkpoint, a run goes on: same losses, same weights as one that nobody disturbed."""
    chosen = replace(spec, method=method, quantize=quantize)
    undisturbed = train(begun(tmp_path / "whole", chosen))
    folder = begun(tmp_path / "killed", chosen)
    child = subprocess.Popen([sys.executable, "-m", "finetune.training", str(folder)], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list((folder / CHECKPOINTS).glob("checkpoint-8")) and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    if child.stdin:
        child.stdin.close()
    assert not (folder / RESULT).exists()
    resumed = train(folder)
    assert resumed.losses == undisturbed.losses
    assert resumed.sha256 == undisturbed.sha256


def test_run_is_watched(spec: TrainingSpec, tmp_path: Path) -> None:
    """Each step is told once; while others go first the run pauses; a run that is done is not done again."""
    steps: list[Step] = []
    until = time.monotonic() + 1e9

    def tell(step: Step | None) -> None:
        nonlocal until
        if step:
            steps.append(step)
            if step.step == 3:
                until = time.monotonic() + 2

    started = time.monotonic()
    trained = run(tmp_path / "7", spec, tell, lambda: len(steps) >= 3 and time.monotonic() < until)
    assert [step.step for step in steps] == list(range(1, 13))
    assert all(step.steps == 12 and step.tokens > 0 for step in steps)
    assert trained.seconds < time.monotonic() - started - 1.5
    before = (tmp_path / "7" / PROGRESS).read_text()
    assert run(tmp_path / "7", spec) == trained
    assert (tmp_path / "7" / PROGRESS).read_text() == before


def test_cancelled_run_leaves_no_process(spec: TrainingSpec, tmp_path: Path) -> None:
    """What `tell` raises ends the child."""

    class Cancelled(Exception):
        pass

    def tell(step: Step | None) -> None:
        if step:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(tmp_path / "7", replace(spec, max_steps=10_000), tell)
    listed = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    assert listed.stdout == b""


def test_a_run_ends_with_whoever_watches(spec: TrainingSpec, tmp_path: Path) -> None:
    """kill -9 of the worker ends the training it started, so that no two of them ever train at once."""
    folder = begun(tmp_path / "run", replace(spec, max_steps=100_000))
    code = (
        "import sys; from pathlib import Path; from finetune.training.process import run;"
        "from finetune.training.spec import TrainingSpec; f = Path(sys.argv[1]);"
        "run(f, TrainingSpec.load(f / 'spec.json'))"
    )
    watcher = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    wait_for(lambda: (folder / PROGRESS).is_file())
    watcher.kill()
    watcher.wait()
    command = ["pgrep", "-f", f"finetune.training {folder}"]
    wait_for(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 1)


def test_second_process_does_not_train_beside(spec: TrainingSpec, tmp_path: Path) -> None:
    """The folder is one process's."""
    import fcntl

    folder = begun(tmp_path / "run", spec)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TrainingFailed, match="Another process"):
            train(folder)


def test_full_disk_leaves_no_half_adapter(spec: TrainingSpec, tmp_path: Path) -> None:
    """The reason is told, and once there is room the run goes on to the end."""
    folder = tmp_path / "run"
    short = replace(spec, checkpoint_steps=100, max_steps=3)  # no checkpoint: the adapter is the first thing written
    limited = ["bash", "-c", f'ulimit -f 16; exec {sys.executable} -m finetune.training "$0"']  # 16 KiB a file
    with pytest.raises(TrainingFailed, match=r"could not be written: .*File too large"):
        run(folder, short, command=limited)
    assert not (folder / "adapter").exists()
    assert not (folder / RESULT).exists()
    assert run(folder, short).steps == 3
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()


def test_probe_tells_what_a_run_will_cost(spec: TrainingSpec, tmp_path: Path) -> None:
    """A few steps are measured, the whole is counted, and nothing stays. It is watched like a run."""
    folder = tmp_path / "7"
    told: list[Step | None] = []
    asked: list[bool] = []

    def must_wait() -> bool:
        asked.append(False)
        return False

    found = probe(folder, replace(spec, max_steps=None, epochs=3), told.append, must_wait)
    assert [step.step for step in told if step] == [1, 2, 3]
    assert len(asked) == told.count(None) > 0
    packed = sum(row.stat().st_size for row in tmp_path.iterdir())
    assert (found.steps, packed) == (3, 0)
    assert found.planned_steps >= 3
    assert found.seconds > 0
    assert json.dumps(found.as_dict())


def test_reason_of_a_failure_is_told(spec: TrainingSpec, tmp_path: Path) -> None:
    """Without examples of the method there is nothing to do, and the child says so."""
    with pytest.raises(TrainingFailed, match=r"nothing to train on in train\.sft\.jsonl"):
        run(tmp_path / "7", replace(spec, dataset=str(tmp_path)))


def wait_for(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def launched(folder: Path) -> "subprocess.Popen[str]":
    """Two processes of a run in a group of their own, as `accelerate launch` starts them."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "finetune.training"]
    return subprocess.Popen(
        [sys.executable, *launch, str(folder)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_processes_train_one_adapter(spec: TrainingSpec, tmp_path: Path) -> None:
    """They share the examples of a step, and one of them writes; killed, they go on from their checkpoint with the same
    losses.
    """

    def steps() -> list[dict[str, Any]]:
        file = folder / PROGRESS
        return [json.loads(line) for line in file.read_text().splitlines(True) if line.endswith("\n")]

    folder = begun(tmp_path / "run", replace(spec, max_steps=10))
    first = launched(folder)
    wait_for(lambda: (folder / PROGRESS).is_file() and len(steps()) >= 6)
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(place.name)) == first.pid or str(folder).encode() in (place / "cmdline").read_bytes():
                os.kill(int(place.name), signal.SIGKILL)
    first.communicate()
    assert not (folder / RESULT).exists()
    before = steps()
    again = launched(folder)
    _, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors[-2000:]
    told = json.loads((folder / RESULT).read_text())
    assert steps()[:4] == before[:4], "it began anew"
    assert told["losses"][: len(before)] == [round(step["loss"], 6) for step in before]
    assert told["steps"] == len(told["losses"]) == 10
    assert {file.name for file in (folder / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert file_sha256(folder / "adapter" / "adapter_model.safetensors") == told["sha256"]


@pytest.mark.parametrize(
    ("processes", "files", "whole"),
    [
        (1, ["optimizer.pt", "rng_state.pth"], True),
        (1, ["optimizer.pt"], False),
        (2, ["optimizer.pt", "rng_state_0.pth", "rng_state_1.pth"], True),
        (2, ["optimizer.bin", "rng_state_0.pth", "rng_state_1.pth"], True),  # under FSDP
        (2, ["optimizer_0", "rng_state_0.pth", "rng_state_1.pth"], True),  # under FSDP, in parts
        (2, ["optimizer.pt", "rng_state_0.pth"], False),
        (2, ["rng_state_0.pth", "rng_state_1.pth"], False),
        (2, ["optimizer.pt", "rng_state.pth"], False),  # another number of processes divides the examples otherwise
    ],
)
def test_which_checkpoint_is_whole(tmp_path: Path, processes: int, files: list[str], whole: bool) -> None:
    """One with everything that the processes of the run need to go on."""
    for name in ("adapter_model.safetensors", "scheduler.pt", *files):
        (tmp_path / name).touch()
    assert not is_whole(tmp_path, processes)
    (tmp_path / "trainer_state.json").write_text("{}")
    assert is_whole(tmp_path, processes) is whole


def test_killed_again_and_again_is_told(spec: TrainingSpec, tmp_path: Path) -> None:
    """A process that is killed before it gets on is started three times, not for ever."""
    marks = tmp_path / "marks"
    kill = f"import os; open({str(marks)!r}, 'a').write('x'); os.kill(os.getpid(), 9)"
    with pytest.raises(TrainingFailed, match=r"killed 3 times \(SIGKILL\)"):
        run(tmp_path / "7", spec, command=[sys.executable, "-c", kill])
    assert marks.read_text() == "xxx"
