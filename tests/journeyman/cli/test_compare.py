"""`journeyman compare`: the same questions with and without documents and adapter, at the command line."""

import json
from pathlib import Path

import psycopg
import pytest
from pgvector.psycopg import register_vector

from finetune.comparison.rows import latest
from finetune.registry import TrainedAdapter, add, promote
from retrieval.embedding import MiniLM
from retrieval.indexing.verified import prepare, put_verified
from tests.finetune.conftest import tiny_phi3, write_tiny  # noqa: F401 - fixtures
from tests.finetune.model.test_loading import write_adapter
from tests.finetune.model_server import model_server
from tests.journeyman.conftest import Run, one_sentence

QUESTIONS = [
    {"id": "a", "question": "Where does the pump stand?", "sources": ["pump.md"], "expect": ["hall 3"]},
    {"id": "b", "question": "What colour is the pump?", "sources": ["pump.md"], "expect": [], "answer": "It is blue."},
    {"id": "c", "question": "Who won the chess tournament of 1971?", "sources": [], "expect": []},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Two that the documents answer, by facts and by a right answer, and one that they don't."""
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, QUESTIONS)))
    return file


@pytest.fixture
def indexed(journeyman: Run, documents: Path) -> Run:
    (documents / "broken.pdf").unlink()
    journeyman("index", documents)
    return journeyman


def test_with_and_without_documents(indexed: Run, questions: Path, database: str, tmp_path: Path) -> None:
    """The table, the advice, a chart; and it is kept."""
    with model_server() as url:
        done = indexed("compare", questions, "--chart", tmp_path / "arms.png", JOURNEYMAN_MODEL_URL=url)
    assert done.returncode == 0, done.stderr
    assert "No adapter answers or is named" in done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.startswith(("base", "rag"))}
    assert set(rows) == {"base", "rag"}
    assert "This rests on 3 questions" in done.stdout
    assert (tmp_path / "arms.png").read_bytes().startswith(b"\x89PNG")
    with psycopg.connect(database) as conn:
        made = latest(conn)
    assert made is not None
    assert made.questions == "questions.jsonl"
    by_arm = {arm.name: arm for arm in made.comparison.arms}
    assert by_arm["rag"].refused.value == 1  # the model server answers whatever it is asked
    assert by_arm["base"].refused.value == 0
    scores = {written.id: written.score for written in made.comparison.answers["rag"]}
    assert scores["a"] == 1
    assert 0 < scores["b"] < 1  # words shared with the right answer


def test_follow_ups_are_rewritten_as_where_the_bot_answers(indexed: Run, tmp_path: Path) -> None:
    """If that is set: by the model of the arm, for the arms that search."""
    history = [
        {"role": "user", "content": "Where does the pump stand?"},
        {"role": "assistant", "content": "In hall 3."},
    ]
    labelled = {
        "id": "a",
        "question": "And its colour?",
        "history": history,
        "sources": ["pump.md"],
        "expect": ["blue"],
    }
    file = tmp_path / "followups.jsonl"
    file.write_text(json.dumps(labelled))
    turns: list[str] = []

    def reply(turn: str) -> str:
        turns.append(turn)
        return "What colour is the pump?" if turn.endswith("Rewritten question:") else "The pump is blue. [1]"

    with model_server(reply) as url:
        done = indexed("compare", file, JOURNEYMAN_MODEL_URL=url, JOURNEYMAN_REWRITE_FOLLOWUPS="true")
        assert done.returncode == 0, done.stderr
        assert sum(turn.endswith("Rewritten question:") for turn in turns) == 1
        turns.clear()
        indexed("compare", file, JOURNEYMAN_MODEL_URL=url)
        assert not any(turn.endswith("Rewritten question:") for turn in turns)


def test_verified_answers_are_an_arm_of_their_own(indexed: Run, questions: Path, database: str) -> None:
    """Where there are any: shown as examples, with the tokens that they cost; else the arm cannot be had."""
    with model_server() as url:
        assert "no verified answers" in one_sentence(indexed("compare", questions, "--arms", "rag,rag+examples"))
        with psycopg.connect(database, autocommit=True) as conn:
            register_vector(conn)
            (now,) = conn.execute("SELECT now()").fetchone() or (None,)
            for number in range(12):
                text = f"Gate {number} is locked by the shift leader of hall {number}."
                prepared = prepare(MiniLM(), f"Who locks gate {number}?", text)
                put_verified(conn, prepared, collection="default", name=f"no. {number}", verified_at=now)
        done = indexed("compare", questions, "--json", JOURNEYMAN_MODEL_URL=url)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [arm["name"] for arm in found["arms"]] == ["base", "rag", "rag+examples"]
    tokens = {arm["name"]: arm["tokens"] for arm in found["arms"]}
    assert tokens["base"] < tokens["rag"] < tokens["rag+examples"]
    assert "Examples in the prompt" in found["advice"]


@pytest.mark.slow
def test_with_an_adapter_all_four(
    indexed: Run,
    questions: Path,
    tmp_path: Path,
    tiny_phi3: Path,  # noqa: F811
    database: str,
) -> None:
    """The adapter that answers is compared, over one model; both read the same passages."""
    write_adapter(tiny_phi3, tmp_path / "home" / "adapters" / "house-7")
    with psycopg.connect(database, autocommit=True) as conn:
        add(
            conn,
            TrainedAdapter("house-7", None, None, None, "tiny", "ab" * 32, {"examples": 90}, {}, "promote", "Better."),
        )
        promote(conn, "house-7", by="UADMIN")
    done = indexed(
        "compare",
        questions,
        "--json",
        **{"JOURNEYMAN_MODEL": str(tiny_phi3), "JOURNEYMAN_MAX_ANSWER_TOKENS": "20"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [arm["name"] for arm in found["arms"]] == ["base", "rag", "finetuned", "rag+finetuned"]
    base, tuned = found["answers"]["base"], found["answers"]["finetuned"]
    assert [one["answer"] for one in base] != [one["answer"] for one in tuned]
    assert [(gain["arm"], gain["over"]) for gain in found["gains"]] == [
        ("base", "rag"),
        ("finetuned", "rag"),
        ("rag+finetuned", "rag"),
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--arms", "rag"], "at least two arms"),
        (["--arms", "rag,magic"], "no arm 'magic'"),
        (["--arms", "rag,finetuned"], "no adapter to compare"),
        (["--adapter", "house-9"], "no adapter 'house-9'"),
    ],
)
def test_arms_that_cannot_be_compared_are_told(
    journeyman: Run, questions: Path, arguments: list[str], reason: str
) -> None:
    """Before anything is loaded."""
    assert reason in one_sentence(journeyman("compare", questions, *arguments))
