"""A cross-encoder reorders what search found: a real one, tiny, built here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool

from retrieval.embedding import EmbedderMissing, MiniLM, installed_folder
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import (
    KEPT,
    WEIGHT,
    CrossEncoder,
    LateInteraction,
    nearest,
    reranked,
    search_and_rerank,
)
from retrieval.searching.search import search
from tests.retrieval.samples import passage

EMBEDDER = MiniLM()


class ByLength:
    """Prefers short passages."""

    name = "by length"
    pool = 30
    spread = 0.0

    def scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
        self.seen = (question, [one.text for one in passages])
        return [-float(len(one.text)) for one in passages]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of one small layer with MiniLM's tokenizer and random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("reranker")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(installed_folder() / "tokenizer.json"),
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=64,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
        max_position_embeddings=64,
        initializer_range=0.6,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_the_best_come_first_with_their_new_place() -> None:
    """And those that it does not read behind them."""
    passages = [passage(("A long sentence about the pump.", 1), heading="Care"), passage(("Short.", 1), chunk_id=2)]
    reranker = ByLength()
    found = reranked(reranker, "Which?", passages, 2)
    assert [one.chunk_id for one in found] == [2, 1]
    assert [one.ranks["reranked"] for one in found] == [1, 2]
    assert reranker.seen == ("Which?", ["A long sentence about the pump.", "Short."])
    assert reranked(reranker, "Which?", passages, 1) == found[:1]
    assert reranked(reranker, "Which?", [], 3) == []
    reranker.pool = 1
    assert [one.chunk_id for one in reranked(reranker, "Which?", passages, 2)] == [1, 2]


def test_one_document_does_not_take_all_places() -> None:
    """Each better passage of a document costs its next one something, so that others are not crowded out by little."""
    passages = [
        passage(("1.", 1), chunk_id=1, document_id=1),
        passage(("11.", 1), chunk_id=2, document_id=1),
        passage(("111.", 1), chunk_id=3, document_id=1),
        passage(("1111.", 1), chunk_id=4, document_id=2),
        passage(("11111.", 1), chunk_id=5, document_id=2),
    ]
    reranker = ByLength()
    for spread, order in ((0.0, [1, 2, 3, 4, 5]), (1.5, [1, 2, 4, 3, 5]), (9.0, [1, 4, 2, 5, 3])):
        reranker.spread = spread
        assert [one.chunk_id for one in reranked(reranker, "Which?", passages, 5)] == order


def test_it_sees_more_than_it_gives(database: str, tmp_path: Path) -> None:
    """What search has further down can come first; others have the connection while it reads."""
    for number in range(12):
        (tmp_path / f"{number:02}.md").write_text(f"# Pump {number}\n\nThe pump needs oil.{' And grease.' * number}\n")
    question = "Which pump needs oil and grease?"
    with ConnectionPool(database, min_size=1, max_size=1, timeout=1, configure=register_vector, open=True) as pool:
        with pool.connection() as conn:
            index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path]), max_bytes=10**6)
            first = search(conn, EMBEDDER, question, k=3)

        class WithAnother(ByLength):
            def scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
                with pool.connection():
                    return super().scores(question, passages)

        assert first[0].document != "00.md"
        found = search_and_rerank(pool, EMBEDDER, WithAnother(), question, k=1)
        assert [one.document for one in found] == ["00.md"]
        assert search_and_rerank(pool, EMBEDDER, None, question, k=3) == first


def test_each_word_of_the_question_has_its_nearest() -> None:
    """As in ColBERT's MaxSim, over a passage of three words and a question of two; its mean is told below."""
    question = np.array([[1, 0], [0, 1]], dtype=np.float32)
    passage = np.array([[0.6, 0.8], [1, 0], [-1, 0]], dtype=np.float32)
    assert nearest(question, passage).tolist() == pytest.approx([1, 0.8])
    assert nearest(question, passage[:0]).tolist() == []


def test_late_interaction_adds_what_single_vectors_blur() -> None:
    """To the score of the search, by the passage with its title and headings; twice the same, from memory."""
    reranker = LateInteraction(EMBEDDER)
    said = "Close the valve before you open the pump."
    passages = [
        passage((said, 1.0)),
        passage(("The pump is blue and stands in hall 3.", 1.0), chunk_id=2),
    ]
    scores = reranker.scores("What must be shut before opening the pump?", passages)
    assert scores[0] > scores[1] > passages[1].score
    assert scores == reranker.scores("What must be shut before opening the pump?", passages)
    (asked,), (held,) = (
        EMBEDDER.token_vectors([text]) for text in ("What must be shut before opening the pump?", f"Pump\n{said}")
    )
    assert scores[0] == pytest.approx(passages[0].score + WEIGHT * nearest(asked, held).mean(), abs=1e-3)
    assert reranker.scores("Why?", []) == []


def test_late_interaction_forgets_what_was_not_read_lately() -> None:
    """Its memory has an end."""
    calls = []

    class Counting:
        name, dimensions = "counting", 2

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            raise AssertionError("not asked")

        def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
            calls.extend(texts)
            return [np.ones((1, 2), dtype=np.float32) for _ in texts]

    reranker = LateInteraction(Counting())
    passages = [passage((f"Pump {number}.", 1.0), chunk_id=number) for number in range(KEPT + 1)]
    for _ in range(2):
        reranker.scores("Which?", passages[:1])
    assert len(calls) == 3  # the question twice
    reranker.scores("Which?", passages[1:])
    calls.clear()
    reranker.scores("Which?", passages[:1])
    assert len(calls) == 2


def test_a_model_without_vectors_of_words_leaves_the_order() -> None:
    """As behind a server."""

    class Served:
        name, dimensions = "served", 2

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            raise AssertionError("not asked")

    passages = [passage(("The pump.", 0.3)), passage(("The valve.", 0.2), chunk_id=2)]
    reranker = LateInteraction(Served())
    assert reranker.scores("Which valve?", passages) == [one.score for one in passages]
    assert reranker.spread == 0


@pytest.mark.slow
def test_a_real_model_decides(tiny: Path) -> None:
    """By the question and the passage together, the same each time."""
    reranker = CrossEncoder(str(tiny), device="cpu")
    passages = [
        passage((text, 1.0)) for text in ("The pump is blue.", "Grease the bearing.", "Close the valve before.")
    ]
    scores = reranker.scores("What colour is the pump?", passages)
    assert len(set(scores)) == 3
    assert scores == pytest.approx(reranker.scores("What colour is the pump?", passages))
    assert scores != pytest.approx(reranker.scores("Which valve?", passages))
    assert reranker.scores("Why?", []) == []


def test_a_model_that_is_not_there_is_told() -> None:
    """With its name."""
    with pytest.raises(EmbedderMissing, match="no model '/nowhere/x'"):
        CrossEncoder("/nowhere/x").scores("Why?", [passage(("So.", 1.0))])
