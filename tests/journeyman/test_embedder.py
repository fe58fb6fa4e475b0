"""`journeyman embedder`: another model for an index that is there, and back."""

import json
from pathlib import Path

import pytest

from tests.journeyman.conftest import Run, one_sentence


@pytest.mark.slow
def test_another_model_and_back(journeyman: Run, tmp_path: Path) -> None:
    """A German question finds an English document once the multilingual model is switched to; the commands say how to
    go on, and status tells which model it is.
    """
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "laundry.md").write_text("# Workwear\n\nDirty overalls are washed on Mondays.\n")
    (folder / "bearing.md").write_text("# Maintenance\n\nThe spindle needs new grease every 40 hours.\n")
    journeyman("index", folder)
    built = journeyman("embedder", "build", "multilingual-e5-small")
    assert built.stderr.strip().endswith("journeyman embedder switch multilingual-e5-small")
    shown = json.loads(journeyman("embedder", "show", "--json").stdout)
    assert [(model["name"], model["state"], model["built"]) for model in shown] == [
        ("all-MiniLM-L6-v2", "active", 2),
        ("multilingual-e5-small", "building", 2),
    ]
    switched = journeyman("embedder", "switch", "multilingual-e5-small")
    assert switched.returncode == 0, switched.stderr
    found = json.loads(journeyman("search", "Wie oft wird geschmiert?", "--json").stdout)
    assert found[0]["document"] == "bearing.md"
    assert "multilingual-e5-small" in journeyman("status", JOURNEYMAN_MODEL="/m").stdout
    assert journeyman("embedder", "rollback").returncode == 0
    assert journeyman("embedder", "show").stdout.startswith("active    all-MiniLM-L6-v2, 384 dimensions, 2 of 2")
    assert journeyman("embedder", "drop", "multilingual-e5-small").returncode == 0
    assert "searched with" in one_sentence(journeyman("embedder", "drop", "all-MiniLM-L6-v2"))
