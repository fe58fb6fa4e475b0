"""What a chat model speaks here, beyond what LangChain asks of each: one surface, in this one place.

`finetune.model.chat_model.Phi3Chat` and `finetune.model.remote.RemoteChat` speak it. Any other chat model of LangChain
answers, too: the functions say what holds for one that lacks a part of it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage


class TunableModel(Protocol):
    """A chat model that adapters are trained over.

    `model_name` is what its server or its folder calls it, `adapter` the name of the one that it answers with,
    `revision` the commit of its weights, where that is known. `context_tokens` are those of its window, of which an
    answer takes at most `max_tokens`.
    """

    model_name: str
    adapter: str | None
    revision: str | None
    context_tokens: int | None
    max_tokens: int | None

    def render(self, messages: Sequence[BaseMessage]) -> str:
        """Returns the exact text that the model reads."""

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""

    def with_adapter(self, folder: Path | None) -> "TunableModel":
        """Returns the same model answering with the adapter in a folder, or without any for None."""

    def warm_up(self) -> None:
        """Loads what the first answer needs. Raises finetune.errors.ModelUnusable."""

    def unload(self) -> None:
        """Has a server forget the adapter, whose name another one may get."""


def name_of(model: BaseChatModel) -> str:
    """What a model is known by: as its server or its folder calls it."""
    return str(getattr(model, "model_name", None) or model.get_name())


def adapter_of(model: BaseChatModel) -> str | None:
    """The name of the adapter that a model answers with, if it has one."""
    adapter: str | None = getattr(model, "adapter", None)
    return adapter


def revision_of(model: BaseChatModel) -> str | None:
    """The commit of a model's weights, where that is known."""
    revision: str | None = getattr(model, "revision", None)
    return revision


def rendered(model: BaseChatModel, messages: Sequence[BaseMessage]) -> str:
    """Exactly what the model reads; of a model that does not say, the messages as they are sent."""
    render: Callable[[Sequence[BaseMessage]], str] | None = getattr(model, "render", None)
    if render is None:
        return json.dumps([{"role": message.type, "content": message.content} for message in messages])
    return str(render(messages))


def token_counter(model: BaseChatModel) -> Callable[[str], int] | None:
    """What counts a text's tokens as the model does; None for one that does not say."""
    count: Callable[[str], int] | None = getattr(model, "count_tokens", None)
    return count


def room_for_prompt(model: BaseChatModel) -> int | None:
    """How many tokens a prompt may have, beside the longest answer; None where the model's window is not known."""
    window: int | None = getattr(model, "context_tokens", None)
    return None if window is None else window - (getattr(model, "max_tokens", None) or 0)


def unload(model: BaseChatModel) -> None:
    """Has a model server forget the adapter; a model in this process forgets by itself."""
    forget: Callable[[], None] | None = getattr(model, "unload", None)
    if forget is not None:
        forget()
