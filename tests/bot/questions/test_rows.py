"""The bot's rows: answers, votes, events and the history of a thread."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from psycopg import Connection

from bot.claims import claim_event, claim_post, forget_events
from bot.feedback.votes import button_value, read_button, vote
from bot.questions import views
from bot.questions.answering import answer_shown, fail_answer, finish_answer, keep_answer
from bot.questions.answers import UnfinishedAnswer, adopt_answers, begin_answer
from bot.questions.asking import claim
from bot.questions.conversation import asked_in_thread, thread_history
from bot.questions.in_flight import PendingAnswer
from bot.questions.placing import place_answer
from bot.questions.recent import Recent
from bot.slack.events import Post
from retrieval.answering.answer import Question, Source, Turn
from tests.bot.samples import ANSWER_TEXT, answer_to, runtime, source

Conn = Connection[Any]


def begun(conn: Conn, text: str = "what is alarm 4?", ts: str = "1.0", thread_ts: str = "1.0"):  # type: ignore[no-untyped-def]
    """A pending answer to a post in C1."""
    return begin_answer(conn, asked_by="U1", question=Question(text), channel="C1", thread_ts=thread_ts, question_ts=ts)


def unfinished_answers(conn: Conn) -> list[UnfinishedAnswer]:
    """What a new process finds."""
    conn.execute("UPDATE answer SET owner = NULL")
    return adopt_answers(conn, 1, [])


def test_a_post_is_answered_by_one_row(conn: Conn) -> None:
    """A second begin for the same Slack message is refused; the terminal may ask the same thing again."""
    assert begun(conn) is not None
    assert begun(conn) is None
    assert begin_answer(conn, asked_by="console", question=Question("same")) is not None
    assert begin_answer(conn, asked_by="console", question=Question("same")) is not None


def test_a_finished_answer_keeps_what_explains_it(conn: Conn) -> None:
    """Prompt, passages with hash, score and ranks, sources, model and timings are in the row; NUL is not."""
    answer_id = begin_answer(
        conn, asked_by="U1", question=Question("q\x00", [Turn("user", "a"), Turn("assistant", "b")])
    )
    assert answer_id is not None
    written = replace(answer_to("q", "text\x00 [1]"), template_sha256="ab" * 32, revision="main")
    finish_answer(conn, answer_id, written, answer_ts="2.0")
    kept = conn.execute("SELECT template_sha256, revision FROM answer WHERE id = %s", [answer_id]).fetchone()
    assert kept == ("ab" * 32, "main")
    row = conn.execute(
        "SELECT state, question, history, prompt, passages, sources, text, model, adapter, timings, "
        "answer_ts, finished_at IS NOT NULL FROM answer WHERE id = %s",
        [answer_id],
    ).fetchone()
    assert row is not None
    (
        state,
        question,
        history,
        prompt,
        passages,
        sources,
        text,
        model,
        adapter,
        timings,
        answer_ts,
        finished,
    ) = row
    assert (state, question, text, model, adapter, answer_ts, finished) == (
        "answered", "q", "text [1]", "stand-in", None, "2.0", True,
    )  # fmt: skip
    assert history == [{"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}]
    assert prompt == "<|user|>\nq<|end|>"
    assert (
        passages[0] | {"chunk_id": 1, "content_hash": f"{1:064x}", "document": "alarms.md", "score": 0.9} == passages[0]
    )
    assert passages[0]["ranks"] == {"dense": 1, "lexical": 2}
    assert sources[0]["number"] == 1
    assert sources[0]["quote"] == "The probe did not contact the workpiece."
    assert timings == {"search": 0.01, "generate": 0.1}


def test_only_pending_answers_to_slack_are_unfinished(conn: Conn) -> None:
    """Finished, failed and terminal answers are not; the message of a pending one is remembered."""
    finished, failed, pending = begun(conn, ts="1.0"), begun(conn, ts="2.0"), begun(conn, ts="3.0")
    begin_answer(conn, asked_by="console", question=Question("same"))
    finish_answer(conn, finished, answer_to("q"))
    fail_answer(conn, failed, "a reason")
    place_answer(conn, pending, "9.9")
    (found,) = unfinished_answers(conn)
    assert (found.id, found.channel, found.question_ts, found.answer_ts) == (pending, "C1", "3.0", "9.9")
    assert found.text is None


def test_an_answer_that_was_not_shown_is_unfinished_and_part_of_the_history(conn: Conn) -> None:
    """Kept with its text and sources until it is shown; a follow-up finds it already."""
    answer_id = begun(conn)
    finish_answer(conn, answer_id, answer_to("q"), shown=False)
    (found,) = unfinished_answers(conn)
    assert (found.text, [Source(**kept) for kept in found.sources]) == (ANSWER_TEXT, [source()])
    assert len(thread_history(conn, "C1", "1.0")) == 2
    answer_shown(conn, answer_id, "2.0")
    assert unfinished_answers(conn) == []


def test_an_answer_is_kept_only_if_it_answers_what_is_asked_now(conn: Conn) -> None:
    """Neither after an edit, nor by a process that it does not belong to any more."""
    answer_id = begun(conn, "what is alarm 4?")
    conn.execute("UPDATE answer SET owner = 1")
    assert not keep_answer(conn, answer_id, answer_to("q"), "what is alarm 5?", owner=1)
    assert not keep_answer(conn, answer_id, answer_to("q"), "what is alarm 4?", owner=2)
    assert keep_answer(conn, answer_id, answer_to("q"), "what is alarm 4?", owner=1)
    assert conn.execute("SELECT state, finished_at FROM answer").fetchone() == ("answered", None)


def test_a_finished_answer_does_not_fail_afterwards(conn: Conn) -> None:
    """The reason of a late failure does not take an answer away."""
    answer_id = begun(conn)
    finish_answer(conn, answer_id, answer_to("q"))
    fail_answer(conn, answer_id, "too late")
    assert conn.execute("SELECT state, error FROM answer").fetchone() == ("answered", None)


def test_the_last_vote_counts(conn: Conn) -> None:
    """One row per answer and person, whatever was pressed before."""
    answer_id = begun(conn)
    for person, value in (("U1", 1), ("U1", -1), ("U2", 1), ("U1", -1)):
        assert vote(conn, answer_id, person, value)  # type: ignore[arg-type]
    rows = conn.execute("SELECT person, vote FROM feedback ORDER BY person").fetchall()
    assert rows == [("U1", -1), ("U2", 1)]


def test_a_vote_on_a_deleted_answer_is_said_to_be_so(conn: Conn) -> None:
    """No error, no row."""
    assert not vote(conn, uuid4(), "U1", 1)


def test_a_button_says_which_answer_and_which_thumb() -> None:
    """What a button carries can be read back, and nothing else is taken for it."""
    answer_id = uuid4()
    thumb = read_button(button_value(answer_id, -1))
    assert thumb is not None
    assert (thumb.answer_id, thumb.value) == (answer_id, -1)
    assert [read_button(value) for value in ("", "+1", "+1 x", f"+2 {answer_id}", f"1 {answer_id}")] == [None] * 5


def test_an_event_and_a_post_are_claimed_once(conn: Conn) -> None:
    """Known by event id and by post: a retry, and the other event of the same post, are both refused."""
    assert claim_post(conn, "Ev1", "C1", "1.0")
    assert not claim_post(conn, "Ev1", "C1", "1.0")
    assert not claim_post(conn, "Ev2", "C1", "1.0")
    assert claim_post(conn, "Ev3", "C1", "2.0")
    assert claim_post(conn, "", "C1", "3.0")
    assert claim_post(conn, "", "C1", "4.0")
    assert not claim_post(conn, "", "C1", "3.0")
    assert not claim_event(conn, "Ev3")


def test_old_events_are_forgotten(conn: Conn) -> None:
    """Only those that Slack cannot deliver again."""
    claim_event(conn, "Ev1")
    assert forget_events(conn) == 0
    conn.execute("UPDATE event SET received_at = now() - interval '8 days'")
    assert forget_events(conn) == 1


def test_recent_keys_are_bounded() -> None:
    """The memory of a process that cannot reach Postgres does not grow for ever."""
    recent = Recent(size=2)
    assert [recent.add(("C1", str(n))) for n in (1, 1, 2, 3)] == [True, False, True, True]
    assert ("C1", "1") not in recent
    assert ("C1", "3") in recent


def test_history_is_the_threads_own_oldest_first_and_bounded(conn: Conn) -> None:
    """Only finished answers of this thread, and no more than fit."""
    for number in range(6):
        answer_id = begun(conn, f"question {number}", ts=f"{number}.0", thread_ts="0.0")
        conn.execute("UPDATE answer SET asked_at = now() + %s * interval '1 s' WHERE id = %s", [number, answer_id])
        finish_answer(conn, answer_id, answer_to("q"))
    begun(conn, "pending", ts="7.0", thread_ts="0.0")
    begun(conn, "elsewhere", ts="8.0", thread_ts="8.0")
    assert thread_history(conn, "C1", "0.0", exchanges=2) == (
        Turn("user", "question 4"), Turn("assistant", ANSWER_TEXT),
        Turn("user", "question 5"), Turn("assistant", ANSWER_TEXT),
    )  # fmt: skip
    assert len(thread_history(conn, "C1", "0.0", characters=len(ANSWER_TEXT) + 10)) == 2
    assert thread_history(conn, "C1", "5.0") == ()


def test_claiming_needs_the_thread_for_replies_without_a_mention(conn: Conn) -> None:
    """A reply in a thread where nobody asked the bot is left alone, and not even remembered."""
    post = Post("Ev2", "C1", "2.0", "1.0", "U1", "T1", direct=False, addressee="thread", text="and alarm 5?")
    assert claim(conn, post, runtime()) is None
    begun(conn, ts="1.0", thread_ts="1.0")
    assert asked_in_thread(conn, "C1", "1.0")
    assert isinstance(claim(conn, post, runtime()), PendingAnswer)
    assert claim(conn, post, runtime()) is None


def test_small_talk_is_claimed_once_and_has_no_answer(conn: Conn) -> None:
    """A greeting is claimed like a question, without an answer row."""
    post = Post("Ev1", "C1", "1.0", "1.0", "U1", "T1", direct=False, text="hi", kind="greeting")
    assert claim(conn, post, runtime()) == views.GREETING
    assert claim(conn, post, runtime()) is None
    assert conn.execute("SELECT count(*) FROM answer").fetchone() == (0,)
