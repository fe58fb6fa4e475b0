"""What may be loaded, how, and what is refused with a sentence to act on."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import ModelUnusable
from finetune.model.chat_model import end_token_ids, load_chat_model
from finetune.model.loading import load_model, resolve_device, resolve_dtype
from tests.finetune.model.likelihood import mean_log_likelihood

PROMPT = "How often is the spindle greased?"


def write_adapter(base: Path, folder: Path, **changes: Any) -> Path:
    """A LoRA adapter over `base` whose weights do something, saved as peft does."""
    from peft import LoraConfig, get_peft_model

    targets = changes.pop("target_modules", ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])
    config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM", **changes)
    get_peft_model(load_model(base, device="cpu").model, config).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(tiny_phi3: Path, tmp_path: Path) -> Path:
    """A tiny Phi-3 to damage."""
    return Path(shutil.copytree(tiny_phi3, tmp_path / "copy"))


def test_end_tokens_come_from_config_tokenizer_and_template(tiny_phi3: Path) -> None:
    """<|endoftext|> (3) is configured; <|end|> (6) is known from the template alone."""
    assert end_token_ids(load_model(tiny_phi3, device="cpu")) == (3, 6)


def test_name_is_the_folders(tiny_phi3: Path) -> None:
    """A local model is called as its folder, and has no adapter unless one is named."""
    chat = load_chat_model(str(tiny_phi3), device="cpu")
    assert (chat.model_name, chat.adapter) == ("tiny-phi3", None)


def test_dtype_and_device() -> None:
    """On a CPU `auto` is float32 and a named precision is taken; a GPU that is not there is refused."""
    import torch

    assert resolve_dtype("auto", "cpu") is torch.float32
    assert resolve_dtype("bfloat16", "cpu") is torch.bfloat16
    if torch.cuda.is_available():
        assert resolve_device("auto") == resolve_device("cuda") == "cuda"
    else:
        assert resolve_device("auto") == "cpu"
        with pytest.raises(ModelUnusable, match="JOURNEYMAN_DEVICE"):
            resolve_device("cuda")


def test_precision_is_the_weights(tiny_phi3: Path) -> None:
    """The weights have the precision that was asked for, and the model writes with it."""
    import torch

    chat = load_chat_model(tiny_phi3, device="cpu", dtype="bfloat16", max_tokens=4)
    assert chat._loaded.model.dtype is torch.bfloat16
    assert chat.invoke(PROMPT).usage_metadata["output_tokens"] == 4  # type: ignore[index]


def test_threads_are_torchs(tiny_phi3: Path) -> None:
    """The setting reaches torch."""
    import torch

    load_chat_model(tiny_phi3, device="cpu", threads=2)
    assert torch.get_num_threads() == 2
    load_chat_model(tiny_phi3, device="cpu", threads=1)
    assert torch.get_num_threads() == 1


def test_4bit_is_nf4_with_double_quantization(tiny_phi3: Path) -> None:
    """The projections are NF4 with quantized scales, compute in the resolved dtype, and the model writes."""
    import torch
    from bitsandbytes.nn import Linear4bit

    chat = load_chat_model(tiny_phi3, device="cpu", quantize="4bit", max_tokens=4)
    layers = [part for part in chat._loaded.model.modules() if isinstance(part, Linear4bit)]
    assert len(layers) == 8
    state = layers[0].weight.quant_state
    assert (state.quant_type, state.nested, layers[0].compute_dtype) == ("nf4", True, torch.float32)
    assert chat.invoke(PROMPT).usage_metadata["output_tokens"] == 4  # type: ignore[index]


@pytest.mark.parametrize("targets", [["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], ["o_proj"]])
@pytest.mark.parametrize("quantize", ["none", "4bit"])
def test_adapter_is_applied(tiny_phi3: Path, tmp_path: Path, targets: list[str], quantize: Any) -> None:
    """A LoRA over all or some of Phi-3's projections changes the answer, and the model tells its name."""
    folder = write_adapter(tiny_phi3, tmp_path / "house-7", target_modules=targets)
    plain = load_chat_model(tiny_phi3, device="cpu", quantize=quantize)
    tuned = load_chat_model(tiny_phi3, device="cpu", quantize=quantize, adapter=folder)
    assert tuned.adapter == "house-7"
    assert tuned.invoke(PROMPT).text != plain.invoke(PROMPT).text
    assert mean_log_likelihood(tuned, PROMPT, " weekly") != mean_log_likelihood(plain, PROMPT, " weekly")


def test_adapter_computes_what_peft_computes(tiny_phi3: Path, tmp_path: Path) -> None:
    """The served logits are those of the adapter merged into the base."""
    import torch
    from peft import PeftModel

    folder = write_adapter(tiny_phi3, tmp_path / "adapter")
    ids = torch.arange(10, 40)[None]
    served = load_model(tiny_phi3, device="cpu", adapter=folder).model
    merged: Any = PeftModel.from_pretrained(load_model(tiny_phi3, device="cpu").model, str(folder))
    with torch.inference_mode():
        torch.testing.assert_close(served(ids).logits, merged.merge_and_unload()(ids).logits, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target_modules": ["o_proj", "lm_head"]}, "lm_head"),
        ({"modules_to_save": ["embed_tokens"]}, "only plain LoRA"),
    ],
)
def test_other_adapters_are_refused(tiny_phi3: Path, tmp_path: Path, changes: Any, reason: str) -> None:
    """An adapter that reaches beyond the four projections is not served."""
    folder = write_adapter(tiny_phi3, tmp_path / "adapter", **changes)
    with pytest.raises(ModelUnusable, match=reason):
        load_model(tiny_phi3, device="cpu", adapter=folder)


def test_adapter_must_be_whole_and_fit(tiny_phi3: Path, tmp_path: Path) -> None:
    """No folder, no safetensors, weights left out or weights of other sizes: refused with the reason."""
    from safetensors.torch import load_file, save_file

    with pytest.raises(ModelUnusable, match="not an adapter folder"):
        load_model(tiny_phi3, device="cpu", adapter=tmp_path / "none")
    folder = write_adapter(tiny_phi3, tmp_path / "adapter")
    weights = folder / "adapter_model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensor[..., :-1].contiguous() for name, tensor in tensors.items()}, weights)
    with pytest.raises(ModelUnusable, match="does not fit"):
        load_model(tiny_phi3, device="cpu", adapter=folder)
    save_file(dict(list(tensors.items())[1:]), weights)
    with pytest.raises(ModelUnusable, match="incomplete"):
        load_model(tiny_phi3, device="cpu", adapter=folder)
    weights.unlink()
    with pytest.raises(ModelUnusable, match=r"no adapter_model\.safetensors"):
        load_model(tiny_phi3, device="cpu", adapter=folder)


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is named; it is not taken for a hub id."""
    with pytest.raises(ModelUnusable, match="no model folder"):
        load_model(str(tmp_path / "none"))


def test_hub_id_that_cannot_be_had() -> None:
    """Without the hub, a model that was never fetched is refused in one sentence."""
    with pytest.raises(ModelUnusable, match="cannot be loaded") as refusal:
        load_model("journeyman-tests/no-such-phi3")
    assert "\n" not in str(refusal.value)


def empty(folder: Path) -> None:
    (folder / "config.json").unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "llama"}))


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def with_holes(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (empty, "no config.json"),
        (pickled, "holds no weights"),
        (another_kind, "is not a Phi-3"),
        (cut_short, "cannot be loaded"),
        (without_template, "no chat template"),
        (with_holes, "incomplete"),
    ],
)
def test_unusable_folders(copy: Path, damage: Callable[[Path], None], reason: str) -> None:
    """Each way in which a folder is no usable Phi-3 has its own reason, and nothing is filled in silently."""
    damage(copy)
    with pytest.raises(ModelUnusable, match=reason):
        load_model(copy, device="cpu")


def test_what_adapters_need_is_there_before_the_first(tiny_phi3: Path) -> None:
    """peft takes seconds to import: they are spent with the model's loading, not while answers wait for a switch."""
    code = (
        "import sys; from finetune.model.loading import load_model;"
        "load_model(sys.argv[1], device='cpu'); print('peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_phi3)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "True"
