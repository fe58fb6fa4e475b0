"""Text that spells a chat template's control tokens, broken so that no tokenizer reads it as one.

A server tokenizes what it is given together with its own template: a document that says <|end|> or [INST] would end its
turn there, or open another. Whose tokens a server knows is not told, so that those of every family in use are broken.
"""

import re
from collections.abc import Iterable

FAMILIES = (
    r"<\|[^|<>\s]{1,40}\|>",  # Phi, ChatML (Qwen, SmolLM), Llama 3, Granite, GLM, gpt-oss
    r"<\uff5c[^\uff5c<>\s]{1,40}\uff5c>",  # DeepSeek, with the wide vertical line
    r"</?s>",  # Llama, Mistral, Phi-3
    r"<<[/\\]?SYS>>",  # Llama 2
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|MODEL_SETTINGS|TOOL_[A-Z]{4,8}|CALL_ID|ARGS|THINK)\]",  # Mistral
    r"\[(?:IMG|IMG_BREAK|IMG_END|PREFIX|SUFFIX|MIDDLE)\]",
    r"</?(?:start|end)_of_(?:turn|role|text|image)>",  # Gemma
    r"<(?:bos|eos|pad|unk|mask|sep|cls|fim_[a-z]{3,6})>",
    r"<\|?(?:START|END)_OF_[A-Z]{2,10}(?:_TOKEN)?\|?>|<\|?[A-Z]{3,12}_TOKEN\|?>",  # Command R
    r"<(?:extra_id|reserved_special_token|unused)_?\d{1,4}>",
    r"</?(?:tool_call|tool_response|think)>",
)
"""What control tokens look like, by the model cards and tokenizer configurations of the families named."""

_CONTROL = re.compile("|".join(FAMILIES))


def breaking(tokens: Iterable[str]) -> re.Pattern[str]:
    """A pattern of exactly these tokens, the longest first, for a tokenizer that is known."""
    longest_first = sorted((token for token in tokens if token.strip()), key=len, reverse=True)
    return re.compile("|".join(re.escape(token) for token in longest_first))


def broken(text: str, tokens: re.Pattern[str] = _CONTROL) -> str:
    """The text with a space behind the first character of each control token that it spells."""
    return tokens.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
