"""MiniLM in numpy: the same vectors as torch's, whatever is embedded beside a text."""

import math
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import EmbedderMissing, MiniLM, _add_and_gelu

TEXTS = ["The pump is oiled every 400 hours.", "Oil", "", "word " * 400, "Änderung: Prüfdruck 12 bar; 油圧"]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


def test_vectors_are_of_unit_length_and_in_order(minilm: MiniLM) -> None:
    """One row a text, in the order given, of length 1, whatever its own length."""
    vectors = minilm.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others(minilm: MiniLM) -> None:
    """Batches do not show."""
    together = minilm.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(minilm.embed([text])[0], vector, atol=1e-5)


def test_nothing_gives_no_rows(minilm: MiniLM) -> None:
    """An empty batch is not an error."""
    assert minilm.embed([]).shape == (0, 384)


def test_similar_texts_are_near(minilm: MiniLM) -> None:
    """The vectors mean something: a paraphrase is nearer than another subject."""
    question, answer, other = minilm.embed(
        ["How often is the pump oiled?", "Lubricate the pump every 400 hours.", "The canteen opens at noon."]
    )
    assert question @ answer > question @ other + 0.3


def test_a_missing_model_says_what_to_install(tmp_path: Path) -> None:
    """Files that are not there are an error that names the file."""
    with pytest.raises((EmbedderMissing, FileNotFoundError)):
        MiniLM(tmp_path).embed(["x"])


@pytest.mark.slow
def test_the_vectors_are_those_of_the_reference_implementation(minilm: MiniLM) -> None:
    """torch's BERT with the same weights gives the same vectors."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from retrieval.embedding import installed_folder

    folder = str(installed_folder())
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()
    np.testing.assert_allclose(minilm.embed(TEXTS), expected, atol=1e-5)


def test_gelu_is_exact_to_a_few_millionths() -> None:
    """Everywhere, and without a warning where the exponential overflows."""
    y = np.linspace(-40, 40, 4001, dtype=np.float32)
    bias = np.float32(0.5)
    found = (y - bias)[None].copy()
    _add_and_gelu(found, np.full_like(y, bias))
    expected = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in y.tolist()]
    np.testing.assert_allclose(found[0], expected, atol=6e-6, rtol=1e-6)


def test_scores_of_any_size_are_shares(minilm: MiniLM) -> None:
    """Where the exponential of a score would be no number, its row is shifted first."""
    strong = MiniLM(workers=1)
    strong.embed(TEXTS[:1])
    for layer in range(6):
        strong._weights[f"encoder.layer.{layer}.attention.self.qkv.weight"][:, :384] *= 1000
    vectors = strong.embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(vectors - minilm.embed(TEXTS)).max() > 0.01
