"""How probable a model finds a text after another, by the definition: what shows that weights differ, or do not."""

from typing import Any

from finetune.model.chat_model import Phi3Chat


def mean_log_likelihood(chat: Phi3Chat, context: str, continuation: str) -> float:
    """The mean natural log probability of a token of the continuation, with the adapter that the model answers with."""
    import torch

    chat._loaded.adapters.use(chat._folder)
    tokenizer: Any = chat._loaded.tokenizer
    start = len(tokenizer(context, add_special_tokens=False)["input_ids"])
    ids = torch.tensor([tokenizer(context + continuation, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        log_probabilities = chat._loaded.model(ids).logits[0, :-1].log_softmax(-1)
    return float(log_probabilities.gather(1, ids[0, 1:, None])[start - 1 :, 0].mean())
