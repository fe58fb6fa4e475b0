"""Follow-ups of conversations in three languages find their documents: benchmarks/followups.py has the figures."""

from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.answering.answer import Question
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.passages import passages_for
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.reranking import LateInteraction

FOLDER = Path(__file__).parents[4] / "benchmarks" / "data" / "conversations"
CONVERSATIONS = load_questions(FOLDER / "questions.jsonl")


def test_conversations_rest_on_documents() -> None:
    """Every one has turns before it, and sources that exist."""
    for one in CONVERSATIONS:
        assert one.history
        assert one.history[0].role == "user"
        assert all((FOLDER / "documents" / source).is_file() for source in one.sources), one.id


@pytest.mark.slow
def test_follow_ups_find_their_documents(conn: Connection) -> None:
    """By themselves and with what was said before: more than by themselves alone."""
    embedder = MiniLM()
    index_sources(conn, embedder, register_sources(conn, [FOLDER / "documents"]), max_bytes=10**6)
    reranker = LateInteraction(embedder)

    def is_first(one: LabelledQuestion, asked: str, meaning: dict[str, float] | None) -> bool:
        return passages_for(conn, embedder, reranker, asked, meaning=meaning)[0].document in one.sources

    questions = [(one, Question(one.question, one.history)) for one in CONVERSATIONS]
    found = [is_first(one, standalone(asked), meaning_of(asked, standalone(asked))) for one, asked in questions]
    alone = [is_first(one, one.question, None) for one in CONVERSATIONS]
    assert sum(found) / len(found) >= 0.8
    assert sum(found) >= sum(alone) + 10
