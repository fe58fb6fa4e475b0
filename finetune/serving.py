"""Which adapter answers: the registry's last row decides it at each question, in every process alike.

A new one is loaded under its own name beside the old and tried before the first answer is given to it. One that cannot
be loaded here answers nobody: the old one goes on, and the log, the status and the metrics say so.
"""

import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog

from finetune.errors import ModelUnusable
from finetune.model.adapters import KEPT
from finetune.registry import find, in_use
from retrieval.answering.chat_model import unload

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from psycopg_pool import ConnectionPool

    from retrieval.answering.answer import Question
    from retrieval.answering.chain import AnswerChain

log = structlog.get_logger(__name__)


RETRY_SECONDS = 60.0
"""After which an adapter that could not be loaded is tried again: its folder may have come since."""


class Serving:
    """The chain of each adapter over one model. `base` is what the settings call the model; `problems` says of each
    adapter that is wanted why it cannot be served.
    """

    def __init__(
        self,
        pool: "ConnectionPool[Any]",
        chain: "AnswerChain",
        model: Any,
        folder: Path,
        base: str,
        *,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self._pool, self._plain, self._model, self._folder, self._base = pool, chain, model, folder, base
        self._retry = retry
        self._tuned: OrderedDict[str, tuple[AnswerChain, Any]] = OrderedDict()  # least recently asked first
        self._served: str | None = None  # the last one that could be
        self._lock = threading.Lock()
        self._failed: dict[str, float] = {}  # when it was tried last
        self.problems: dict[str, str] = {}

    def chain_for(self, question: "Question") -> "AnswerChain":
        """The chain with the adapter that is in use for whoever asks. Raises psycopg.Error."""
        with self._pool.connection() as conn:
            now = in_use(conn)
        if now is None:
            return self._plain
        chosen = now.adapter_for(question.asker)
        with self._lock:
            # Where one cannot be served, what everybody else is answered with can, or what was before.
            served = next(name for name in (chosen, now.active, self._served, None) if self._is_ready(name))
            if served == now.active:
                self._served = served
            return self._chain(served)

    def _is_ready(self, name: str | None) -> bool:
        if name is None or name in self._tuned:
            return True
        if name not in self._failed or time.monotonic() >= self._failed[name] + self._retry:
            self._load(name)
        return name in self._tuned

    def _chain(self, name: str | None) -> "AnswerChain":
        if name is None:
            return self._plain
        self._tuned.move_to_end(name)
        while len(self._tuned) > KEPT:
            _, (_, model) = self._tuned.popitem(last=False)
            # A model in this process forgets by itself; a question that still waits for it has it loaded again.
            unload(model)
        return self._tuned[name][0]

    def _load(self, name: str) -> None:
        with self._pool.connection() as conn:
            base = find(conn, name).base
        try:
            if base != self._base:
                raise ModelUnusable(f"it was trained over {base}, and JOURNEYMAN_MODEL is {self._base}")
            model = self._model.with_adapter(self._folder / name)
            model.warm_up()
        except ModelUnusable as error:
            self.problems[name], self._failed[name] = str(error), time.monotonic()
            log.error("adapter_not_served", adapter=name, reason=str(error))
            return
        self.problems.pop(name, None)
        self._failed.pop(name, None)
        self._tuned[name] = self._plain.with_model(cast("BaseChatModel", model)), model
        log.info("adapter_loaded", adapter=name)
