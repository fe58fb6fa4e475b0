"""Datasets in the database and on disk, from rows as the bot writes them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection

from bot.feedback.complaints import complain
from bot.feedback.votes import vote
from bot.home.personal_data import delete_data
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from finetune.dataset.build import build
from finetune.dataset.freezing import DatasetUnusable, find, freeze, sweep
from finetune.dataset.rows import Dataset, Options, VoteRow
from finetune.dataset.storage import erase_person, read_answers, read_datasets, read_splits
from retrieval.answering.answer import Question, Turn
from retrieval.indexing.sources import VERIFIED
from tests.bot.samples import answer_to
from tests.finetune.dataset.samples import answer, down, grounding, up


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "datasets"
    shutil.rmtree(tmp_path / "datasets", ignore_errors=True)


def asked(conn: Connection[Any], person: str, question: Question, ts: str = "1") -> UUID:
    """An answered question in one thread."""
    answer_id = begin_answer(conn, asked_by=person, question=question, channel="C1", thread_ts="1", question_ts=ts)
    assert answer_id is not None
    finish_answer(conn, answer_id, answer_to(question.text))
    return answer_id


def made(**changes: Any) -> Dataset:
    """A dataset of two thumbs, of UANN and UBEN."""
    rows = [
        answer(1, votes=up("UANN"), persons=frozenset({"UANN"})),
        answer(2, votes=down("UBEN", reason="wrong"), persons=frozenset({"UBEN"})),
    ]
    return build(
        [*rows], grounding(), options=Options(**{"test_share": 0, "newest_share": 0, "oracle_share": 1, **changes})
    )


def with_uuids(dataset: Dataset) -> Dataset:
    """Without answers that the database would have to know."""
    from dataclasses import replace

    placed = [replace(one, example=replace(one.example, answer_id=None)) for one in dataset.placed]
    return replace(dataset, placed=placed)


def test_answers_come_with_votes_reasons_thread_and_people(conn: Connection[Any]) -> None:
    """Those who asked before in the thread are in it with their words; who nobody judged is not read."""
    asked(conn, "UEVE", Question("Which alarms are there?"), "1")
    follow_up = Question("And the fourth?", [Turn("user", "Which alarms are there?")])
    answer_id = asked(conn, "UANN", follow_up, "2")
    vote(conn, answer_id, "UBEN", -1)
    complain(conn, answer_id, "UBEN", "wrong", "The probe failed.")
    vote(conn, answer_id, "UANN", 1)
    (row,) = read_answers(conn, VERIFIED)
    assert row.id == str(answer_id)
    assert row.votes == (VoteRow("UANN", 1), VoteRow("UBEN", -1, "wrong"))
    assert row.thread == "C1/1"
    assert row.persons == {"UANN", "UBEN", "UEVE"}
    assert row.waiting == 1
    assert row.correction is None
    assert row.prompted
    assert [(passage.text, passage.everyone) for passage in row.passages] == [("", False)]  # not in the index
    delete_data(conn, "UEVE")
    assert not read_answers(conn, VERIFIED)[0].prompted  # her words were in the prompt


def test_the_same_rows_are_one_dataset(conn: Connection[Any], folder: Path) -> None:
    """Also where its files were lost; another row is another dataset."""
    first = freeze(conn, folder, with_uuids(made()))
    assert freeze(conn, folder, with_uuids(made())).id == first.id
    shutil.rmtree(folder / str(first.id))
    with pytest.raises(DatasetUnusable, match="are not in"):
        find(conn, folder, first.id)
    assert freeze(conn, folder, with_uuids(made())).id == first.id
    assert find(conn, folder) == (first, folder / str(first.id))
    assert freeze(conn, folder, with_uuids(made(max_tokens=27))).id == first.id  # the same rows by another way
    assert len(read_datasets(conn)) == 1
    with pytest.raises(DatasetUnusable, match="nothing to learn"):
        freeze(conn, folder, build([], grounding()))


def test_who_goes_takes_the_dataset_along(conn: Connection[Any], folder: Path) -> None:
    """It is stale at once and names them no more; its files go with the next command; a new one may be the same."""
    first = freeze(conn, folder, with_uuids(made()))
    erase_person(conn, "UZOE")
    assert read_datasets(conn, first.id)[0].stale_at is None
    erase_person(conn, "UBEN")
    assert not conn.execute("SELECT FROM dataset_example WHERE 'UBEN' = ANY (persons)").fetchall()
    with pytest.raises(DatasetUnusable, match="had their data deleted"):
        find(conn, folder, first.id)
    assert sweep(conn, folder) == 1
    assert not (folder / str(first.id)).exists()
    assert sweep(conn, folder) == 0
    assert freeze(conn, folder, with_uuids(made())).id != first.id


def test_sides_are_kept(conn: Connection[Any], folder: Path) -> None:
    """What was trained on may be held out later, what was held out is never trained on."""
    freeze(conn, folder, with_uuids(made()))
    assert set(read_splits(conn).values()) == {"train"}
    freeze(conn, folder, with_uuids(made(test_share=1)))
    assert set(read_splits(conn).values()) == {"test"}
    freeze(conn, folder, with_uuids(made(seed=1)))
    assert set(read_splits(conn).values()) == {"test"}
