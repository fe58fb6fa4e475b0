"""What a round knows of what it learns from."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from bot.questions.answers import begin_answer
from finetune.dataset.storage import verified_passages
from finetune.rounds.rows import learnt_from
from retrieval.answering.answer import Question
from retrieval.embedding import MiniLM
from retrieval.indexing.sources import VERIFIED
from retrieval.indexing.verified import prepare, put_verified

EMBEDDER = MiniLM()
_VERIFIED = """
INSERT INTO verified_answer (answer_id, document_id, collection, question, text) VALUES (%s, %s, 'default', %s, %s)
"""
_EXAMPLE = """
INSERT INTO dataset_example (dataset_id, example, kind, split, cluster, answer_id, persons, sources, synthetic)
VALUES (%s, %s, 'sft', %s, '1', %s, '{}', '{}', false)
"""


def verified(conn: Connection[Any], number: int) -> tuple[UUID, str]:
    """A verified answer in the index: the answer in whose place it stands, and its content hash."""
    question, text = f"Which oil does machine {number} need?", f"Machine {number} needs oil {number}."
    answer = begin_answer(conn, asked_by="UANN", question=Question(question))
    assert answer is not None
    prepared = prepare(EMBEDDER, question, text)
    when = datetime(2026, 11, 22, tzinfo=UTC)
    document = put_verified(conn, prepared, collection="default", name=f"no. {number}", verified_at=when)
    conn.execute(_VERIFIED, [answer, document, question, text])
    return answer, prepared.chunk.content_hash.hex()


def test_what_an_adapter_could_learn_from(conn: Connection[Any]) -> None:
    """The verified answers on the training side alone: what is held out, or in no dataset, is no example."""
    (dataset,) = conn.execute("INSERT INTO dataset (hash, report) VALUES ('ab', '{}') RETURNING id").fetchone() or (0,)
    (learnt, right), (held, _), (both, _), _ = (verified(conn, number) for number in range(4))
    for place, (answer, split) in enumerate(((learnt, "train"), (held, "test"), (both, "train"), (both, "test"))):
        conn.execute(_EXAMPLE, [dataset, f"sft:{place}", split, answer])
    assert learnt_from(conn, dataset) == {right}
    assert len(verified_passages(conn, VERIFIED)) == 4
