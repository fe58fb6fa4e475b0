"""A Llama in a GGUF file, read as a Phi-3: configuration, weights, tokenizer. `base_model` saves the result.

Llama and Phi-3 compute the same and differ in layout only: Phi-3 holds q, k, v stacked in `qkv_proj`, and gate, up
in `gate_up_proj`. Restacked, the weights give bit by bit the logits that transformers computes from the same file as
a Llama. Reading the file here, and once, takes half the time that transformers takes, which reads it three times.
Loads torch and transformers, so that it is imported only where the model is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

Array = npt.NDArray[np.float32]

CONTROL = 3  # token type of a control token (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)
END_TOKENS = ("<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A GGUF file's metadata by name, and its tensors by name, dequantized to float32."""

    fields: Mapping[str, Any]
    tensors: Mapping[str, Array]


def read_gguf(file: Path) -> GgufModel:
    """Read all of `file`; the float32 values are exactly those that its quantized blocks stand for."""
    reader = GGUFReader(file)
    return GgufModel(
        {name: field.contents() for name, field in reader.fields.items()},
        {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors},
    )


def phi3_model(source: GgufModel) -> Any:
    """The Phi3ForCausalLM in float32, with every end token in its generation config."""
    architecture: Any = Phi3ForCausalLM
    config = phi3_config(source)
    model = architecture.from_pretrained(None, config=config, state_dict=phi3_weights(source), dtype=torch.float32)
    model.generation_config = GenerationConfig.from_model_config(config)
    tokens = source.fields["tokenizer.ggml.tokens"]
    model.generation_config.eos_token_id = [tokens.index(end) for end in END_TOKENS]
    return model


def phi3_config(source: GgufModel) -> Any:
    """The Llama's sizes as a Phi3Config."""
    llama = {name.removeprefix("llama."): value for name, value in source.fields.items()}
    return Phi3Config(
        vocab_size=llama["vocab_size"],
        hidden_size=llama["embedding_length"],
        intermediate_size=llama["feed_forward_length"],
        num_hidden_layers=llama["block_count"],
        num_attention_heads=llama["attention.head_count"],
        num_key_value_heads=llama["attention.head_count_kv"],
        max_position_embeddings=llama["context_length"],
        original_max_position_embeddings=llama["context_length"],
        rms_norm_eps=llama["attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": llama["rope.freq_base"]},
        tie_word_embeddings="output.weight" not in source.tensors,
        bos_token_id=llama["tokenizer.ggml.bos_token_id"],
        eos_token_id=llama["tokenizer.ggml.eos_token_id"],
        pad_token_id=llama["tokenizer.ggml.padding_token_id"],
    )


def phi3_weights(source: GgufModel) -> dict[str, torch.Tensor]:
    """The tensors under Phi-3's names, q, k, v and gate, up stacked."""
    llama, fields = source.tensors, source.fields
    weights = {
        "model.embed_tokens.weight": llama["token_embd.weight"],
        "model.norm.weight": llama["output_norm.weight"],
    }
    weights["lm_head.weight"] = llama.get("output.weight", llama["token_embd.weight"])
    for number in range(fields["llama.block_count"]):
        layer, block = f"model.layers.{number}", f"blk.{number}"
        q = _halves(llama[f"{block}.attn_q.weight"], fields["llama.attention.head_count"])
        k = _halves(llama[f"{block}.attn_k.weight"], fields["llama.attention.head_count_kv"])
        weights |= {
            f"{layer}.self_attn.qkv_proj.weight": np.concatenate([q, k, llama[f"{block}.attn_v.weight"]]),
            f"{layer}.self_attn.o_proj.weight": llama[f"{block}.attn_output.weight"],
            f"{layer}.mlp.gate_up_proj.weight": np.concatenate(
                [llama[f"{block}.ffn_gate.weight"], llama[f"{block}.ffn_up.weight"]]
            ),
            f"{layer}.mlp.down_proj.weight": llama[f"{block}.ffn_down.weight"],
            f"{layer}.input_layernorm.weight": llama[f"{block}.attn_norm.weight"],
            f"{layer}.post_attention_layernorm.weight": llama[f"{block}.ffn_norm.weight"],
        }
    return {name: torch.from_numpy(np.array(weight, dtype=np.float32)) for name, weight in weights.items()}


def _halves(weight: Array, heads: int) -> Array:
    """Rows of each head back from GGUF's order, rotary pairs side by side, to transformers', half after half."""
    pairs = weight.shape[0] // heads // 2
    return weight.reshape(heads, pairs, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def smollm_tokenizer(source: GgufModel) -> Any:
    """SmolLM's byte-level BPE, in which every digit stands alone, with the chat template of the file."""
    fields = source.fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [(first, second) for first, second in (merge.split(" ") for merge in fields["tokenizer.ggml.merges"])]
    bpe = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    bpe.add_special_tokens(
        [AddedToken(token, normalized=False) for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    )
    tokenizer: Any = PreTrainedTokenizerFast
    return tokenizer(
        tokenizer_object=bpe,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        pad_token=tokens[fields["tokenizer.ggml.padding_token_id"]],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
        model_max_length=fields["llama.context_length"],
        chat_template=fields["tokenizer.chat_template"],
        clean_up_tokenization_spaces=False,
    )
