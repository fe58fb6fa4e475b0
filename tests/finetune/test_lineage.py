"""What an adapter stands on: the same base gives the same hashes, another one others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.lineage import base_hashes


@pytest.fixture
def copy(tiny_phi3: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_phi3, tmp_path / "copy"))


def _other_weights(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")


def _other_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages }}")


@pytest.mark.parametrize(
    ("change", "moved"), [(_other_weights, {"base_sha256"}), (_other_template, {"template_sha256"})]
)
def test_hashes_of_a_base(copy: Path, tiny_phi3: Path, change: Callable[[Path], None], moved: set[str]) -> None:
    """Weights and template apart, and nothing of where they lie."""
    before = base_hashes(tiny_phi3)
    assert base_hashes(copy) == before
    assert before.keys() == {"base_sha256", "template_sha256"}
    change(copy)
    after = base_hashes(copy)
    assert {name for name in before if after[name] != before[name]} == moved


def test_a_base_that_is_not_here(tmp_path: Path) -> None:
    """Nothing is asked of a hub, and nothing is made up."""
    assert base_hashes("nobody/nothing") == {}
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert base_hashes(tmp_path / "model.gguf").keys() == {"base_sha256"}
