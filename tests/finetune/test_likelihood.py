"""Log likelihoods, held against the definition."""

from pathlib import Path

import pytest

from finetune.chat_model import Phi3Chat
from finetune.errors import PromptTooLong

PAIRS = [
    ("The spindle of the mill is", " greased every 250 hours"),
    ("Coolant", " is checked weekly."),
    ("The coolant is checked weekly. The spindle of the mill is greased every 250 hours;", " yes"),
    ("ü", "é"),
] * 3 + [("a", "b")]


def by_definition(chat: Phi3Chat, context: str, continuation: str) -> float:
    """Mean log softmax at the continuation's tokens, one text at a time, from full logits."""
    import torch

    loaded = chat._loaded
    left = loaded.tokenizer(context, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([loaded.tokenizer(context + continuation, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        logs = loaded.model(ids).logits[0, :-1].log_softmax(-1)
    return float(logs.gather(1, ids[0, 1:, None])[len(left) - 1 :, 0].mean())


def test_equals_the_definition_in_any_order(tiny_chat: Phi3Chat) -> None:
    """Batches, padding and sorting change no score, and scores come in the order of the pairs."""
    expected = [by_definition(tiny_chat, *pair) for pair in PAIRS]
    assert tiny_chat.log_likelihood(PAIRS) == pytest.approx(expected, abs=1e-4)
    assert tiny_chat.log_likelihood(PAIRS[::-1]) == pytest.approx(expected[::-1], abs=1e-4)
    assert tiny_chat.log_likelihood([]) == []


def test_shared_beginning_is_read_once(tiny_chat: Phi3Chat) -> None:
    """Pairs that begin alike score as they do alone, and their common beginning is computed once."""
    context = "The coolant is checked weekly. " * 10
    pairs = [(context + end, " spindle") for end in ("The", "Every mill has a", "A")]
    widths: list[int] = []
    tiny_chat._loaded.model.model.register_forward_pre_hook(
        lambda _, args, inputs: widths.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    scores = tiny_chat.log_likelihood(pairs)
    read = sum(widths)
    assert scores == pytest.approx([by_definition(tiny_chat, *pair) for pair in pairs], abs=1e-4)
    assert read < 2 * tiny_chat.count_tokens(context)


def test_the_seam_is_the_readers_affair(tiny_chat: Phi3Chat) -> None:
    """A space scores the same on either side of the seam, as the model reads both texts as one."""
    one, other = tiny_chat.log_likelihood([("The spindle is ", "greased"), ("The spindle is", " greased")])
    assert one == other


@pytest.mark.parametrize("pair", [("", "text"), ("text", "")])
def test_an_empty_side_is_refused(tiny_chat: Phi3Chat, pair: tuple[str, str]) -> None:
    """A first token has no probability, and no token has none either."""
    with pytest.raises(ValueError, match="at least one token"):
        tiny_chat.log_likelihood([pair])


def test_too_long_a_text_is_refused(tiny_chat: Phi3Chat, tiny_phi3: Path) -> None:
    """A pair longer than the model's context is an error, not a truncated score."""
    with pytest.raises(PromptTooLong, match="512"):
        tiny_chat.log_likelihood([("mill " * 600, "yes")])
