"""Yes or no, as a probability: from the logits of the first token that a model would write.

A model that is asked for one word says with them how sure it is, which the word alone does not tell (Kadavath et al.,
2022, https://arxiv.org/abs/2207.05221). `chat_model` has all logits, `remote` the few that a server tells.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from finetune.errors import PromptTooLong

YES, NO = "yes", "no"
_MARKS = " \t\n\"'`*.,:;!#_-▁Ġ"
"""What may stand around the word within its token."""


def probability_of_yes(alternatives: Iterable[tuple[str, float]]) -> float | None:
    """How likely yes is rather than no, in [0, 1], from tokens and their natural log probabilities; None if neither is
    there.
    """
    weights = {YES: 0.0, NO: 0.0}
    for token, log_probability in alternatives:
        word = token.strip(_MARKS).lower()
        if word in weights:
            weights[word] += math.exp(log_probability)
    both = weights[YES] + weights[NO]
    return weights[YES] / both if both else None


def probability_from_logits(model: Any, tokenizer: Any, prompt: Sequence[int]) -> float:
    """The same from all logits of `model` after the token ids of `prompt`, by one forward pass.

    Raises PromptTooLong for a prompt longer than the model's context.
    """
    import torch  # here, because `remote` does without

    limit = model.config.max_position_embeddings
    if len(prompt) > limit:
        raise PromptTooLong(f"{len(prompt)} tokens exceed the model's context of {limit} tokens.")
    with torch.inference_mode():
        ids = torch.tensor([list(prompt)], device=model.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].float()
    yes, no = _beginnings(tokenizer)
    return float(torch.sigmoid(logits[yes].logsumexp(0) - logits[no].logsumexp(0)))


def _beginnings(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that yes and no begin with, however they are written, and only those that tell one from the other."""
    yes, no = (
        {
            tokenizer(space + spelling, add_special_tokens=False)["input_ids"][0]
            for spelling in (word, word.capitalize(), word.upper())
            for space in ("", " ")
        }
        for word in (YES, NO)
    )
    return sorted(yes - no), sorted(no - yes)
