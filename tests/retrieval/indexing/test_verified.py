"""Verified answers in the index: found within the transaction that stores them, marked, and never scanned away."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg_pool import ConnectionPool

from retrieval.answering.answer import Done, Question
from retrieval.answering.chain import AnswerChain
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import list_sources, register_sources
from retrieval.indexing.verified import (
    HEADING_LIMIT,
    TITLE,
    prepare,
    put_verified,
    remove_verified,
    title_of_another,
    verified_name,
)
from retrieval.searching.scope import Scope
from retrieval.searching.search import search

EMBEDDER = MiniLM()
QUESTION = "Which grease does the spindle bearing need?"
TEXT = "The spindle bearing needs grease KP2K-30. Ask the store for it."
WHEN = datetime(2026, 11, 22, tzinfo=UTC)


def put(conn: Connection, text: str = TEXT, number: int = 1, instead_of: int | None = None) -> int:
    """Store a verified answer in the collection shop."""
    name = verified_name(number, "Ada Alvarez", WHEN)
    prepared = prepare(EMBEDDER, QUESTION, text)
    return put_verified(conn, prepared, collection="shop", name=name, verified_at=WHEN, instead_of=instead_of)


def test_a_verified_answer_is_found_and_marked(conn: Connection) -> None:
    """Best for its own question; title, heading and name say what it is, on what, by whom and when."""
    put(conn)
    first = search(conn, EMBEDDER, "what grease for the bearing of the spindle?")[0]
    assert (first.title, first.heading, first.text) == (TITLE, QUESTION, TEXT)
    assert first.document == "no. 1, verified by Ada Alvarez on 2026-11-22"
    assert [sentence.text for sentence in first.sentences] == TEXT.replace(". ", ".|").split("|")


def test_it_stays_in_its_collection(conn: Connection) -> None:
    """Who may not search the collection does not find it."""
    put(conn)
    assert search(conn, EMBEDDER, QUESTION, scope=Scope(("office",))) == []


def test_another_version_takes_its_place(conn: Connection) -> None:
    """The old text is gone from search, and so is a withdrawn one."""
    old = put(conn)
    new = put(conn, "It needs LGMT 2 since this year.", instead_of=old)
    assert [found.text for found in search(conn, EMBEDDER, QUESTION)] == ["It needs LGMT 2 since this year."]
    remove_verified(conn, new)
    assert search(conn, EMBEDDER, QUESTION) == []


def test_a_scan_leaves_it_alone(conn: Connection, tmp_path: Path) -> None:
    """Its source is no folder: it is not listed, and a scan of all sources neither fails nor removes it."""
    put(conn)
    (tmp_path / "canteen.txt").write_text("Lunch is served from noon until two.\n")
    register_sources(conn, [tmp_path], collection="shop")
    assert [source.uri for source in list_sources(conn)] == [str(tmp_path)]
    report = index_sources(conn, EMBEDDER, list_sources(conn), max_bytes=10**6)
    assert report.failures == []
    assert search(conn, EMBEDDER, QUESTION)[0].title == TITLE


def test_the_chain_quotes_it_and_marks_the_source(database: str) -> None:
    """Asked in other words, beside a manual that says something else: the verified answer is quoted first."""
    with ConnectionPool(database, min_size=1, configure=register_vector) as pool:
        with pool.connection() as conn:
            put(conn)
        model = GenericFakeChatModel(messages=iter([AIMessage("It needs grease KP2K-30.")]))
        *_, done = AnswerChain(pool, EMBEDDER, model).stream(
            Question("what grease does the bearing of the spindle take?")
        )
    assert isinstance(done, Done)
    assert done.answer.text.startswith("> The spindle bearing needs grease KP2K-30.")
    (source,) = done.answer.sources
    assert (source.title, source.document) == (TITLE, "no. 1, verified by Ada Alvarez on 2026-11-22")


def test_a_long_question_is_cut_in_the_heading(conn: Connection) -> None:
    """One line that fits above the answer."""
    prepared = prepare(EMBEDDER, "why?\n" * 200, TEXT)
    assert len(prepared.chunk.heading[0]) <= HEADING_LIMIT
    assert "\n" not in prepared.chunk.heading[0]


def test_a_name_that_is_not_said(conn: Connection) -> None:
    """Who had their data deleted is not named."""
    assert verified_name(7, None, WHEN) == "no. 7, verified on 2026-11-22"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Verified answer", "Document “Verified answer”"),
        ("VERIFIED  ANSWER no. 3", "Document “VERIFIED  ANSWER no. 3”"),
        ("ｖerified answer", "Document “ｖerified answer”"),
        ("Reply of a colleague", "Document “Reply of a colleague”"),
        ("How answers are verified", "How answers are verified"),
    ],
)
def test_no_document_looks_like_a_verified_answer(title: str, shown: str) -> None:
    """Whoever may write a document could else speak with an admin's voice."""
    assert title_of_another(title) == shown
