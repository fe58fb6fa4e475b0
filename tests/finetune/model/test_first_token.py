"""Yes or no from what a model would write first."""

from math import log
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from finetune.errors import PromptTooLong
from finetune.model.chat_model import Phi3Chat
from finetune.model.first_token import probability_of_yes

QUESTION = [HumanMessage("Is the spindle greased? yes or no:")]


def says(chat: Phi3Chat, word: str, logit: float) -> None:
    """Have the model begin every answer with `word`, as far as `logit` goes beside all others, which are 0."""
    import torch

    token = chat._loaded.tokenizer(word, add_special_tokens=False)["input_ids"][0]

    class Head(torch.nn.Module):
        def forward(self, hidden: Any) -> Any:
            logits = torch.zeros(*hidden.shape[:2], chat._loaded.model.config.vocab_size)
            logits[..., token] = logit
            return logits

    chat._loaded.model.lm_head = Head()


def test_adds_what_says_the_same() -> None:
    """Case and marks around a word do not matter, and other words do not count."""
    told = [("Yes", log(0.3)), (" yes", log(0.2)), ("▁YES.", log(0.1)), ("No", log(0.2)), ("Perhaps", log(0.1))]
    assert probability_of_yes(told) == pytest.approx(0.75)


def test_neither_word_is_no_verdict() -> None:
    """A word that only begins alike (yesterday, not) is none of the two."""
    assert probability_of_yes([("yesterday", -0.1), ("not", -1.0)]) is None
    assert probability_of_yes([]) is None


def test_in_process_it_is_the_logits_own(tiny_chat: Phi3Chat) -> None:
    """The odds of yes are those of the logits; a model that prefers neither is at one half."""
    says(tiny_chat, "Yes", 0.0)
    assert tiny_chat.probability_of_yes(QUESTION) == pytest.approx(0.5)
    says(tiny_chat, "Yes", 8.0)
    assert (tiny_chat.probability_of_yes(QUESTION) or 0) > 0.99
    says(tiny_chat, "No", 8.0)
    assert (tiny_chat.probability_of_yes(QUESTION) or 1) < 0.01


def test_in_process_it_does_not_write(tiny_chat: Phi3Chat) -> None:
    """One pass over the prompt tells it, and what the model writes afterwards is as before."""
    before = tiny_chat.invoke(QUESTION).text
    passes: list[int] = []
    hook = tiny_chat._loaded.model.register_forward_hook(lambda *_: passes.append(1))
    tiny_chat.probability_of_yes(QUESTION)
    hook.remove()
    assert len(passes) == 1
    assert tiny_chat.invoke(QUESTION).text == before


def test_a_prompt_that_is_too_long_is_refused(tiny_chat: Phi3Chat) -> None:
    """Nothing is cut off in silence."""
    with pytest.raises(PromptTooLong, match="512"):
        tiny_chat.probability_of_yes([HumanMessage("spindle " * 600)])
