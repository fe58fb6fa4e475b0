"""A two-layer random Phi-3 and a small tokenizer with Phi-3's control tokens and template, made by code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.model.chat_model import Phi3Chat, load_chat_model

TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
CONTROL = ["<unk>", "<s>", "</s>", "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
WORDS = ["The spindle of the mill is greased every 250 hours; the coolant is checked weekly. "] * 3


def tiny_tokenizer() -> Any:
    """Byte-level BPE, so that one character may take several tokens, with Phi-3's control tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<unk>", chat_template=TEMPLATE
    )


def tiny_model(tokenizer: Any, seed: int = 1) -> Any:
    """A Phi3ForCausalLM of 0.2 million random weights, large enough in spread to write varied text."""
    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    torch.manual_seed(seed)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        original_max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
    )
    model = Phi3ForCausalLM(config)
    model.lm_head.weight.data[: len(CONTROL)] = 0  # so that it goes on writing words
    model.generation_config = GenerationConfig(eos_token_id=3, pad_token_id=0)
    return model


@pytest.fixture(scope="session")
def write_tiny() -> Callable[..., Path]:
    """`write_tiny(folder, change)` saves a tiny Phi-3, after `change(model)` where one is given."""

    def write(folder: Path, change: Callable[[Any], None] | None = None) -> Path:
        tokenizer = tiny_tokenizer()
        model = tiny_model(tokenizer)
        if change:
            change(model)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_phi3(tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[..., Path]) -> Path:
    """The folder of a tiny Phi-3."""
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny-phi3")


@pytest.fixture
def tiny_chat(tiny_phi3: Path) -> Phi3Chat:
    """The tiny Phi-3, loaded."""
    return load_chat_model(tiny_phi3, device="cpu", max_tokens=40)
