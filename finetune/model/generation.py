"""From a prompt's token ids to text, piece by piece: character boundaries, stop strings, cancellation.

One worker thread per model computes; `chat_model` reads what it has written so far. Requests wait in that
thread's queue, so they are served one at a time in the order they came, and no answer mixes with another.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, cast

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
    tokens: SimpleQueue[int | None] = SimpleQueue()
    closed = Event()
    future = worker.submit(_write, model, prompt, decoding, tokens, closed, ready)
    try:
        while (token := _next(tokens, cancel)) is not None:
            yield token
        if not (cancel and cancel.is_set()):
            future.result()
    finally:
        closed.set()
        if not future.cancel():
            wait([future])


def _next(tokens: "SimpleQueue[int | None]", cancel: Event | None) -> int | None:
    if cancel is None:
        return tokens.get()
    while not cancel.is_set():
        try:
            return tokens.get(timeout=POLL_SECONDS)
        except Empty:
            continue
    return None


def _write(
    model: Any,
    prompt: Sequence[int],
    decoding: Decoding,
    tokens: "SimpleQueue[int | None]",
    closed: Event,
    ready: Callable[[], None],
) -> None:
    """Run in the worker thread: put every token as it is decided, and None at the end, whatever happens."""
    import torch  # here, so that a host that talks to a model server does without

    try:
        ready()
        ids = torch.tensor([list(prompt)], device=model.device)
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=_configuration(decoding),
                streamer=_TokenStreamer(tokens),
                stopping_criteria=[lambda ids, scores: torch.full(ids.shape[:1], closed.is_set(), device=ids.device)],
            )
    finally:
        tokens.put(None)


def _configuration(decoding: Decoding) -> Any:
    """transformers' own words for how to write."""
    from transformers import GenerationConfig  # here, as torch is

    greedy, configure = decoding.temperature == 0, cast(Any, GenerationConfig)
    return configure(
        max_new_tokens=decoding.max_tokens,
        do_sample=not greedy,
        temperature=None if greedy else decoding.temperature,
        eos_token_id=list(decoding.end_ids),
        pad_token_id=decoding.end_ids[0],
        prompt_lookup_num_tokens=(greedy and decoding.lookup) or None,
    )


class _TokenStreamer:
    """A transformers streamer: gets the prompt first, which is not for the reader, then new tokens."""

    def __init__(self, tokens: "SimpleQueue[int | None]") -> None:
        self._queue = tokens
        self._prompt_seen = False

    def put(self, ids: Any) -> None:
        if self._prompt_seen:
            for token in ids.reshape(-1).tolist():
                self._queue.put(token)
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
        self._passed = 0  # how many ids have been passed on

    def push(self, token: int) -> str:
        """The text that `token` completes; empty while a character is still missing bytes."""
        self._ids.append(token)
        piece = self._pending()
        if not piece or piece.endswith("�"):
            return ""
        self._context, self._passed = self._passed, len(self._ids)
        return piece

    def flush(self) -> str:
        """What is left at the end, broken bytes as U+FFFD."""
        piece = self._pending()
        self._context = self._passed = len(self._ids)
        return piece

    def _pending(self) -> str:
        return self._decode(self._ids[self._context :])[len(self._decode(self._ids[self._context : self._passed])) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class StopStrings:
    """Lets text pass up to the first stop string, holding back what might yet become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._pending = ""
        self.ended = False

    def push(self, text: str) -> str:
        """The part of all text so far that is new and safe to show."""
        self._pending += text
        places = [place for stop in self._stops if (place := self._pending.find(stop)) >= 0]
        if places:
            self.ended = True
            passing, self._pending = self._pending[: min(places)], ""
            return passing
        keep = max((_overlap(self._pending, stop) for stop in self._stops), default=0)
        cut = len(self._pending) - keep
        passing, self._pending = self._pending[:cut], self._pending[cut:]
        return passing

    def flush(self) -> str:
        """What was held back, at the end."""
        passing, self._pending = self._pending, ""
        return passing


class AnswerText:
    """The text of an answer from its tokens, up to an end token or a stop string; `tokens` counts them."""

    def __init__(self, tokenizer: Any, end_ids: Collection[int], stops: Sequence[str]) -> None:
        self._decoder, self._stops, self._end_ids = TextDecoder(tokenizer), StopStrings(stops), end_ids
        self._at_end = False
        self.tokens = 0

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, so that no more tokens belong to it."""
        return self._at_end or self._stops.ended

    def push(self, token: int) -> str:
        """What may be shown now that was not before."""
        self.tokens += 1
        if token in self._end_ids:
            self._at_end = True
            return ""
        return self._stops.push(self._decoder.push(token))

    def flush(self) -> str:
        """What was held back, at the end."""
        return "" if self._stops.ended else self._stops.push(self._decoder.flush()) + self._stops.flush()


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
