"""What people find wrong, and where it goes."""

from typing import Any
from uuid import UUID

from psycopg import Connection

from bot.feedback.complaints import complain, documents_fixed, documents_to_fix
from bot.feedback.review import review_queue
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from retrieval.answering.answer import Question
from tests.bot.samples import answer_to


def answer_row(conn: Connection[Any], ts: str = "2.0") -> UUID:
    """A finished answer in C1."""
    asked = begin_answer(
        conn, asked_by="U1", question=Question("q"), channel="C1", thread_ts="1.0", question_ts=f"q{ts}"
    )
    assert asked is not None
    finish_answer(conn, asked, answer_to("q"), answer_ts=ts)
    return asked


def test_the_reason_decides_where_it_goes(conn: Connection[Any]) -> None:
    """Sources are repaired in the documents, answers judged in the queue, a correction is judged in any case."""
    answers = {ts: answer_row(conn, ts) for ts in ("1.1", "1.2", "1.3", "1.4")}
    complain(conn, answers["1.1"], "U1", "outdated", None)
    complain(conn, answers["1.2"], "U1", "wrong", None)
    complain(conn, answers["1.3"], "U1", "source", "It is in the other manual.")
    complain(conn, answers["1.4"], "U1", "unclear", None)
    assert {item.answer_id for item in documents_to_fix(conn)} == {answers["1.1"], answers["1.3"]}
    assert {item.answer_id for item in review_queue(conn)} == {answers["1.2"], answers["1.3"], answers["1.4"]}


def test_documents_to_fix_name_the_documents_until_they_are_fixed(conn: Connection[Any]) -> None:
    """Those that most people complained about first, with the sources that were shown."""
    once, twice = answer_row(conn, "1.1"), answer_row(conn, "1.2")
    complain(conn, once, "U1", "outdated", None)
    for person in ("U1", "U2"):
        complain(conn, twice, person, "source", None)
    first, second = documents_to_fix(conn)
    assert (first.answer_id, first.people, list(first.documents)) == (twice, 2, ["Alarm manual (alarms.md)"])
    assert (second.waiting, second.reasons) == (2, ["outdated"])
    assert documents_fixed(conn, twice, "U9")
    assert not documents_fixed(conn, twice, "U9")
    assert [item.answer_id for item in documents_to_fix(conn)] == [once]


def test_the_last_thing_said_counts(conn: Connection[Any]) -> None:
    """One row per answer and person, and a new complaint waits again."""
    answer_id = answer_row(conn)
    complain(conn, answer_id, "U1", "source", None)
    documents_fixed(conn, answer_id, "U9")
    complain(conn, answer_id, "U1", "outdated", None)
    (item,) = documents_to_fix(conn)
    assert item.reasons == ["outdated"]
