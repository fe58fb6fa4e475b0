"""From a prompt's token ids to text, piece by piece: character boundaries, stop strings, cancellation.

One worker thread per model computes; `chat_model` reads what it has written so far. Requests wait in that
thread's queue, so they are served one at a time in the order they came, and no answer mixes with another.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

POLL_SECONDS = 0.05  # how often a reader that waits looks at its cancel event


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to write: at most `max_tokens`, greedy at temperature 0, ending at any of `end_ids`.

    `lookup` tokens at a time are guessed from the prompt and kept where greedy decoding agrees (prompt lookup
    decoding, https://github.com/apoorvumang/prompt-lookup-decoding); 0 switches it off.
    """

    max_tokens: int
    temperature: float
    end_ids: tuple[int, ...]
    lookup: int


def stream_tokens(
    model: Any,
    prompt: Sequence[int],
    decoding: Decoding,
    worker: Executor,
    cancel: Event | None = None,
    ready: Callable[[], None] = lambda: None,
) -> Generator[int, None, None]:
    """The tokens that `model` writes after `prompt`, an end token included. `ready` is called in the worker before.

    Closing the iterator, or setting `cancel`, stops the worker after the forward pass that it is in.
    """
    written: SimpleQueue[int | None] = SimpleQueue()
    closed = Event()
    future = worker.submit(_write, model, prompt, decoding, written, closed, ready)
    try:
        while (token := _next(written, cancel)) is not None:
            yield token
        if not (cancel and cancel.is_set()):
            future.result()
    finally:
        closed.set()
        if not future.cancel():
            wait([future])


def _next(written: "SimpleQueue[int | None]", cancel: Event | None) -> int | None:
    if cancel is None:
        return written.get()
    while not cancel.is_set():
        try:
            return written.get(timeout=POLL_SECONDS)
        except Empty:
            continue
    return None


def _write(
    model: Any,
    prompt: Sequence[int],
    decoding: Decoding,
    written: "SimpleQueue[int | None]",
    closed: Event,
    ready: Callable[[], None],
) -> None:
    """Run in the worker thread: put every token as it is decided, and None at the end, whatever happens."""
    import torch
    from transformers import GenerationConfig

    greedy = decoding.temperature == 0
    configure: Any = GenerationConfig
    config = configure(
        max_new_tokens=decoding.max_tokens,
        do_sample=not greedy,
        temperature=None if greedy else decoding.temperature,
        eos_token_id=list(decoding.end_ids),
        pad_token_id=decoding.end_ids[0],
        prompt_lookup_num_tokens=(greedy and decoding.lookup) or None,
    )
    try:
        ready()
        ids = torch.tensor([list(prompt)], device=model.device)
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=config,
                streamer=_TokenStreamer(written),
                stopping_criteria=[lambda ids, scores: torch.full(ids.shape[:1], closed.is_set(), device=ids.device)],
            )
    finally:
        written.put(None)


class _TokenStreamer:
    """A transformers streamer: gets the prompt first, which is not for the reader, then new tokens."""

    def __init__(self, written: "SimpleQueue[int | None]") -> None:
        self._written = written
        self._prompt_seen = False

    def put(self, tokens: Any) -> None:
        if self._prompt_seen:
            for token in tokens.reshape(-1).tolist():
                self._written.put(token)
        self._prompt_seen = True

    def end(self) -> None:
        """`_write` marks the end itself, also when generation fails."""


class TextDecoder:
    """Tokens to text, in pieces that end at character boundaries.

    A character may take several tokens; its bytes are held back until it is whole. Each piece is decoded
    together with the one before it, since a decoder may treat a sequence's first token in its own way.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._context = 0  # where the piece shown last begins
        self._shown = 0  # how many ids have been shown

    def push(self, token: int) -> str:
        """The text that `token` completes; empty while a character is still missing bytes."""
        self._ids.append(token)
        piece = self._pending()
        if not piece or piece.endswith("�"):
            return ""
        self._context, self._shown = self._shown, len(self._ids)
        return piece

    def flush(self) -> str:
        """What is left at the end, broken bytes as U+FFFD."""
        piece = self._pending()
        self._context = self._shown = len(self._ids)
        return piece

    def _pending(self) -> str:
        return self._decode(self._ids[self._context :])[len(self._decode(self._ids[self._context : self._shown])) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class StopStrings:
    """Lets text pass up to the first stop string, holding back what might yet become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """The part of all text so far that is new and safe to show."""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.found = True
            shown, self._held = self._held[: min(places)], ""
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def flush(self) -> str:
        """What was held back, at the end."""
        shown, self._held = self._held, ""
        return shown


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
