"""A shared card: long work gives way while somebody answers or embeds."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from finetune.rounds.evaluation import give_way
from journeyman.composition import Application
from journeyman.servers.stack import Stack
from journeyman.settings import Settings
from workers.gpu_priority import is_wanted, wanted


def connected(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(database, autocommit=True)


def test_the_card_is_wanted_until_the_last_one_is_done(database: str) -> None:
    """By anybody, of several."""
    with connected(database) as training, connected(database) as bot, connected(database) as worker:
        assert not is_wanted(training)
        with wanted(bot):
            with wanted(worker):
                assert is_wanted(training)
            assert is_wanted(training)
        assert not is_wanted(training)


def test_a_killed_process_wants_nothing(database: str) -> None:
    """Its lock ends with its connection."""
    with connected(database) as training:
        bot = connected(database)
        with wanted(bot):
            assert is_wanted(training)
            bot.close()
        deadline = time.monotonic() + 60
        while is_wanted(training):
            assert time.monotonic() < deadline


def an_app(stack: Stack, database: str, home: Path, **settings: Any) -> Application:
    return Application(Settings(home=home, **settings), replace(stack, database_url=database))


@pytest.mark.parametrize(
    ("device", "first", "url", "expected"),
    [
        ("cuda", "answers", None, True),
        ("cuda", "nobody", None, False),
        ("cpu", "answers", None, False),
        ("cpu", "answers", "http://vllm:8000/v1", True),
        ("cpu", "nobody", "http://vllm:8000/v1", False),
    ],
)
def test_the_setting_says_who_goes_first(
    stack: Stack, database: str, tmp_path: Path, device: Any, first: Any, url: str | None, expected: bool
) -> None:
    """An answer on a GPU, here or on a model server, wants the card from its first event to its last, even if nobody
    reads to the end; a process without a GPU waits for nobody.
    """
    app = an_app(stack, database, tmp_path, device=device, gpu_first=first, model_url=url)
    with connected(database) as training:
        events = app.gpu.answering(iter("abc"))
        assert not is_wanted(training)
        assert next(events) == "a"
        assert is_wanted(training) is expected
        assert app.gpu.must_wait(training) is (expected and device == "cuda")
        events.close()
        assert not is_wanted(training)


def test_embedding_on_a_processor_takes_no_card(stack: Stack, database: str, tmp_path: Path) -> None:
    """Even if answers come from a server that has one."""
    app = an_app(stack, database, tmp_path, device="cpu", model_url="http://vllm:8000/v1")
    with connected(database) as training, app.gpu.embedding():
        assert not is_wanted(training)


def test_an_answer_outlives_the_card(database: str) -> None:
    """A lock that ended with its connection needs no unlocking."""
    with connected(database) as other:
        bot = connected(database)
        with wanted(bot):
            other.execute("SELECT pg_terminate_backend(%s)", [bot.info.backend_pid])
        assert bot.closed


def test_an_evaluation_gives_way() -> None:
    """It goes on telling meanwhile, so that it can be cancelled and is not thought dead."""
    answers = iter((True, True, False))
    told: list[str] = []
    give_way(lambda: next(answers), lambda: told.append("here"), every=0.001)
    assert told == ["here"] * 3
