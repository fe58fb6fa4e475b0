"""The gate's examination: which questions it asks, what it scores, and that it goes on where it was cut off."""

import json
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
from finetune.evaluation.gate import Outcome
from finetune.evaluation.run import (
    ABSTAINING,
    DISTRACTED,
    GENERAL,
    GOLDEN,
    HELD_OUT,
    REGRESSION,
    REQUIRED,
    SHOWN,
    UNANSWERABLE,
    EvaluationItem,
    EvaluationRun,
    FewShotModel,
    documents_alone,
    figures,
    guards_for,
    items_of,
    per_author_cap,
)
from finetune.evaluation.scoring import bare, quoted, says_nothing, worth
from retrieval.answering.draft import blockquote
from retrieval.answering.examples import nearest_examples
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.policy import Answers, Policy
from retrieval.answering.prompt import REFUSAL
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import VERIFIED, register_sources
from retrieval.indexing.verified import prepare, put_verified
from tests.bot.conftest import EMBEDDER


def line(example: str, question: str, answer: str = "Every 40 hours. [1]") -> str:
    prompt = [{"role": "user", "content": f"Question: {question}"}]
    completion = [{"role": "assistant", "content": answer}]
    return json.dumps({"prompt": prompt, "completion": completion, "question": question, "example": example}) + "\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two held-out clusters, of one a second wording and an example of the same words; one corrected answer, whose
    example lost its passages.
    """
    (tmp_path / "test.sft.jsonl").write_text(
        line("a", "How often is the filter cleaned?")
        + line("b", "How often is the filter cleaned, please?")
        + line("c", "Who tightens the belt?")
        + line("d", "Who tightens the belt?")
        + line("s", "Where is the key?", REFUSAL)
    )
    (tmp_path / "regression.jsonl").write_text(line("r", "Where is the key?"))
    return tmp_path


GOLDEN_SET = [
    LabelledQuestion(id="g", question="What does A2 mean?", kind="fact", sources=["a.md"], expect=["pump"]),
    LabelledQuestion(id="h", question="What does B7 mean?", kind="fact", sources=["a.md"], expect=["door"]),
    LabelledQuestion(id="u", question="Who won?", kind="unanswerable", sources=[], expect=[], answer="I don't know."),
]


def test_sets_of_an_examination(dataset: Path) -> None:
    """Derived questions take the passages of another cluster; the golden set adds its own; each question once a set."""
    items = items_of(dataset, {"a": "1", "b": "1", "c": "2", "d": "2", "s": "3", "r": "3"}, GOLDEN_SET)
    sets: dict[str, list[EvaluationItem]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    assert set(sets) == {HELD_OUT, REGRESSION, GOLDEN, UNANSWERABLE, DISTRACTED, GENERAL}
    assert {item.question: item.right for item in sets[HELD_OUT]} == {
        "Where is the key?": "Every 40 hours.",
        "How often is the filter cleaned?": "Every 40 hours.",
        "How often is the filter cleaned, please?": "Every 40 hours.",
        "Who tightens the belt?": "Every 40 hours.",
    }
    assert {(item.question, item.given) for item in sets[DISTRACTED]} == {
        ("Where is the key?", "How often is the filter cleaned?"),
        ("How often is the filter cleaned?", "Who tightens the belt?"),
        ("How often is the filter cleaned, please?", "Who tightens the belt?"),
        ("Who tightens the belt?", "Where is the key?"),
    }
    unanswerable = {item.id: item for item in sets[UNANSWERABLE]}
    assert unanswerable["u"].given is None
    assert unanswerable["u"].right is None
    assert unanswerable["s"].prompt
    assert len(sets[GENERAL]) >= 20


def test_what_must_be_known_of_every_adapter(dataset: Path, tmp_path: Path) -> None:
    """Also where nothing tells about it: then the gate decides nothing. Questions of people alone tell about all."""
    names = {guard.name for guard in REQUIRED}
    assert {"refused (unanswerable)", "kept", "grounded", "cited", "stopped", "brief", "general (general)"} == names
    nothing = items_of(tmp_path / "none", {}, [])
    assert {item.set for item in nothing} == {GENERAL}
    assert {guard.name for guard in guards_for(nothing)} == names
    golden = items_of(tmp_path / "none", {}, GOLDEN_SET)
    assert {item.set for item in golden} == {GOLDEN, UNANSWERABLE, DISTRACTED, GENERAL}
    more = {guard.name for guard in guards_for(items_of(dataset, {}, GOLDEN_SET))} - names
    assert {f"answer ({name})" for name in (GOLDEN, REGRESSION, DISTRACTED)} < more


@pytest.mark.parametrize(
    ("writers", "left"),
    [("AAAB", 2), ("AABB", 4), ("AAB", 3), ("AABBCC", 6), ("AAAABC", 3), ("", 0)],
)
def test_what_one_person_says_is_one_piece_of_evidence(writers: str, left: int) -> None:
    """If they wrote most of the corrections; two are not many, and half is not most."""
    clusters = {f"sft:{place}": f"c{place}" for place in range(len(writers))}
    written = {f"sft:{place}": writer for place, writer in enumerate(writers)}
    voiced = per_author_cap({**clusters, "thumb": "t"}, written)
    assert len(set(voiced.values())) == left + 1
    assert voiced["thumb"] == "t"


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


def sat(
    pool: ConnectionPool[Any], folder: Path, items: Sequence[EvaluationItem], **arms: Saying
) -> dict[str, dict[str, float]]:
    """The scores of the first item by arm."""
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    exam = EvaluationRun(pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, hidden), items, folder)
    return {arm: dict(outcomes[0].scores) for arm, outcomes in exam.run("test", arms).items()}


def test_what_an_answer_is_scored_by(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """A right sentence counts in full beside quotes; what nothing bears out, has no end or refuses is seen."""
    read: list[str] = []
    scores = sat(
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
    derived = replace(ASKED, set=UNANSWERABLE, given=LOCKED)
    seen: list[str] = []
    scores = sat(
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
    copied = sat(pool, tmp_path / "2", [silent], copies=Saying(say=lambda _: "The red key is in hall 3."))
    assert copied["copies"]["refused"] == 0


def test_passages_that_distract(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """They stand before its own; what is written decides, for quotes would be the same for all."""
    item = replace(ASKED, set=DISTRACTED, given=LOCKED)
    scores = sat(
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
    sat(pool, tmp_path, [ASKED, replace(ASKED, id="r", set=REGRESSION)], one=model)
    assert len(asked) == 1


def test_words_of_ours_are_no_words_of_an_answer() -> None:
    """Nor are marks and citations; a fact may stand in quotes or beside them."""
    text = blockquote("The filter is cleaned\nevery 40 hours.", 1)
    assert quoted(text) == bare(text).strip() == "The filter is cleaned\nevery 40 hours."
    assert worth(text, expect=["40", "filter"], right=None) == 1
    assert worth(text, expect=[], right="The filter is cleaned every 40 hours.") == 1
    assert worth(text + "\nIt is blue. [1]\n", expect=[], right="It is blue.") == 1
    assert worth(text, expect=["1\\]"], right=None) == 0
    assert worth("It is blue. [1]", expect=[], right="It is blue.") == 1


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        (REFUSAL, True),
        ("The passages do not mention who won.", True),
        ("I don't know.", True),
        ("", True),
        ("The door does not open.", False),
        ("Do not open the door.", False),
    ],
)
def test_a_refusal_is_known_by_its_words(text: str, nothing: bool) -> None:
    assert says_nothing(text) is nothing


class Counted(EvaluationRun):
    """Scores by counting, and breaks off when it is told to."""

    def __init__(self, items: list[EvaluationItem], folder: Path, limit: int) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, nothing, items, folder)
        self.asked, self.limit = 0, limit

    def _scores(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        if self.asked == self.limit:
            raise KeyboardInterrupt
        self.asked += 1
        return {"answer": float(len(item.question))}


def test_an_examination_goes_on_where_it_was(tmp_path: Path) -> None:
    """Answers that were given are not asked for again; a question that not all arms answered, or whose line was half
    written, is, so that all read the same passages.
    """
    items = [EvaluationItem(str(number), HELD_OUT, "?" * number) for number in range(5)]
    arms = {"candidate": None, "base": None}
    with pytest.raises(KeyboardInterrupt):
        Counted(items, tmp_path, 7).run("beside base", arms)
    with (tmp_path / "beside_base.jsonl").open("a") as kept:
        kept.write('{"id": "3", "sc')
    told: list[str] = []
    again = Counted(items, tmp_path, 10)
    outcomes = again.run("beside base", arms, told.append)
    assert again.asked == 4
    assert told == ["candidate", "base"] * 5
    assert [outcome.scores["answer"] for outcome in outcomes["base"]] == [0, 1, 2, 3, 4]
    assert Counted(items, tmp_path, 0).run("beside base", arms) == outcomes
    assert Counted(items, tmp_path, 15).run("beside base", {**arms, "active": None})["base"] == outcomes["base"]


def test_figures_are_means_by_set_and_arm() -> None:
    """With the number of questions that they are of; and of refusals, how many were right and how many were due."""
    arms = {
        "candidate": [
            Outcome("1", {"answer": 1.0, "kept": 0.0}, HELD_OUT),
            Outcome("2", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("3", {"refused": 1.0}, UNANSWERABLE),
        ],
        "base": [
            Outcome("1", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("2", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("3", {"refused": 0.0}, UNANSWERABLE),
        ],
    }
    assert figures(arms) == {
        HELD_OUT: {"answer": {"candidate": 0.5, "base": 0, "n": 2}, "kept": {"candidate": 0.5, "base": 1, "n": 2}},
        UNANSWERABLE: {"refused": {"candidate": 1, "base": 0, "n": 1}},
        ABSTAINING: {"precision": {"candidate": 0.5, "n": 3}, "recall": {"candidate": 1, "base": 0, "n": 3}},
    }


def test_an_arm_that_is_shown_examples(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """Beside the passages, also where these are not the question's own; the same model without them is another arm."""
    read: list[str] = []
    model = Saying(say=noted(read, GREASED))
    examples = nearest_examples(pool, EMBEDDER, 2)
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    items = [ASKED, replace(ASKED, set=DISTRACTED, given=LOCKED)]
    exam = EvaluationRun(pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, hidden), items, tmp_path)
    outcomes = exam.run("test", {"base": model, SHOWN: FewShotModel(model, examples)})
    assert ["with love" in text for text in read] == [False, True, False, True]
    assert outcomes[SHOWN][0].scores["answer"] == pytest.approx(1)
    assert outcomes[SHOWN][0].scores["tokens"] > outcomes["base"][0].scores["tokens"]


def test_an_answer_that_is_asked_about_is_no_example(pool: ConnectionPool[Any], tmp_path: Path) -> None:
    """What is held out stays hidden from the arm that is shown examples."""
    read: list[str] = []
    with pool.connection() as conn:
        hidden = verified_passages(conn, VERIFIED)
    shown: Any = FewShotModel(Saying(say=noted(read, GREASED)), nearest_examples(pool, EMBEDDER, 2, hidden))
    sat(pool, tmp_path, [ASKED], examples=shown)
    assert "<example>" not in read[0]


@pytest.mark.parametrize(("answers", "first"), [("model", "Every"), ("quotes", "> ")])
def test_arms_answer_as_people_are_answered(
    pool: ConnectionPool[Any], tmp_path: Path, answers: Answers, first: str
) -> None:
    """The model's words lead where they do for people, so that the gate judges what they read."""
    exam = EvaluationRun(
        pool, EMBEDDER, documents_alone(pool, EMBEDDER, None, ()), [ASKED], tmp_path, policy=Policy(answers=answers)
    )
    exam.run("test", {"base": Saying(say=lambda _: GREASED)})
    ((answer, written),) = exam._said.values()
    assert answer.text.startswith(first)
    assert written == GREASED
