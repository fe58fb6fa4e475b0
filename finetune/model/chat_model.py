"""Phi-3 as a LangChain chat model in this process: where the answer chain meets the weights.

Messages → the tokenizer's own chat template → tokens → text as it is written. One generation runs at a time,
first come first served; closing a stream ends its generation. Which adapter writes is settled when a generation begins,
in the thread that it runs in, so a switch needs no lock and no answer is of two minds.
"""

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field, PrivateAttr

from finetune.errors import PromptTooLong
from finetune.model import first_token
from finetune.model.control_tokens import breaking, broken
from finetune.model.generation import AnswerText, Decoding, stream_tokens
from finetune.model.loading import Device, Dtype, LoadedModel, Quantize, load_model
from finetune.model.streaming import StreamingChat

LONG_PROMPT = 200
"""Tokens of a prompt from which on the time to its first token tells how fast the model reads."""
ROLES = {"system": "system", "human": "user", "ai": "assistant"}


def load_chat_model(
    model: str | Path,
    *,
    revision: str | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quantize: Quantize = "none",
    threads: int = 1,
    max_tokens: int = 160,
    temperature: float = 0.0,
    adapter: str | Path | None = None,
) -> "Phi3Chat":
    """Load a Phi-3 (a folder or a hub id) and, over it, a LoRA adapter's folder.

    `threads` are torch's for this whole process. Raises ModelUnusable with what to do about it.
    """
    loaded = load_model(model, revision=revision, device=device, dtype=dtype, quantize=quantize, adapter=adapter)
    import torch  # here, so that a host that talks to a model server loads none

    torch.set_num_threads(threads)
    chat = Phi3Chat(loaded, revision=revision, max_tokens=max_tokens, temperature=temperature)
    return chat if adapter is None else chat.with_adapter(Path(adapter))


class Phi3Chat(StreamingChat):
    """A loaded Phi-3. Safe from several threads; greedy, and so deterministic, at temperature 0.

    `stream` and `invoke` take `max_tokens`, `temperature` and `cancel` (a threading.Event) per call. The
    response metadata holds `finish_reason`: "stop" (an end token or a stop string), "length" or "cancelled".
    """

    model_name: str
    revision: str | None = None
    adapter: str | None = None
    max_tokens: int = Field(default=160, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    prompt_lookup_tokens: int = Field(default=10, ge=0)

    _loaded: LoadedModel = PrivateAttr()
    _worker: Executor = PrivateAttr()
    _folder: Path | None = PrivateAttr(default=None)
    _end_ids: tuple[int, ...] = PrivateAttr()
    _speeds: list[float] = PrivateAttr(default_factory=list)
    _markers: re.Pattern[str] = PrivateAttr()

    def __init__(self, loaded: LoadedModel, **fields: Any) -> None:
        super().__init__(**{"model_name": loaded.name, **fields})
        self._loaded = loaded
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phi3")
        self._end_ids = end_token_ids(loaded)
        self._markers = breaking(str(token) for token in loaded.tokenizer.added_tokens_decoder.values())

    @property
    def _llm_type(self) -> str:
        return "phi3"

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""
        return int(self._loaded.model.config.max_position_embeddings)

    @property
    def sliding_window(self) -> int | None:
        """How many tokens back each one attends to; None for all."""
        window: int | None = getattr(self._loaded.model.config, "sliding_window", None)
        return window

    @property
    def reading_speed(self) -> float | None:
        """Tokens of a prompt that were read a second, the most so far; None before the first long one."""
        return max(self._speeds, default=None)

    def with_adapter(self, folder: Path | None) -> "Phi3Chat":
        """The same weights in memory with the adapter in `folder`, or with none; this model stays as it is.

        Nothing is loaded yet: `warm_up` does, or the first answer.
        """
        other = self.model_copy(update={"adapter": folder.name if folder else None})
        other._folder = folder
        return other

    def warm_up(self) -> None:
        """Have the adapter in memory and proved to compute. Raises ModelUnusable if it cannot be."""
        self._worker.submit(self._ready).result()
        self.invoke([HumanMessage("?")], max_tokens=1)

    def _ready(self) -> None:
        self._loaded.adapters.use(self._folder)

    def render(self, messages: Sequence[BaseMessage]) -> str:
        """The exact prompt: the tokenizer's chat template over `messages`, ready for the answer.

        A message's text is data: where it spells a control token of the model, a space breaks the spelling,
        so that no document can end its turn or open another.
        """
        turns = [{"role": _role(message), "content": broken(message.text, self._markers)} for message in messages]
        prompt: str = self._loaded.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return prompt

    def count_tokens(self, text: str) -> int:
        """The number of the model's tokens in `text`."""
        return len(self._tokens(text))

    def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None:
        """How likely the model's answer begins with yes rather than no, in [0, 1]; a server may give None here.

        Waits for its turn as a generation does. Raises PromptTooLong.
        """
        prompt = self._tokens(self.render(messages))

        def judge() -> float:
            self._ready()
            return first_token.probability_from_logits(self._loaded.model, self._loaded.tokenizer, prompt)

        return self._worker.submit(judge).result()

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        cancel: Event | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt = self._tokens(self.render(messages))
        decoding = self._decoding(prompt, max_tokens, temperature)
        text, began = AnswerText(self._loaded.tokenizer, self._end_ids, stop or ()), 0.0

        def ready() -> None:
            nonlocal began
            self._ready()
            began = time.monotonic()

        tokens = stream_tokens(self._loaded.model, prompt, decoding, self._worker, cancel, ready)
        try:
            for token in tokens:
                if not text.tokens:
                    self._note_speed(len(prompt), time.monotonic() - began)
                if piece := text.push(token):
                    yield _chunk(piece)
                if text.ended:
                    break
        finally:
            tokens.close()
        cancelled = cancel is not None and cancel.is_set()
        finish = "stop" if text.ended else "cancelled" if cancelled else "length"
        yield self._last_chunk(text.flush(), finish, len(prompt), text.tokens)

    def _note_speed(self, tokens: int, seconds: float) -> None:
        """How fast the model has read a prompt; of a short one that tells little."""
        if tokens >= LONG_PROMPT:
            self._speeds[:] = [max([*self._speeds, tokens / seconds])]

    def _decoding(self, prompt: Sequence[int], max_tokens: int | None, temperature: float | None) -> Decoding:
        most = self.max_tokens if max_tokens is None else max_tokens
        if len(prompt) + most > self.context_tokens:
            raise PromptTooLong(
                f"The prompt has {len(prompt)} tokens; with {most} for the answer it exceeds the model's "
                f"context of {self.context_tokens} tokens. Give it less to read or lower max_tokens."
            )
        return Decoding(most, self.temperature if temperature is None else temperature, self._end_ids, self._lookup())

    def _lookup(self) -> int:
        """Guessing ahead needs a cache that can be cut back; a change of rotary scale midway drops it."""
        rope = self._loaded.model.config.rope_parameters or {}
        return self.prompt_lookup_tokens if rope.get("rope_type", "default") == "default" else 0

    def _last_chunk(self, text: str, finish: str, tokens_read: int, tokens_written: int) -> ChatGenerationChunk:
        total = tokens_read + tokens_written
        usage = UsageMetadata(input_tokens=tokens_read, output_tokens=tokens_written, total_tokens=total)
        metadata = {"finish_reason": finish, "model_name": self.model_name, "adapter": self.adapter}
        message = AIMessageChunk(content=text, usage_metadata=usage, response_metadata=metadata, chunk_position="last")
        return ChatGenerationChunk(message=message, generation_info=metadata)


def end_token_ids(loaded: LoadedModel) -> tuple[int, ...]:
    """Every token that ends an answer: the generation config's, the tokenizer's, the template's end of turn.

    Phi-3 needs all of them: its config names <|endoftext|> alone, but a turn ends with <|end|>.
    """
    configured = loaded.model.generation_config.eos_token_id
    ids = [*configured] if isinstance(configured, list | tuple) else [configured]
    ids += [loaded.tokenizer.eos_token_id, _end_of_turn(loaded.tokenizer)]
    return tuple(sorted({token for token in ids if token is not None}))


def _end_of_turn(tokenizer: Any) -> int | None:
    """The first control token that the template writes after an assistant's words."""
    words = "journeyman"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": words}]
    after = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(words)[2]
    control = set(tokenizer.added_tokens_decoder)
    return next((i for i in tokenizer(after, add_special_tokens=False)["input_ids"] if i in control), None)


def _role(message: BaseMessage) -> str:
    if message.type not in ROLES:
        raise ValueError(f"Phi-3 takes system, human and AI messages, not one of type {message.type!r}.")
    return ROLES[message.type]


def _chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))
