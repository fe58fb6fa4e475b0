"""Asking in the terminal, one question after another, each of which remembers the ones before."""

from collections.abc import Callable
from uuid import UUID

from journeyman.cli.asking import StoredAnswer
from journeyman.failures import explain
from retrieval.answering.answer import Question, Turn

PROMPT = "\nask> "
REMEMBERED_TURNS = 12

HELP = """\
Type a question. A follow-up may refer to what was said before.
  +  or  -   the last answer was good, or was not
  :new       forget the conversation
  :help      this
  :quit      leave (or Ctrl-D)
Ctrl-C stops an answer that is being written."""


def converse(
    ask: Callable[[Question], StoredAnswer],
    vote: Callable[[UUID, int], None],
    *,
    read: Callable[[str], str],
    write: Callable[[str], None],
) -> None:
    """Read questions until the person leaves. `ask` shows the answer itself."""
    history: list[Turn] = []
    last: UUID | None = None
    write("Ask a question about the documents; :help shows what else there is.")
    while True:
        try:
            line = read(PROMPT).strip()
        except (EOFError, KeyboardInterrupt):
            write("")
            return
        if line == ":quit":
            return
        if line in ("+", "-"):
            write(_vote(vote, last, 1 if line == "+" else -1))
        elif line == ":new":
            history, last = [], None
            write("A new conversation.")
        elif line.startswith(":"):
            write(HELP)
        elif line:
            stored = _ask(ask, Question(line, tuple(history)), write)
            if stored is not None:
                last = stored.answer_id
                history += [Turn("user", line), Turn("assistant", stored.answer.text)]
                del history[:-REMEMBERED_TURNS]


def _ask(
    ask: Callable[[Question], StoredAnswer], question: Question, write: Callable[[str], None]
) -> StoredAnswer | None:
    try:
        return ask(question)
    except KeyboardInterrupt:
        write("\nStopped.")
    except Exception as error:  # noqa: BLE001 - the console's edge: one failed question does not end the conversation
        write(explain(error).sentence)
    return None


def _vote(vote: Callable[[UUID, int], None], answer_id: UUID | None, value: int) -> str:
    if answer_id is None:
        return "There is no answer yet to judge."
    vote(answer_id, value)
    return "Noted: thumbs up." if value > 0 else "Noted: thumbs down."
