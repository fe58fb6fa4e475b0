"""What an adapter stands on besides its examples, by hashes: the base's weights and its template, and the machine."""

import hashlib
import json
import os
import platform
from pathlib import Path

from finetune.files import file_sha256


def base_hashes(place: str | Path, revision: str | None = None) -> dict[str, str]:
    """The sha256 of a model's weights (of those of its files, in the order of their names) and of its chat template.

    `place` is a folder, a GGUF file or a hub id that was loaded before. What is not there is left out.
    """
    folder = _folder(place, revision)
    if folder is None:
        return {}
    files = [folder] if folder.is_file() else sorted(folder.glob("*.safetensors"))
    template = None if folder.is_file() else _template(folder)
    hashes = {}
    if files:
        hashes["base_sha256"] = hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
    if template is not None:
        hashes["template_sha256"] = hashlib.sha256(template.encode()).hexdigest()
    return hashes


def machine() -> str:
    """What computed, in words for people; a GPU stands under its own name."""
    return f"{platform.machine()}, {os.cpu_count()} CPU cores, {platform.system()} {platform.release()}"


def _folder(place: str | Path, revision: str | None) -> Path | None:
    if Path(place).exists():
        return Path(place)
    # comes with the `model` extra alone
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(place), revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None


def _template(folder: Path) -> str | None:
    """transformers writes it as a file of its own; before, it stood in the tokenizer's configuration."""
    file, configuration = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        return file.read_text("utf-8")
    settings = json.loads(configuration.read_text("utf-8")) if configuration.is_file() else {}
    template = settings.get("chat_template")
    return template if isinstance(template, str) else None
