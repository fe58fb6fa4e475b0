"""The switch of adapters under load: no question fails, no answer is of two adapters, and a bad one changes nothing."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from psycopg_pool import ConnectionPool

from finetune.model.chat_model import Phi3Chat, load_chat_model
from finetune.registry import TrainedAdapter, add, promote, rollback
from finetune.serving import Serving
from retrieval.answering.answer import Question
from tests.finetune.conftest import tiny_model, tiny_tokenizer
from tests.finetune.model.test_loading import write_adapter

pytestmark = pytest.mark.slow
TOKENS = 16


class Direct:
    """A chain without documents, so that the test is about which weights answer."""

    def __init__(self, model: Phi3Chat) -> None:
        self.model = model

    def with_model(self, model: Phi3Chat) -> "Direct":
        return Direct(model)

    def stream(self, question: Question) -> Iterator[tuple[str | None, str]]:
        yield self.model.adapter, self.model.invoke([HumanMessage(question.text)], max_tokens=TOKENS).text


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three adapters that write differently."""
    import torch

    folder = tmp_path_factory.mktemp("adapters")
    for number in (1, 2, 3):
        torch.manual_seed(number)
        write_adapter(base, folder / f"house-{number}")
    return folder


@pytest.fixture
def pool(database: str) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(database, min_size=1, max_size=8, open=True) as opened:
        yield opened


def listed(conn: psycopg.Connection[Any], *names: str, base: str = "tiny") -> None:
    for name in names:
        add(conn, TrainedAdapter(name, None, None, None, base, "00", {}, {}, "promote", "better"))


def serving(pool: ConnectionPool[Any], base: Path, adapters: Path, **options: Any) -> Serving:
    model = load_chat_model(base, device="cpu", max_tokens=TOKENS)
    chain: Any = Direct(model)
    return Serving(pool, chain, model, adapters, "tiny", **options)


def test_switch_with_200_questions_in_flight(pool: Any, base: Path, adapters: Path, database: str) -> None:
    """Each answer is what the adapter that it names writes alone; the switch takes under a second."""
    served = serving(pool, base, adapters)
    names = [None, "house-1", "house-2"]
    with psycopg.connect(database, autocommit=True) as conn:
        listed(conn, "house-1", "house-2")

        def ask(number: int) -> tuple[int, str | None, str]:
            question: Any = Question(f"Question {number % 10}?")
            [(adapter, text)] = served.chain_for(question).stream(question)
            return number, adapter, text

        with ThreadPoolExecutor(32) as people:
            answers = [people.submit(ask, number) for number in range(200)]
            for name in names[1:]:
                time.sleep(0.2)
                promote(conn, str(name), by="UADMIN")
            time.sleep(0.2)
            rollback(conn, by="UADMIN", reason="?")
            found = [answer.result() for answer in answers]
        assert ask(0)[1] == "house-1"
    alone = {
        name: load_chat_model(base, device="cpu", max_tokens=TOKENS, adapter=name and adapters / name) for name in names
    }
    expected = {
        (name, number): model.invoke([HumanMessage(f"Question {number}?")]).text
        for name, model in alone.items()
        for number in range(10)
    }
    assert len({expected[name, 0] for name in names}) == 3, "the adapters write alike, so nothing is proved"
    assert all(text == expected[adapter, number % 10] for number, adapter, text in found)
    assert {adapter for _, adapter, _ in found} >= {None, "house-1"}

    started = time.monotonic()
    load_chat_model(base, device="cpu").with_adapter(adapters / "house-3").warm_up()
    assert time.monotonic() - started < 2


def test_bad_adapter_changes_nothing(pool: Any, base: Path, adapters: Path, database: str) -> None:
    """One that cannot be loaded, or belongs to another model, leaves the old one answering, and is told."""
    served = serving(pool, base, adapters)
    question = Question("Which?")
    with psycopg.connect(database, autocommit=True) as conn:
        listed(conn, "house-1", "gone")
        listed(conn, "house-2", base="another")
        for name, problem in (("gone", "is not an adapter folder"), ("house-2", "was trained over another")):
            promote(conn, "house-1", by="U1")
            assert served.chain_for(question).model.adapter == "house-1"  # type: ignore[attr-defined]
            promote(conn, name, by="U1")
            assert served.chain_for(question).model.adapter == "house-1"  # type: ignore[attr-defined]
            assert problem in served.problems[name]


def test_a_folder_that_comes_later_is_served(
    pool: Any, base: Path, adapters: Path, database: str, tmp_path: Path
) -> None:
    """One that could not be loaded is tried again after a while, not at each question."""
    question = Question("Which?")
    with psycopg.connect(database, autocommit=True) as conn:
        listed(conn, "house-1")
        promote(conn, "house-1", by="U1")
    patient, eager = (serving(pool, base, tmp_path, retry=seconds) for seconds in (60.0, 0.0))
    for served in (patient, eager):
        assert served.chain_for(question).model.adapter is None  # type: ignore[attr-defined]
        assert served.problems
    shutil.copytree(adapters / "house-1", tmp_path / "house-1")
    assert patient.chain_for(question).model.adapter is None  # type: ignore[attr-defined]
    assert eager.chain_for(question).model.adapter == "house-1"  # type: ignore[attr-defined]
    assert eager.problems == {}


class Remote:
    """A model behind a server, which is told what it may forget."""

    def __init__(self, unloaded: list[str], adapter: str | None = None) -> None:
        self.adapter, self._unloaded = adapter, unloaded

    def with_adapter(self, folder: Path) -> "Remote":
        return Remote(self._unloaded, folder.name)

    def warm_up(self) -> None:
        """It is."""

    def unload(self) -> None:
        self._unloaded.append(self.adapter or "")


def test_what_answers_no_more_is_unloaded(pool: Any, database: str, tmp_path: Path) -> None:
    """Three stay: the one that answers, the one before and one on trial. One that comes back is loaded again."""
    unloaded: list[str] = []
    chain: Any = Direct(Remote(unloaded))  # type: ignore[arg-type]
    served = Serving(pool, chain, Remote(unloaded), tmp_path, "tiny")
    order = ["house-1", "house-2", "house-3", "house-1", "house-4", "house-5", "house-2"]
    with psycopg.connect(database, autocommit=True) as conn:
        listed(conn, *sorted(set(order)))
        for name in order:
            promote(conn, name, by="U1")
            assert served.chain_for(Question("?")).model.adapter == name  # type: ignore[attr-defined]
    assert unloaded == ["house-2", "house-3", "house-1"]


def test_trial_answers_some_people(pool: Any, base: Path, adapters: Path, database: str) -> None:
    """Everybody else, and whoever is not known, is answered as before."""
    served = serving(pool, base, adapters)
    with psycopg.connect(database, autocommit=True) as conn:
        listed(conn, "house-1", "house-2")
        promote(conn, "house-1", by="U1")
        promote(conn, "house-2", by="U1", percent=30)
    people = [f"U{number}" for number in range(60)]
    by = [served.chain_for(Question("?", asker=person)).model.adapter for person in people]  # type: ignore[attr-defined]
    assert set(by) == {"house-1", "house-2"}
    assert served.chain_for(Question("?")).model.adapter == "house-1"  # type: ignore[attr-defined]
