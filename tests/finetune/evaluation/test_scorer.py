"""What a model's answer is scored by, as the chain serves it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool

from finetune.dataset.storage import verified_passages
from finetune.evaluation.items import (
    DISTRACTED,
    HELD_OUT,
    REGRESSION,
    UNANSWERABLE,
    EvaluationItem,
)
from finetune.evaluation.passages import documents_alone
from finetune.evaluation.run import EvaluationRun
from finetune.evaluation.scorer import FEW_SHOT, FewShotModel, Scorer
from retrieval.answering.examples import nearest_examples
from retrieval.answering.policy import Answers, Policy
from retrieval.answering.prompt import REFUSAL
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import VERIFIED, register_sources
from retrieval.indexing.verified import prepare, put_verified
from tests.bot.conftest import EMBEDDER

PUMP = """# Coolant pump

The bearing of the pump is greased every 400 hours.

# Door

The front door is locked with the red key by the shift leader.

# Belt

The belt of the lathe is tightened by the fitter on Mondays.
"""


GREASED = "Every 400 hours the bearing of the pump is greased."


class Saying(BaseChatModel):
    """Says what a function makes of what it reads, and ends by itself."""

    say: Callable[[str], str]
    finish: str = "stop"

    @property
    def _llm_type(self) -> str:
        return "saying"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        text = self.say("\n".join(message.text for message in messages))
        message = AIMessage(text, response_metadata={"finish_reason": self.finish})
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture
def pool(database: str, tmp_path: Path) -> Iterator[ConnectionPool[Any]]:
    """The database with one manual, and a verified answer that says the same as a held-out correction."""
    (tmp_path / "pump.md").write_text(PUMP)
    with psycopg.connect(database, autocommit=True) as conn:
        register_vector(conn)
        index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path / "pump.md"]), max_bytes=10**6)
        verified = prepare(EMBEDDER, ASKED.question, "The bearing of the pump is greased with love every 400 hours.")
        row = conn.execute("SELECT now()").fetchone()
        assert row
        put_verified(conn, verified, collection="default", name="no. 1", verified_at=row[0])
    with ConnectionPool(database, min_size=1, configure=register_vector) as opened:
        yield opened


ASKED = EvaluationItem("a", HELD_OUT, "How often is the bearing of the pump greased?", "1", GREASED)


LOCKED = "By whom is the front door locked with the red key?"


def noted(where: list[str], said: str) -> Callable[[str], str]:
    """Says this, and notes what it read."""

    def say(text: str) -> str:
        where.append(text)
        return said

    return say


def scores_of(
    pool: ConnectionPool[Any], folder: Path, items: Sequence[EvaluationItem], **arms: Saying
) -> dict[str, dict[str, float]]:
    """The scores of the first item by arm."""
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    scorer = Scorer(pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, hidden))
    outcomes_by_arm = EvaluationRun(scorer, items, folder).run("test", arms)
    return {arm: dict(outcomes[0].scores) for arm, outcomes in outcomes_by_arm.items()}


def test_what_an_answer_is_scored_by(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """A right sentence counts in full beside quotes; what nothing bears out, has no end or refuses is seen."""
    read: list[str] = []
    scores = scores_of(
        pool,
        tmp_path,
        [ASKED],
        right=Saying(say=noted(read, GREASED)),
        wrong=Saying(say=lambda _: "The pump is painted blue every 30 days. " * 20, finish="length"),
        refuses=Saying(say=lambda _: REFUSAL),
    )
    right, wrong, refuses = scores["right"], scores["wrong"], scores["refuses"]
    assert right["answer"] == pytest.approx(1)
    assert 0 < wrong["answer"] == refuses["answer"] < 0.95
    told = ("kept", "grounded", "stopped", "brief", "cited", "shown")
    assert [right[score] for score in told] == [1, 1, 1, 1, 1, 1]
    assert [wrong[score] for score in told] == [1, 0, 0, 0, 1, 0]
    assert [refuses[score] for score in told] == [0, 1, 1, 1, 1, 0]
    assert right["chrf"] > wrong["chrf"]
    assert right["similarity"] > wrong["similarity"]
    assert right["seconds"] > 0
    assert "with love" not in read[0]  # the correction that is asked about is searched like a document, but not here


def test_a_model_must_refuse_by_itself(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """To passages of another question; what it copies out of them is shown to nobody as an answer to this one."""
    derived = replace(ASKED, set=UNANSWERABLE, other_question=LOCKED)
    seen: list[str] = []
    scores = scores_of(
        pool,
        tmp_path,
        [derived],
        copies=Saying(say=noted(seen, "The front door is locked by the shift leader.")),
        refuses=Saying(say=lambda _: REFUSAL),
    )
    assert scores == {"copies": {"refused": 0}, "refuses": {"refused": 1}}
    assert "front door" in seen[0]
    assert "every 400 hours" not in seen[0]
    silent = EvaluationItem(
        "s", UNANSWERABLE, "Where is it?", prompt=[{"role": "user", "content": "The red key is in hall 3."}]
    )
    copied = scores_of(pool, tmp_path / "2", [silent], copies=Saying(say=lambda _: "The red key is in hall 3."))
    assert copied["copies"]["refused"] == 0


def test_passages_that_distract(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """They stand before its own; what is written decides, for quotes would be the same for all."""
    item = replace(ASKED, set=DISTRACTED, other_question=LOCKED)
    scores = scores_of(
        pool,
        tmp_path,
        [item],
        led=Saying(say=lambda _: "The front door is locked by the shift leader."),
        right=Saying(say=lambda _: GREASED),
    )
    assert scores["right"]["answer"] == pytest.approx(1)
    assert scores["led"]["answer"] < 0.3


def test_a_question_of_two_sets_is_answered_once(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """What was corrected is held out as well."""
    asked: list[str] = []
    model = Saying(say=noted(asked, GREASED))
    scores_of(pool, tmp_path, [ASKED, replace(ASKED, id="r", set=REGRESSION)], one=model)
    assert len(asked) == 1


def test_an_arm_that_is_shown_examples(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """Beside the passages, also where these are not the question's own; the same model without them is another arm."""
    read: list[str] = []
    model = Saying(say=noted(read, GREASED))
    examples = nearest_examples(pool, EMBEDDER, 2)
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    items = [ASKED, replace(ASKED, set=DISTRACTED, other_question=LOCKED)]
    scorer = Scorer(pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, hidden))
    outcomes = EvaluationRun(scorer, items, tmp_path).run(
        "test", {"base": model, FEW_SHOT: FewShotModel(model, examples)}
    )
    assert ["with love" in text for text in read] == [False, True, False, True]
    assert outcomes[FEW_SHOT][0].scores["answer"] == pytest.approx(1)
    assert outcomes[FEW_SHOT][0].scores["tokens"] > outcomes["base"][0].scores["tokens"]


def test_an_answer_that_is_asked_about_is_no_example(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """What is held out stays hidden from the arm that is shown examples."""
    read: list[str] = []
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    shown: Any = FewShotModel(Saying(say=noted(read, GREASED)), nearest_examples(pool, EMBEDDER, 2, hidden))
    scores_of(pool, tmp_path, [ASKED], examples=shown)
    assert "<example>" not in read[0]


@pytest.mark.parametrize(("answers", "first"), [("model", "Every"), ("quotes", "> ")])
def test_arms_answer_as_people_are_answered(
    pool: ConnectionPool[Any], tmp_path: Path, answers: Answers, first: str
) -> None:
    """The model's words lead where they do for people, so that the gate judges what they read."""
    scorer = Scorer(pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, ()), policy=Policy(answers=answers))
    EvaluationRun(scorer, [ASKED], tmp_path).run("test", {"base": Saying(say=lambda _: GREASED)})
    ((answer, written),) = scorer._answers.values()
    assert answer.text.startswith(first)
    assert written == GREASED
