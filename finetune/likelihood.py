"""How probable a model finds a text after another: evidence scores for the answer chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
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

    What all texts begin with is read once. The rest is batched by similar length, at most 8 at a time, padded
    on the right, where a causal model never looks. The vocabulary's logits, the dear part of a small model,
    are computed for the continuation's tokens only.
    """
    import torch

    longest, limit = max((len(text.ids) for text in texts), default=0), model.config.max_position_embeddings
    if longest > limit:
        raise PromptTooLong(f"{longest} tokens exceed the model's context of {limit} tokens.")
    scores = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place].ids))
    with torch.inference_mode():
        shared = _read_shared(model, texts)
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, score in zip(places, _score_batch(model, [texts[p] for p in places], shared), strict=True):
                scores[place] = score
    return scores


def _read_shared(model: Any, texts: Sequence[Scored]) -> list[tuple["torch.Tensor", "torch.Tensor"]]:
    """Keys and values (1, heads, tokens, size) of each layer for the tokens that all texts begin with.

    The token before each continuation stays out, since its output is needed. Empty where nothing is shared, and
    for a model that keeps no lasting past: a sliding window, or a rotary scale that depends on the length.
    """
    import torch

    rope = (model.config.rope_parameters or {}).get("rope_type", "default")
    if len(texts) < 2 or model.config.sliding_window or rope != "default":
        return []
    beginnings = zip(*(text.ids[: text.start - 1] for text in texts), strict=False)
    length = sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, beginnings))
    if not length:
        return []
    ids = torch.tensor([texts[0].ids[:length]], device=model.device)
    cache = model.model(input_ids=ids, use_cache=True).past_key_values
    return [(layer.keys, layer.values) for layer in cache.layers]


def _score_batch(
    model: Any, batch: Sequence[Scored], shared: Sequence[tuple["torch.Tensor", "torch.Tensor"]]
) -> Iterator[float]:
    import torch

    past = shared[0][0].shape[2] if shared else 0
    width = max(len(text.ids) for text in batch)
    ids = torch.tensor([[*text.ids, *[0] * (width - len(text.ids))] for text in batch], device=model.device)
    mask = torch.tensor([[1] * len(t.ids) + [0] * (width - len(t.ids)) for t in batch], device=model.device)
    hidden = model.model(
        input_ids=ids[:, past:],
        attention_mask=mask,
        past_key_values=_repeated(shared, len(batch)),
        use_cache=bool(shared),
    ).last_hidden_state
    for row, text in enumerate(batch):
        read = hidden[row, text.start - 1 - past : len(text.ids) - 1 - past]
        yield float(_token_log_probabilities(model, read, ids[row, text.start : len(text.ids)]).mean())


def _repeated(shared: Sequence[tuple["torch.Tensor", "torch.Tensor"]], rows: int) -> Any:
    """A cache of its own for one batch, in which every row begins with the shared tokens."""
    from transformers import DynamicCache

    if not shared:
        return None
    return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in shared])


def _token_log_probabilities(model: Any, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Shape (tokens,): log softmax at `targets`, in float32 whatever the model's precision."""
    logits: torch.Tensor = model.lm_head(hidden).float()
    return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=1)
