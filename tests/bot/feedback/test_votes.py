"""One row for each answer and person, however thumbs are put and taken away."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from bot.feedback.votes import button_value, react, read_button, vote
from bot.questions.answering import finish_answer
from bot.questions.answers import begin_answer
from bot.slack.events import Reaction, thumb_of
from retrieval.answering.answer import Question
from tests.bot.samples import answer_to

Conn = Connection[Any]


def begun(conn: Conn, text: str = "what is alarm 4?", ts: str = "1.0", thread_ts: str = "1.0"):  # type: ignore[no-untyped-def]
    """A pending answer to a post in C1."""
    return begin_answer(conn, asked_by="U1", question=Question(text), channel="C1", thread_ts=thread_ts, question_ts=ts)


def answer_row(conn: Connection[Any], ts: str = "2.0") -> UUID:
    """A finished answer in C1."""
    asked = begin_answer(
        conn, asked_by="U1", question=Question("q"), channel="C1", thread_ts="1.0", question_ts=f"q{ts}"
    )
    assert asked is not None
    finish_answer(conn, asked, answer_to("q"), answer_ts=ts)
    return asked


def reaction(value: int, at: int, *, present: bool = True, ts: str = "2.0") -> Reaction:
    """U1 puts a thumb under the answer, or takes it away, `at` a time of Slack's."""
    return Reaction("Ev1", "C1", ts, "U1", value, present, Decimal(at))  # type: ignore[arg-type]


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


def test_reactions_in_any_order_end_the_same(conn: Connection[Any]) -> None:
    """Slack's time decides, not the order of delivery: late and repeated events change nothing."""
    told = [reaction(1, 1), reaction(-1, 2), reaction(-1, 3, present=False)]
    for number, order in enumerate(((0, 1, 2), (2, 1, 0), (1, 0, 2, 1), (0, 2, 1), (2, 0, 1, 0))):
        ts = f"{number}.5"
        answer_id = answer_row(conn, ts)
        for event in order:
            change = told[event]
            react(conn, reaction(change.vote, int(change.event_ts), present=change.present, ts=ts))
        found = conn.execute("SELECT vote FROM feedback WHERE answer_id = %s", [answer_id]).fetchall()
        assert found == [(1,)], order


def test_a_reaction_taken_away_leaves_a_pressed_button(conn: Connection[Any]) -> None:
    """Only the vote that the reaction gave goes with it."""
    answer_id = answer_row(conn)
    react(conn, reaction(1, 1))
    vote(conn, answer_id, "U1", -1)
    react(conn, reaction(1, 2, present=False))
    assert conn.execute("SELECT vote FROM feedback").fetchall() == [(-1,)]


def test_a_reaction_under_another_message_says_nothing(conn: Connection[Any]) -> None:
    """Nor does an emoji that is no thumb."""
    answer_row(conn)
    assert react(conn, reaction(1, 1, ts="9.9")) is None
    assert [thumb_of(name) for name in ("+1", "-1::skin-tone-2", "thumbsup", "tada")] == [1, -1, 1, None]
