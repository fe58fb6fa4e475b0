"""From a name to a Phi-3 in memory: checks, device, precision, 4-bit weights. `adapters` adapts, `chat_model` serves.

Weights are read from safetensors only and code from a model's repository is never run. torch and transformers are
imported in the functions: a process that only names a device or a precision loads neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from finetune.errors import ModelUnusable
from finetune.model.adapters import Adapters
from finetune.model.libraries import first_line, quiet_transformers, require_libraries

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantize = Literal["none", "4bit"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A Phi3ForCausalLM ready to write, the adapters over it, one of which may be in use, and its tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    adapters: Adapters


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the model comes from: a folder, or an id on the hub with its revision."""

    place: str
    revision: str | None
    folder: Path | None

    @property
    def name(self) -> str:
        return self.folder.name if self.folder else self.place

    @property
    def reading(self) -> dict[str, Any]:
        """Arguments of every `from_pretrained`: a local folder never asks the hub."""
        return {
            "revision": self.revision,
            "local_files_only": self.folder is not None,
            "trust_remote_code": False,
        }


def load_model(
    model: str | Path,
    *,
    revision: str | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quantize: Quantize = "none",
    adapter: str | Path | None = None,
) -> LoadedModel:
    """Load a Phi-3 from a folder or by its hub id, with a LoRA adapter over it where one is named.

    Raises ModelUnusable: no such folder or hub model, no safetensors, not a Phi-3, damaged or incomplete
    weights, a device that is not there, or an adapter that does not belong to it.
    """
    source = _find(model, revision)
    require_libraries()
    with quiet_transformers():
        try:
            _require_phi3(source)
            tokenizer = _load_tokenizer(source)
            loaded = _load_weights(source, device, dtype, quantize)
        except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
            raise ModelUnusable(f"The model {source.place} cannot be loaded: {first_line(error)}") from error
    adapters = Adapters(loaded.eval())
    if adapter is not None:
        adapters.use(Path(adapter))
    return LoadedModel(loaded, tokenizer, source.name, adapters)


def resolve_device(device: Device) -> str:
    """`auto` is the GPU where torch sees one. Raises ModelUnusable for a GPU that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelUnusable("No CUDA device is usable here: set JOURNEYMAN_DEVICE to `cpu` or `auto`.")
    return device


def resolve_dtype(dtype: Dtype, device: str) -> "torch.dtype":
    """`auto` is float32 on CPU (others are slower there), bfloat16 on a GPU that has it, else float16."""
    import torch

    if dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _find(model: str | Path, revision: str | None) -> _Source:
    path = Path(model).expanduser()
    if path.is_dir():
        _require_files(path)
        return _Source(str(path), None, path)
    text = str(model)
    if isinstance(model, Path) or text.startswith(("/", ".", "~")) or text.count("/") > 1:
        raise ModelUnusable(f"There is no model folder {path}: name an existing folder or a hub id.")
    return _Source(text, revision, None)


def _require_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelUnusable(f"{folder} is not a model folder: it has no config.json.")
    if not any(folder.glob("*.safetensors")):
        raise ModelUnusable(f"{folder} holds no weights: put the model's *.safetensors files there.")


def _require_phi3(source: _Source) -> None:
    from transformers import PreTrainedConfig

    config, _ = PreTrainedConfig.get_config_dict(source.place, **source.reading)
    kind = config.get("model_type")
    if kind != "phi3":
        raise ModelUnusable(
            f"{source.place} is not a Phi-3 (its model_type is {kind!r}): name a model of type phi3, "
            "such as microsoft/Phi-3-mini-4k-instruct."
        )


def _load_tokenizer(source: _Source) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.place, **source.reading)
    if not tokenizer.chat_template:
        raise ModelUnusable(f"{source.place} has no chat template: name an instruct model.")
    return tokenizer


def _load_weights(source: _Source, device: Device, dtype: Dtype, quantize: Quantize) -> Any:
    from transformers import Phi3ForCausalLM

    where = resolve_device(device)
    precision = resolve_dtype(dtype, where)
    architecture: Any = Phi3ForCausalLM
    model, report = architecture.from_pretrained(
        source.place,
        dtype=precision,
        device_map={"": where},
        quantization_config=_nf4(precision) if quantize == "4bit" else None,
        use_safetensors=True,
        output_loading_info=True,
        **source.reading,
    )
    _require_complete(source, report)
    return model


def _nf4(compute_dtype: "torch.dtype") -> Any:
    """4-bit NormalFloat with double quantization, as in QLoRA (https://arxiv.org/abs/2305.14314)."""
    from transformers import BitsAndBytesConfig

    configure: Any = BitsAndBytesConfig
    return configure(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def _require_complete(source: _Source, report: Mapping[str, Any]) -> None:
    """Refuse weights with holes: transformers would fill them with random numbers and go on."""
    missing = sorted(str(name) for key in ("missing_keys", "mismatched_keys") for name in report.get(key) or ())
    if missing:
        raise ModelUnusable(
            f"The weights of {source.place} are incomplete: {len(missing)} missing, such as {missing[0]}."
        )
