"""`journeyman embedder`: another model for an index that is there, and back."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from journeyman.doctor import embedder
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from retrieval.embedders import EmbeddingFailed, WrongName
from tests.journeyman.conftest import ROOT, Run, one_sentence
from tests.retrieval.embedders.embedding_server import Reply, embedding_server


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


@pytest.mark.slow
def test_worker_builds_and_the_model_is_that_of_a_server(
    journeyman: Run, environment: dict[str, str], stack: Stack, documents: Path
) -> None:
    """`--worker` enqueues, for one that comes later, too; vectors come from a server, of its own dimensions."""
    (documents / "broken.pdf").unlink()
    environment["JOURNEYMAN_REDIS_URL"] = stack.redis_url.replace("db=0", "db=12")
    with embedding_server(dimensions=1536) as server:
        environment |= {"JOURNEYMAN_EMBEDDER_URL": server.url, "JOURNEYMAN_EMBEDDER_API_KEY": "sk-1"}
        journeyman("index", documents)
        assert "waits for a worker" in journeyman("embedder", "build", "openai:some", "--worker").stderr
        worker = subprocess.Popen([sys.executable, "-m", "journeyman", "worker"], cwd=ROOT, env=environment)
        try:
            until = time.monotonic() + 60
            while [model["built"] for model in shown(journeyman)] != [1, 1]:
                assert time.monotonic() < until
        finally:
            worker.terminate()
            worker.wait(timeout=60)
        assert journeyman("embedder", "switch", "openai:some").returncode == 0
        assert shown(journeyman)[0]["dimensions"] == 1536
        found = json.loads(journeyman("search", "Where does the pump stand?", "--json").stdout)
        assert found[0]["document"] == "pump.md"
        assert server.texts[-1] == ["Where does the pump stand?"]
        assert set(server.keys) == {"Bearer sk-1"}
        server.replies = [Reply(401)]
        failed = journeyman("search", "Where?", "--json")
        assert "correct JOURNEYMAN_EMBEDDER_API_KEY" in one_sentence(failed)
        told = journeyman("embedder", "show")
        assert "switch all-MiniLM-L6-v2" in told.stderr


def shown(journeyman: Run) -> list[dict[str, object]]:
    """What `embedder show` tells."""
    return list(json.loads(journeyman("embedder", "show", "--json").stdout))


def test_doctor_looks_at_the_embedding_model_that_is_set() -> None:
    """The default one is there; a server that refuses, and a name that cannot be, are told."""
    assert embedder(Settings()) == "all-MiniLM-L6-v2, 384 dimensions"
    with embedding_server(replies=[Reply(401)]) as server, pytest.raises(EmbeddingFailed, match="refuses the key"):
        embedder(Settings(embedder="openai:m", embedder_url=server.url))
    with pytest.raises(WrongName):
        embedder(Settings(embedder="@"))
