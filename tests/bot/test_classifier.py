"""Which messages of a channel are questions that documents could answer.

These are the messages that the weights were fitted on: the tests hold what was reached there, and say nothing about how
often it is right in a company's own channels.
"""

import pytest

from bot.channels import ChannelSettings
from bot.classifier import question_score
from tests.bot.channel_messages import OTHERS, QUESTIONS

THRESHOLD = ChannelSettings().threshold


@pytest.mark.parametrize("text", QUESTIONS)
def test_questions_are_above_the_default_threshold(text: str) -> None:
    """With or without a question mark, in English or German."""
    assert question_score(text) >= THRESHOLD


@pytest.mark.parametrize("text", OTHERS)
def test_other_talk_is_below_it(text: str) -> None:
    """News, thanks, small talk, and what is asked of one person."""
    assert question_score(text) < THRESHOLD


def test_the_score_is_a_probability() -> None:
    """From 0 to 1, for anything."""
    assert all(0 <= question_score(text) <= 1 for text in ("", "?", "a" * 5000, "what\x00?"))
