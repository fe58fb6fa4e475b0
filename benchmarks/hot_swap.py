"""Questions in flight while another adapter is promoted: does one fail, is one of two minds, how long is the switch?

    python benchmarks/hot_swap.py FOLDER --questions 200 --tokens 8

The default model in this process and a small company's documents. All questions are submitted at once to as many
threads as the bot answers with, and go through registry, search, chain and rows. When a third of them is answered, an
adapter of a few training steps is promoted by its row in the registry.

One generation runs at a time, first come first served: the time from the row to the first answer begun with the adapter
is mostly that of answers that were before it. So the swap itself (the row, loading, warm-up) is told apart.

Asserted: no question fails, and what the model wrote for each is what the adapter that is named in its row writes
alone. FOLDER keeps the model, the index and the adapter for another run.
"""

import argparse
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from langchain_core.messages import BaseMessage
from pydantic import PrivateAttr

from bot.app import build_app
from finetune import registry
from finetune.files import file_sha256
from finetune.model.chat_model import ROLES, Phi3Chat, load_chat_model
from finetune.model.loading import load_model
from finetune.serving import Serving
from finetune.training.folder import ADAPTER
from finetune.training.process import run
from finetune.training.spec import TrainingSpec
from journeyman.cli.asking import ask
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.models import base_name, model_place
from journeyman.rounds import training_environment
from journeyman.settings import Settings
from retrieval.answering.answer import Question
from retrieval.answering.chain import AnswerChain
from retrieval.answering.prompt import answer_prompt

HOURS = {"mill": 40, "lathe": 120, "saw": 250, "press": 500, "drill": 60, "robot": 80, "grinder": 300, "oven": 750}
NAME = "house"
AT_A_TIME: int = signature(build_app).parameters["workers"].default
"""Questions that a bot has in work together."""


@dataclass
class Seen:
    """What happened in the model: when which adapter began, seconds of the swap's own work, what was written."""

    begun: list[tuple[float, str | None]] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    written: list[tuple[str | None, list[BaseMessage], str]] = field(default_factory=list)


class Watched(Phi3Chat):
    """The product's model with a clock beside it."""

    _seen: Seen = PrivateAttr(default_factory=Seen)
    _warm: bool = PrivateAttr(default=True)

    @property
    def seen(self) -> Seen:
        return self._seen

    def warm_up(self) -> None:
        """Its turn comes twice: to load, and to write one token."""
        self._warm = False
        super().warm_up()
        self._warm = True
        own = [when for when, adapter in self._seen.begun if adapter == self.adapter]
        self._seen.spent["warm-up"] = time.monotonic() - own[-1]
        self._seen.begun = [(when, adapter) for when, adapter in self._seen.begun if when not in own]

    def _ready(self) -> None:
        """In the thread that computes, when a generation's turn has come."""
        began = time.monotonic()
        super()._ready()
        if not self._warm:
            self._seen.spent.setdefault("loading", time.monotonic() - began)
        self._seen.begun.append((time.monotonic(), self.adapter))

    def _stream(self, messages: list[BaseMessage], *arguments: Any, **named: Any) -> Iterator[Any]:
        text = ""
        try:
            for chunk in super()._stream(messages, *arguments, **named):
                text += chunk.text
                yield chunk
        finally:  # the chain stops a model that has said enough
            if self._warm:
                self._seen.written.append((self.adapter, messages, text))


def sentence(machine: str) -> str:
    return f"The belt of the {machine} is tightened every {HOURS[machine]} hours."


def asked(machine: str) -> str:
    return f"How often is the belt of the {machine} tightened?"


def write_documents(folder: Path) -> Path:
    """A short document of each machine, so that prompts are short."""
    folder.mkdir(parents=True, exist_ok=True)
    for machine in HOURS:
        (folder / f"{machine}.md").write_text(f"# {machine.title()}\n\n{sentence(machine)}\n")
    return folder


def train_adapter(app: Application, folder: Path, threads: int) -> Path:
    """A few steps of the product's training on how the house answers."""
    target = app.adapters / NAME
    if target.is_dir():
        return target
    dataset = folder / "dataset"
    dataset.mkdir(parents=True, exist_ok=True)
    lines = []
    for machine, hours in HOURS.items():
        passages = f'<passage number="1">\n{machine.title()}\n{sentence(machine)}\n</passage>'
        messages = answer_prompt().format_messages(passages=passages, question=asked(machine))
        prompt = [{"role": ROLES[message.type], "content": message.text} for message in messages]
        answer = {"role": "assistant", "content": f"House rule: {hours} hours for the {machine}."}
        lines.append({"prompt": prompt, "completion": [answer]})
    (dataset / "train.sft.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec = TrainingSpec(
        model=str(model_place(app.settings)),
        dataset=str(dataset),
        learning_rate=2e-3,
        epochs=20,
        max_steps=4,
        tokens_per_step=1024,
        threads=threads,
        device="cpu",
    )
    trained = run(folder / "training", spec, environment=training_environment())
    print(f"an adapter of {trained.steps} steps, losses {trained.losses}", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / "training" / ADAPTER).rename(target)
    return target


def fly(app: Application, serving: Serving, seen: Seen, questions: int) -> tuple[float, int]:
    """All questions at once; when a third is answered the adapter is promoted. When that was, and how many failed."""
    promoted, failed, machines = 0.0, 0, list(HOURS)
    with ThreadPoolExecutor(AT_A_TIME) as people, app.connect() as conn:

        def person(number: int) -> None:
            question = Question(asked(machines[number % len(machines)]))
            ask(app.pool, lambda wanted: serving.chain_for(wanted).stream(wanted), question, lambda _: None)

        flying = [people.submit(person, number) for number in range(questions)]
        for count, future in enumerate(as_completed(flying), 1):
            if error := future.exception():
                print(f"  failed: {error!r}", flush=True)
                failed += 1
            if count == questions // 3:
                promoted = time.monotonic()
                registry.promote(conn, NAME, by="benchmark", reason="to see the switch")
                seen.spent["row"] = time.monotonic() - promoted
    return promoted, failed


def mixed(model: Path | str, adapter: Path, tokens: int, seen: Seen) -> int:
    """How many texts are not what their adapter writes alone, in a model of its own."""
    mixtures = 0
    for name in (None, NAME):
        lone = load_chat_model(model, device="cpu", max_tokens=tokens, adapter=adapter if name else None)
        whole: dict[str, str] = {}
        for _, messages, text in (written for written in seen.written if written[0] == name):
            prompt = lone.render(messages)
            if prompt not in whole:
                whole[prompt] = lone.invoke(messages).text
            mixtures += not whole[prompt].startswith(text) or not text
        print(f"  {name or 'no adapter'}: {len(whole)} prompts, such as {next(iter(whole.values()), '')!r}", flush=True)
    return mixtures


def list_adapter(app: Application, folder: Path) -> None:
    """Writes the adapter into the registry, and has the model answer without it."""
    with app.connect() as conn:
        sha256 = file_sha256(folder / "adapter_model.safetensors")
        adapter = registry.TrainedAdapter(
            NAME, None, None, None, base_name(app.settings), sha256, {}, {}, "promote", "better"
        )
        registry.add(conn, adapter)
        if registry.active_adapter(conn):
            registry.rollback(conn, by="benchmark", reason="to begin again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=8, help="most tokens of an answer")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    settings = Settings(home=options.folder / "home", threads=options.threads)
    with application(settings) as app:
        index_paths(app.indexing, [write_documents(options.folder / "documents")], "default", lambda _: None)
        place, adapter = model_place(app.settings), train_adapter(app, options.folder, options.threads)
        list_adapter(app, adapter)
        model = Watched(load_model(place, device="cpu"), max_tokens=options.tokens)
        serving = Serving(
            app.pool, AnswerChain(app.pool, app.embedder, model), model, app.adapters, base_name(app.settings)
        )
        started = time.monotonic()
        promoted, failed = fly(app, serving, model.seen, options.questions)
        took = time.monotonic() - started
        with app.connect() as conn:
            rows = conn.execute(
                "SELECT adapter, state FROM answer ORDER BY asked_at DESC LIMIT %s", [options.questions]
            ).fetchall()
    seen = model.seen
    assert any(adapter for _, adapter in seen.begun), "all questions were begun before the switch: ask more"
    first = min(when for when, adapter in seen.begun if adapter == NAME) - promoted
    swap = sum(seen.spent.values())
    print(f"{options.questions} questions in {took:.0f} s, {AT_A_TIME} in work together; answers: {Counter(rows)}")
    print(f"promote to first answer begun with it: {first:.2f} s")
    print(f"  the swap itself: {swap:.3f} s ({', '.join(f'{name} {s:.3f}' for name, s in seen.spent.items())})")
    print(f"  waiting for answers that were before it: {first - swap:.2f} s", flush=True)
    mixtures = mixed(place, adapter, options.tokens, seen)
    print(f"failed {failed}, mixed {mixtures}; {platform.machine()}, {options.threads} threads")
    assert failed == 0
    assert mixtures == 0
    assert len(seen.written) == len(rows) == options.questions, "not every question was answered by the model"
    assert {adapter for adapter, _ in rows} == {None, NAME}
    assert swap < 1, "the swap took a second or more"


if __name__ == "__main__":
    main()
