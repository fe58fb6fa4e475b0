"""The files of an adapter, and what a file holds in a word."""

import hashlib
from pathlib import Path

WEIGHTS = "adapter_model.safetensors"
ADAPTER_FILES = ("adapter_config.json", WEIGHTS)


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes as hexadecimal digits. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
