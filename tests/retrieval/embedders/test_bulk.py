"""The default embedder's bulk: by torch in 16 bits where the machine is made for it, and nowhere else."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders import embedder_named
from retrieval.embedders.bulk import BulkMiniLM, suited_device
from retrieval.embedding import MiniLM

TEXTS = [f"Bearing {n} of the pump is greased every {n * 25} hours. " * (n % 7 + 1) for n in range(40)]


@pytest.mark.parametrize(
    ("device", "gpu", "processor", "suited"),
    [
        ("auto", True, "flags : avx2 amx_bf16", "cuda"),
        ("auto", True, "flags : avx2", "cuda"),
        ("cuda", False, "", "cuda"),
        ("cpu", True, "flags : avx2 amx_bf16 fma", "cpu"),
        ("auto", False, "flags : avx2 amx_bf16", "cpu"),
        ("cpu", True, "flags : avx2 avx512_bf16", None),
        ("auto", False, "Features : asimd", None),
        ("auto", False, "", None),
    ],
)
def test_what_is_suited(device: str, gpu: bool, processor: str, suited: str | None, tmp_path: Path) -> None:
    """A GPU, or a processor with AMX; the device that was asked for is kept to."""
    (tmp_path / "cpuinfo").write_text(processor)
    (tmp_path / "nvidiactl").touch() if gpu else None
    assert suited_device(device, tmp_path / "cpuinfo", tmp_path / "nvidiactl") == suited


def test_a_system_without_cpuinfo_is_suited_for_nothing(tmp_path: Path) -> None:
    """As macOS is."""
    assert suited_device("auto", tmp_path / "cpuinfo", tmp_path / "nvidiactl") is None


def test_where_nothing_is_suited_all_is_as_in_numpy() -> None:
    """To the last bit, however much there is."""
    embedder = BulkMiniLM(suited=lambda: None, after=0)
    np.testing.assert_array_equal(embedder.embed(TEXTS), MiniLM().embed(TEXTS))


def test_questions_never_load_torch() -> None:
    """A bot embeds one after the other, thousands of them, and has no use for it."""
    asked: list[str] = []

    def suited() -> str | None:
        asked.append("suited")
        return None

    embedder = BulkMiniLM(suited=suited, after=2)
    for _ in range(5):
        embedder.embed(["How is the pump greased?"])
    assert not asked
    embedder.embed(TEXTS)
    embedder.embed(TEXTS)
    assert asked == ["suited"]


def test_the_default_embedder_has_it_and_loads_no_torch_for_little() -> None:
    """A question, or a document or two."""
    assert isinstance(embedder_named(MiniLM.name), BulkMiniLM)
    code = (
        "import sys; from retrieval.embedders.bulk import BulkMiniLM;"
        "BulkMiniLM(suited=lambda: 'cpu').embed(['How is the pump greased?'] * 100);"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


class FullDevice:
    """What torch does when a GPU's memory is used up."""

    device = "cpu"

    def __call__(self, **_: object) -> None:
        raise RuntimeError("CUDA out of memory.")


@pytest.fixture(scope="module")
def embedder() -> BulkMiniLM:
    """One that has had enough texts."""
    embedder = BulkMiniLM(suited=lambda: "cpu", after=0)
    embedder.embed(TEXTS)
    return embedder


@pytest.mark.slow
class TestInSixteenBits:
    """On this machine's CPU, whether that is fast or not."""

    def test_the_vectors_are_the_same(self, embedder: BulkMiniLM) -> None:
        """But for what 16 bits leave out; of length 1, in the order of the texts."""
        vectors, exact = embedder.embed(TEXTS), MiniLM().embed(TEXTS)
        cosines = np.sum(vectors * exact, axis=1)
        assert cosines.min() >= 0.999
        assert not np.array_equal(vectors, exact), "they were made in numpy"
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert vectors.dtype == np.float32

    def test_many_cores_get_batches_that_are_worth_it(self) -> None:
        """Split among sixteen, each would be too small, and made in numpy."""
        embedder = BulkMiniLM(suited=lambda: "cpu", after=0, workers=16)
        embedder.embed(TEXTS)
        short = [f"Bearing {n} is greased." for n in range(64)]
        assert not np.array_equal(embedder.embed(short), MiniLM().embed(short))

    def test_a_question_is_embedded_in_numpy(self, embedder: BulkMiniLM) -> None:
        """Its vector does not depend on what came before it."""
        question = ["How often is bearing 7 greased?"]
        np.testing.assert_array_equal(embedder.embed(question), MiniLM().embed(question))

    def test_tokens_are_the_same_too(self, embedder: BulkMiniLM) -> None:
        """Which late interaction compares."""
        for found, exact in zip(embedder.token_vectors(TEXTS), MiniLM().token_vectors(TEXTS), strict=True):
            assert np.sum(found * exact, axis=1).min() >= 0.99

    def test_numpy_goes_on_where_memory_runs_out(
        self, embedder: BulkMiniLM, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A GPU is shared: what others take of it costs a line in the log, not the texts."""
        monkeypatch.setattr(embedder, "_bert", FullDevice())
        np.testing.assert_array_equal(embedder.embed(TEXTS), MiniLM().embed(TEXTS))
        assert "CUDA out of memory" in caplog.text

    def test_numpy_goes_on_where_torch_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        """A device that is not there costs a line in the log, not the texts."""
        embedder = BulkMiniLM(suited=lambda: "nowhere", after=0)
        np.testing.assert_array_equal(embedder.embed(TEXTS), MiniLM().embed(TEXTS))
        assert "in numpy" in caplog.text
        caplog.clear()
        embedder.embed(TEXTS)
        assert not caplog.text, "it is tried once"
