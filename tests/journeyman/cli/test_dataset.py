"""`journeyman dataset`: from real answers and votes to frozen files, at the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bot.feedback.complaints import complain
from bot.feedback.review import save_verified
from bot.feedback.votes import vote
from bot.home.personal_data import delete_data
from tests.bot.conftest import EMBEDDER
from tests.finetune.model_server import model_server
from tests.journeyman.conftest import Run, one_sentence

SAID = "The pump is blue and stands in hall 3."
BESIDE = "Nobody may open the valve of the press."
RIGHT = "The press needs two litres of oil."
WHERE, COLOUR, OIL = "Where does the pump stand?", "What colour is the pump?", "How much oil does the press need?"


@pytest.fixture
def served(environment: dict[str, str]) -> Iterator[None]:
    """A model that says the same to whatever it is asked, but of oil something beside the question."""
    with model_server(lambda turn: BESIDE if f"Question: {OIL}" in turn else SAID) as url:
        environment["JOURNEYMAN_MODEL_URL"] = url
        yield


@pytest.fixture
def asked(served: None, journeyman: Run, documents: Path, database: str) -> dict[str, UUID]:
    """Three questions that were answered over real documents: two rightly, the third beside the question."""
    (documents / "broken.pdf").unlink()
    (documents / "pump.md").write_text("# Pump\n\nIn hall 3 stands the blue pump.\n")  # what it says in other words
    (documents / "press.md").write_text(f"# Oil of the press\n\n{RIGHT} Nobody may open its valve.\n")
    assert journeyman("index", documents).returncode == 0
    for question in (WHERE, COLOUR, OIL):
        assert journeyman("ask", question).returncode == 0
    with psycopg.connect(database) as conn:
        return dict(conn.execute("SELECT question, id FROM answer").fetchall())


@pytest.fixture
def judged(asked: dict[str, UUID], database: str) -> dict[str, UUID]:
    """A thumb up, a thumb down with its reason, and a correction that Ada approved; all as the bot writes them."""
    with psycopg.connect(database) as conn:
        vote(conn, asked[WHERE], "UANN", 1)
        for question in (COLOUR, OIL):
            vote(conn, asked[question], "UBEN", -1)
            complain(conn, asked[question], "UBEN", "wrong", RIGHT if question == OIL else None)
    with ConnectionPool[Any](database, min_size=1) as pool:
        client = SimpleNamespace(users_info=lambda user: {"user": {"name": "ada"}})
        runtime: Any = SimpleNamespace(pool=pool, client=client, embedder=EMBEDDER)
        assert save_verified(runtime, asked[OIL], RIGHT, verified_by="UADA", written_by="UBEN")
    return asked


def lines(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """The lines of one kind on both sides, by example."""
    files = [folder / f"{split}.{kind}.jsonl" for split in ("train", "test")]
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {row["example"]: row for row in rows}


@pytest.mark.slow
def test_from_votes_to_files_and_back_out(
    journeyman: Run, judged: dict[str, UUID], database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """What the model read and should have said; the same votes are the same dataset; who goes is in it no more."""
    done = journeyman("dataset", "build", "--oracle-share", 1, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    folder = Path(environment["JOURNEYMAN_HOME"], "datasets", str(made["id"]))
    where, colour, oil = (str(judged[question]) for question in (WHERE, COLOUR, OIL))
    sft, kto, dpo = (lines(folder, kind) for kind in ("sft", "kto", "dpo"))
    assert {name: row["completion"][0]["content"] for name, row in sft.items()} == {
        f"sft:{where}": SAID,
        f"sft:{oil}": RIGHT,
    }
    assert {name: row["label"] for name, row in kto.items()} == {
        f"kto:{where}": True,
        f"kto:{colour}": False,
        f"kto:{oil}": False,
    }
    assert dpo[f"dpo:{oil}"]["chosen"] == [{"role": "assistant", "content": RIGHT}]
    assert dpo[f"dpo:{oil}"]["rejected"] == [{"role": "assistant", "content": BESIDE}]
    with psycopg.connect(database) as conn:
        (read,) = conn.execute("SELECT prompt FROM answer WHERE id = %s", [where]).fetchone() or ("",)
    system, user = kto[f"kto:{where}"]["prompt"]
    assert read == f"system: {system['content']}\n\nhuman: {user['content']}"

    again = json.loads(journeyman("dataset", "build", "--oracle-share", 1, "--json").stdout)
    assert (again["id"], again["hash"]) == (made["id"], made["hash"])

    exported = tmp_path / "exported"
    assert journeyman("dataset", "export", exported).returncode == 0
    assert (exported / "dataset.json").read_bytes() == (folder / "dataset.json").read_bytes()
    assert "exists already" in one_sentence(journeyman("dataset", "export", exported))

    with psycopg.connect(database) as conn:
        delete_data(conn, "UBEN")
    assert "had their data deleted" in one_sentence(journeyman("dataset", "export", tmp_path / "other"))
    assert not folder.exists()
    later = json.loads(journeyman("dataset", "build", "--oracle-share", 1, "--json").stdout)
    assert later["id"] != made["id"]
    with psycopg.connect(database) as conn:
        persons = conn.execute("SELECT unnest(persons) FROM dataset_example").fetchall()
    assert ("UBEN",) not in persons
    assert not lines(folder.with_name(str(later["id"])), "dpo") or "UBEN" not in str(persons)
    listed = journeyman("dataset", "show").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [str(later["id"]), str(made["id"])]
    assert "stale" in listed[1]


@pytest.mark.slow
def test_what_must_not_be_learnt(journeyman: Run, judged: dict[str, UUID], database: str, tmp_path: Path) -> None:
    """Questions of an evaluation set, documents that changed, and what not everybody may read; each is counted."""
    questions = tmp_path / "questions.jsonl"
    row = {"id": "1", "question": "what colour is the PUMP", "kind": "fact", "sources": ["pump.md"], "expect": ["blue"]}
    questions.write_text(json.dumps(row))
    report = json.loads(journeyman("dataset", "build", "--evaluation", questions, "--json").stdout)["report"]
    assert report["left out: questions of an evaluation set"] == 1
    (tmp_path / "documents" / "press.md").write_text("# Oil of the press\n\nThe press needs three litres of oil.\n")
    journeyman("index", tmp_path / "documents")
    report = json.loads(journeyman("dataset", "build", "--json").stdout)["report"]
    assert report["left out: a document changed or went since"] == 3  # each of the three was written from both
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE collection SET audience = '{user:UANN}'")
    done = journeyman("dataset", "build")
    assert done.returncode == 0
    assert "3  left out: a passage is not for everyone" in done.stdout
    assert "nothing to learn from yet" in done.stderr


@pytest.mark.slow
def test_from_documents(served: None, journeyman: Run, documents: Path) -> None:
    """The model asks about the passages that say enough; one that asks nothing gives nothing, and that is said."""
    (documents / "saw.md").write_text("# Saw\n\n" + "The saw in hall 5 cuts steel bars of forty millimetres. " * 3)
    journeyman("index", documents)
    done = journeyman("dataset", "build", "--from-documents", 5)
    assert done.returncode == 0, done.stderr
    assert "1  synthetic, left out: no question" in done.stdout
    assert "nothing to learn from yet" in done.stderr
    assert "no dataset yet" in journeyman("dataset", "show").stderr
    assert "There is no dataset 7" in one_sentence(journeyman("dataset", "export", "folder", "--id", 7))
