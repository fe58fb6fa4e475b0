"""How probable a model finds a text after another: evidence scores for the answer chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune.errors import PromptTooLong

if TYPE_CHECKING:
    import torch

BATCH = 8


@dataclass(frozen=True, slots=True)
class Scored:
    """Token ids of context and continuation together; the continuation begins at `start` (at least 1)."""

    ids: tuple[int, ...]
    start: int


def split_pair(tokenizer: Any, context: str, continuation: str) -> Scored:
    """Tokenize both as one text, as the model meets it; a token across the seam belongs to the continuation.

    Raises ValueError when either side is empty: the first token of a text has no probability.
    """
    encoded = tokenizer(context + continuation, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoded["offset_mapping"]]
    start = next((place for place, end in enumerate(ends) if end > len(context)), len(ends))
    if not 0 < start < len(ends):
        raise ValueError("A likelihood needs a context and a continuation of at least one token each.")
    return Scored(tuple(encoded["input_ids"]), start)


def mean_log_likelihoods(model: Any, texts: Sequence[Scored]) -> list[float]:
    """Mean natural log probability per continuation token, in the order of `texts`.

    Texts of similar length share a batch of at most 8, padded on the right, where a causal model never looks.
    The vocabulary's logits, the dear part of a small model, are computed for the continuation's tokens only.
    """
    import torch

    longest, limit = max((len(text.ids) for text in texts), default=0), model.config.max_position_embeddings
    if longest > limit:
        raise PromptTooLong(f"{longest} tokens exceed the model's context of {limit} tokens.")
    scores = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place].ids))
    with torch.inference_mode():
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, score in zip(places, _score_batch(model, [texts[p] for p in places]), strict=True):
                scores[place] = score
    return scores


def _score_batch(model: Any, batch: Sequence[Scored]) -> Iterator[float]:
    import torch

    width = max(len(text.ids) for text in batch)
    ids = torch.tensor([[*text.ids, *[0] * (width - len(text.ids))] for text in batch], device=model.device)
    mask = torch.tensor([[1] * len(t.ids) + [0] * (width - len(t.ids)) for t in batch], device=model.device)
    hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    rows = [hidden[row, text.start - 1 : len(text.ids) - 1] for row, text in enumerate(batch)]
    targets = [ids[row, text.start : len(text.ids)] for row, text in enumerate(batch)]
    for part, target in zip(rows, targets, strict=True):
        yield float(_token_log_probabilities(model, part, target).mean())


def _token_log_probabilities(model: Any, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Shape (tokens,): log softmax at `targets`, in float32 whatever the model's precision."""
    logits: torch.Tensor = model.lm_head(hidden).float()
    return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=1)
