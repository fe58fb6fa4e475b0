"""Prompts to learn from as RAFT makes them (https://arxiv.org/abs/2403.10131): the passage that answers stands among
passages that search really found beside it, in any order, and in a share of the prompts not at all.

Where it does not, RAFT still trains on the answer, which teaches facts by heart. Here the model is to say that the
passages don't say it: facts are for the documents.
"""

import random
from dataclasses import replace

from finetune.dataset.grounding import Grounding
from finetune.dataset.rows import Example
from retrieval.answering.prompt import REFUSAL


def mixed(example: Example, grounding: Grounding, oracle_share: float, seed: int) -> Example:
    """An SFT example with its passages in an order of chance, without the oracle in 1 - `oracle_share` of all cases.

    Never without it where what remains bears the answer out as well, or nothing remains.
    """
    chance = random.Random(f"{seed}:{example.id}")  # noqa: S311 - not a secret
    others = [passage for index, passage in enumerate(example.passages) if index not in example.oracle]
    passages, completion = list(example.passages), example.completion
    if chance.random() >= oracle_share and others and not grounding.rests_on(completion, others):
        passages, completion = others, REFUSAL
    chance.shuffle(passages)
    return replace(example, passages=tuple(passages), completion=completion)
