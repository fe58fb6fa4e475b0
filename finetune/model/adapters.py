"""LoRA adapters over one model in memory: loaded when they are first used, kept while they may be used again.

Every call comes from the one thread in which the model computes, so an answer is written by one adapter from its first
token to its last, whatever is switched meanwhile. peft, which loads torch, is imported where a model is there already.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from finetune.errors import ModelUnusable
from finetune.files import ADAPTER_FILES, WEIGHTS
from finetune.model.libraries import first_line, quiet_transformers

LORA_TARGETS = frozenset({"qkv_proj", "o_proj", "gate_up_proj", "down_proj"})
"""Phi-3's own four projections; only they may be adapted."""
KEPT = 3
"""Adapters that stay in memory: the one in use, the one before it, to which a rollback returns, and one on trial."""


class Adapters:
    """The adapters of `model`, which without any is the base itself. An adapter's folder never changes."""

    def __init__(self, model: Any) -> None:
        with quiet_transformers():
            import peft  # noqa: F401 - takes seconds, in which answers would wait for the first switch

        self._model = model
        self._tuned: Any = None  # a PeftModel around the model, from the first adapter on
        self._names: OrderedDict[Path, str] = OrderedDict()  # least recently used first
        self._loads = 0
        self.active: Path | None = None

    def use(self, folder: Path | None) -> None:
        """Have the model compute with the adapter in `folder`, or as the base does.

        Raises ModelUnusable for one that is not whole or does not fit; then the model computes as before.
        """
        if folder == self.active:
            return
        if folder is not None and folder not in self._names:
            self._load(folder)
        self._activate(folder)
        while len(self._names) > KEPT:
            self._drop(next(iter(self._names)))

    def _activate(self, folder: Path | None) -> None:
        if folder is None:
            if self._tuned is not None:
                self._tuned.base_model.disable_adapter_layers()
        else:
            self._names.move_to_end(folder)
            self._tuned.base_model.enable_adapter_layers()
            self._tuned.set_adapter(self._names[folder])
            self._tuned.requires_grad_(False)  # set_adapter would have it train
        self.active = folder

    def _load(self, folder: Path) -> None:
        from peft import LoraConfig, PeftModel

        for file in ADAPTER_FILES:
            if not (folder / file).is_file():
                raise ModelUnusable(f"{folder} is not an adapter folder: it has no {file}.")
        self._loads += 1
        name = f"adapter{self._loads}"
        try:
            config = LoraConfig.from_pretrained(str(folder))
            _require_plain(folder, config)
            with quiet_transformers():
                if self._tuned is None:
                    self._tuned = PeftModel.from_pretrained(self._model, str(folder), name, config=config)
                else:
                    self._tuned.load_adapter(str(folder), name)
            self._names[folder] = name
            with safe_open(folder / WEIGHTS, framework="pt") as saved:
                self._require_whole(folder, name, set(saved.keys()))
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            self._forget(folder, name)
            raise ModelUnusable(f"The adapter {folder} does not fit this model: {first_line(error)}") from error
        except ModelUnusable:
            self._forget(folder, name)
            raise

    def _require_whole(self, folder: Path, name: str, saved: set[str]) -> None:
        from peft import get_peft_model_state_dict
        from peft.tuners.lora import LoraLayer

        missing = set(get_peft_model_state_dict(self._tuned, adapter_name=name)) - saved
        if missing:
            raise ModelUnusable(f"The adapter {folder} is incomplete: {len(missing)} of its weights are missing.")
        parts = self._model.named_modules()
        names = {
            module.rpartition(".")[2] for module, part in parts if isinstance(part, LoraLayer) and name in part.lora_A
        }
        if not names or names - LORA_TARGETS:
            raise ModelUnusable(
                f"The adapter {folder} adapts {sorted(names)}; only {sorted(LORA_TARGETS)} may be adapted."
            )

    def _forget(self, folder: Path, name: str) -> None:
        """Takes out of the model what of a failed adapter is in it, and puts to use again what was in use."""
        self._names.pop(folder, None)
        if self._tuned is not None and name in self._tuned.peft_config:
            self._tuned.delete_adapter(name)
        if self._tuned is not None:
            self._activate(self.active)

    def _drop(self, folder: Path) -> None:
        self._tuned.delete_adapter(self._names.pop(folder))


def _require_plain(folder: Path, config: Any) -> None:
    """Refuses what travels badly: an adapter that replaces whole modules."""
    if config.modules_to_save:
        raise ModelUnusable(f"The adapter {folder} replaces whole modules; only plain LoRA can be served.")
