"""The console: a conversation in the terminal."""

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

from journeyman.cli.asking import StoredAnswer
from journeyman.cli.console import converse
from retrieval.answering.answer import Answer, Question


def an_answer(text: str) -> Answer:
    """An answer with nothing in it but its text."""
    return Answer("", "", text, False, (), (), "", "model", None, {})


def typed(*lines: str) -> Callable[[str], str]:
    """A person who types these lines and leaves."""
    rest: Iterator[str] = iter(lines)

    def read(prompt: str) -> str:
        line = next(rest, None)
        if line is None:
            raise EOFError
        return line

    return read


class Desk:
    """Answers each question with itself in capitals, and remembers what it was asked and told."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.ids: list[UUID] = []
        self.votes: list[tuple[UUID, int]] = []
        self.written: list[str] = []

    def ask(self, question: Question) -> StoredAnswer:
        if question.text == "fail":
            raise ValueError("out of paper")
        if question.text == "interrupt":
            raise KeyboardInterrupt
        self.asked.append(question)
        self.ids.append(uuid4())
        return StoredAnswer(self.ids[-1], an_answer(question.text.upper()))

    def vote(self, answer_id: UUID, value: int) -> None:
        self.votes.append((answer_id, value))

    def serve(self, *lines: str) -> None:
        converse(self.ask, self.vote, read=typed(*lines), write=self.written.append)


def test_the_conversation_is_remembered() -> None:
    """A follow-up carries what was said before, oldest first, until the person starts anew."""
    desk = Desk()
    desk.serve("one", "two", ":new", "three")
    assert [(turn.role, turn.text) for turn in desk.asked[1].history] == [("user", "one"), ("assistant", "ONE")]
    assert [len(question.history) for question in desk.asked] == [0, 2, 0]


def test_thumbs_are_about_the_last_answer() -> None:
    """+ and - judge the last answer, and before the first there is nothing to judge."""
    desk = Desk()
    desk.serve("+", "one", "+", "-")
    assert desk.votes == [(desk.ids[0], 1), (desk.ids[0], -1)]
    assert "no answer yet" in desk.written[1]


def test_a_failure_does_not_end_the_conversation() -> None:
    """An error is told, Ctrl-C stops one answer, and the next question is answered."""
    desk = Desk()
    desk.serve("fail", "interrupt", "one")
    assert [question.text for question in desk.asked] == ["one"]
    assert "out of paper" in desk.written[1]
    assert "Stopped." in desk.written[2]


def test_help_and_quit() -> None:
    """:help explains, :quit leaves at once, and an empty line asks nothing."""
    desk = Desk()
    desk.serve("", ":help", ":quit", "one")
    assert desk.asked == []
    assert ":quit" in desk.written[1]
