"""Which messages of a channel are questions that documents could answer, measured on messages of no fit."""

from collections.abc import Sequence

import numpy as np
import pytest

from bot.questions.channels import ChannelSettings
from bot.questions.classifier import question_score
from retrieval.embedders import Embedders
from retrieval.embedding import Embedder, EmbedderMissing, MiniLM, Vectors
from tests.bot.questions.channel_messages import OTHERS, QUESTIONS
from tests.bot.questions.held_out_messages import ASKED, OTHER

THRESHOLD = ChannelSettings().threshold
EMBEDDER = MiniLM()


def share(texts: Sequence[str], embedder: Embedder | None = EMBEDDER) -> float:
    """Of the texts that count as questions at the default threshold."""
    return sum(question_score(text, embedder) >= THRESHOLD for text in texts) / len(texts)


def test_held_out_questions_are_found() -> None:
    """Measured: 0.84, with and without question marks, in English and German."""
    assert share(ASKED) >= 0.80


def test_held_out_talk_is_left_alone() -> None:
    """Measured: 0.08, of which many are questions for colleagues; by the traits alone it is 0.36."""
    assert share(OTHER) <= 0.12


def test_held_out_questions_score_higher_than_talk() -> None:
    """The area under the ROC curve, whatever the threshold. Measured: 0.963."""
    asked = np.array([question_score(text, EMBEDDER) for text in ASKED])[:, None]
    other = np.array([question_score(text, EMBEDDER) for text in OTHER])
    assert (asked > other).mean() >= 0.94


def test_nothing_was_fitted_on_what_is_held_out() -> None:
    """Else the figures would say nothing."""
    fitted_on = {" ".join(text.lower().split()) for text in (*QUESTIONS, *OTHERS)}
    assert fitted_on.isdisjoint(" ".join(text.lower().split()) for text in (*ASKED, *OTHER))


class Other:
    """An embedding model that nothing was fitted on."""

    name = "another"
    dimensions = 2

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("its vectors mean something else")


def test_the_model_of_the_index_does_not_matter() -> None:
    """Nor is it asked for: whoever asks holds a connection, and would wait for a second one."""

    def active() -> str | None:
        raise AssertionError("that takes a connection")

    both = Embedders(make={MiniLM.name: EMBEDDER, Other.name: Other()}.__getitem__, active=active)
    assert question_score(ASKED[0], both) == question_score(ASKED[0], EMBEDDER)


def test_without_the_model_the_traits_decide_alone() -> None:
    """A bot that embeds with a server may not have it."""

    def missing(name: str) -> Embedder:
        raise EmbedderMissing(name)

    alone = Embedders(make=missing, active=lambda: "another")
    assert question_score(ASKED[0], alone) == question_score(ASKED[0], None)


def test_beside_another_embedding_model_the_traits_decide_alone() -> None:
    """Weights of one model's vectors mean nothing for another's."""
    assert share(ASKED, Other()) == share(ASKED, None) >= 0.80
    assert share(OTHER, Other()) == share(OTHER, None) <= 0.40


@pytest.mark.parametrize("embedder", [None, EMBEDDER])
def test_the_score_is_a_probability(embedder: Embedder | None) -> None:
    """From 0 to 1, for anything."""
    assert all(0 <= question_score(text, embedder) <= 1 for text in ("", "?", "a" * 5000, "what\x00?"))
